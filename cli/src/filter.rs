//! Which records are wanted: times, accounts, regions.

use std::{fmt, str::FromStr};

use quarantine_alert::trail::{record::Record, time::rfc3339};
use time::{
    Date, Duration, OffsetDateTime, Time, UtcOffset, format_description::well_known::Rfc3339,
    macros::format_description,
};

/// A point in time as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Date(Date),
    Time(OffsetDateTime),
    Ago(u32, Unit),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Minutes,
    Hours,
    Days,
    Weeks,
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<When, Self::Err> {
        const USE: &str =
            "write a date (2026-11-24, in UTC), a time (2026-11-24T03:02:11Z), or how long ago (30m, 12h, 7d, 2w)";
        if let Ok(date) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
            return Ok(When::Date(date));
        }
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            return time.checked_to_offset(UtcOffset::UTC).map(When::Time).ok_or(USE);
        }
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(USE)?;
        let unit = match unit {
            "m" => Unit::Minutes,
            "h" => Unit::Hours,
            "d" => Unit::Days,
            "w" => Unit::Weeks,
            _ => return Err(USE),
        };
        Ok(When::Ago(number.parse().map_err(|_| USE)?, unit))
    }
}

impl When {
    /// The first moment of a period that begins then.
    pub fn begin(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            When::Date(date) => date.with_time(Time::MIDNIGHT).assume_utc(),
            When::Time(time) => time,
            When::Ago(number, unit) => {
                let number = i32::try_from(number).unwrap_or(i32::MAX);
                now.saturating_sub(unit.duration().saturating_mul(number))
            }
        }
    }

    /// The first moment after a period that ends then. A date includes its day, and a time its second, since CloudTrail
    /// writes no fractions.
    pub fn end(self, now: OffsetDateTime) -> OffsetDateTime {
        let last = self.begin(now);
        last.saturating_add(if let When::Date(_) = self { Duration::DAY } else { Duration::SECOND })
    }
}

impl Unit {
    fn duration(self) -> Duration {
        match self {
            Unit::Minutes => Duration::MINUTE,
            Unit::Hours => Duration::HOUR,
            Unit::Days => Duration::DAY,
            Unit::Weeks => Duration::WEEK,
        }
    }
}

/// As people write it.
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Date(date) => date.fmt(f),
            When::Time(time) => f.write_str(&rfc3339(*time)),
            When::Ago(number, unit) => {
                let unit = match unit {
                    Unit::Minutes => 'm',
                    Unit::Hours => 'h',
                    Unit::Days => 'd',
                    Unit::Weeks => 'w',
                };
                write!(f, "{number}{unit}")
            }
        }
    }
}

/// Which records are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The first wanted moment.
    pub since: Option<OffsetDateTime>,
    /// The first moment after the wanted ones.
    pub until: Option<OffsetDateTime>,
    pub accounts: Vec<String>,
    pub regions: Vec<String>,
}

impl Filter {
    /// Whether it hides anything.
    pub fn hides(&self) -> bool {
        self.since.is_some() || self.until.is_some() || !self.accounts.is_empty() || !self.regions.is_empty()
    }

    /// A record without a time, account or region is wanted, so that none is missed for a missing field.
    pub fn wants(&self, record: &Record) -> bool {
        let is_in_time = record.event_time.is_none_or(|time| {
            self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time < until)
        });
        let account_id = record.account_id();
        let is_of_account = self.accounts.is_empty()
            || account_id == "unknown"
            || self.accounts.iter().any(|account| account == account_id);
        let is_of_region =
            |region: &String| record.aws_region.as_ref().is_none_or(|found| found.test(|found| found == region));
        is_in_time && is_of_account && (self.regions.is_empty() || self.regions.iter().any(is_of_region))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn times_are_read_and_shown_as_people_write_them() {
        assert_eq!("2026-11-24".parse(), Ok(When::Date(date!(2026 - 11 - 24))));
        assert_eq!("2026-11-24T03:02:11+01:00".parse(), Ok(When::Time(datetime!(2026-11-24 02:02:11 UTC))));
        assert_eq!("7d".parse(), Ok(When::Ago(7, Unit::Days)));
        for text in ["2026-11-24", "2026-11-24T03:02:11Z", "30m", "12h", "7d", "2w"] {
            assert_eq!(text.parse::<When>().map(|when| when.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "7", "d", "7y", "-7d", "2026-02-30", "24.11.2026", "yesterday", "é"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_includes_its_day_and_a_time_its_second() {
        let now = datetime!(2026-11-24 12:00 UTC);
        let day = When::Date(date!(2026 - 11 - 24));
        assert_eq!((day.begin(now), day.end(now)), (datetime!(2026-11-24 0:00 UTC), datetime!(2026-11-25 0:00 UTC)));
        let time = When::Time(datetime!(2026-11-24 03:02:11 UTC));
        assert_eq!(
            (time.begin(now), time.end(now)),
            (datetime!(2026-11-24 03:02:11 UTC), datetime!(2026-11-24 03:02:12 UTC))
        );
        for (text, minutes) in [("30m", 30), ("12h", 720), ("7d", 10_080), ("2w", 20_160)] {
            assert_eq!(now - text.parse::<When>().unwrap().begin(now), Duration::minutes(minutes), "{text}");
        }
        assert!("4000000000w".parse::<When>().unwrap().begin(now).year() < 2000);
        assert!("9999-12-31".parse::<When>().unwrap().end(now) > now);
    }
}
