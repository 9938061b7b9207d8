//! What is looked for: times, accounts, regions.

use std::str::FromStr;

use quarantine_alert::rule::Match;
use time::{
    Date, Duration, OffsetDateTime, Time, UtcOffset, format_description::well_known::Rfc3339,
    macros::format_description,
};

/// A point in time as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Date(Date),
    Time(OffsetDateTime),
    Ago(Duration),
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<When, Self::Err> {
        const WANTS: &str =
            "write a date (2026-11-24, in UTC), a time (2026-11-24T03:02:11Z), or how long ago (30m, 12h, 7d, 2w)";
        if let Ok(date) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
            return Ok(When::Date(date));
        }
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            return time.checked_to_offset(UtcOffset::UTC).map(When::Time).ok_or(WANTS);
        }
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(WANTS)?;
        let number = number.parse::<u32>().map_err(|_| WANTS)?;
        let minutes = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            "w" => 7 * 24 * 60,
            _ => return Err(WANTS),
        };
        // So far back that it is before CloudTrail.
        Ok(When::Ago(Duration::minutes(minutes * i64::from(number)).min(Duration::days(365 * 100))))
    }
}

impl When {
    /// The first moment that counts, where it begins a range.
    fn begin(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            When::Date(date) => date.with_time(Time::MIDNIGHT).assume_utc(),
            When::Time(time) => time,
            When::Ago(duration) => now - duration,
        }
    }

    /// The first moment that no longer counts, where it ends a range: a date includes its day, and a time its second,
    /// since CloudTrail writes no fractions.
    fn end(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            When::Date(date) => self_or_last(date.next_day()).with_time(Time::MIDNIGHT).assume_utc(),
            When::Time(time) => time.saturating_add(Duration::SECOND),
            When::Ago(duration) => now - duration + Duration::SECOND,
        }
    }
}

fn self_or_last(date: Option<Date>) -> Date {
    date.unwrap_or(Date::MAX)
}

/// Which matches are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The first moment that counts.
    pub since: Option<OffsetDateTime>,
    /// The first that no longer does.
    pub until: Option<OffsetDateTime>,
    pub accounts: Vec<String>,
    pub regions: Vec<String>,
}

impl Filter {
    pub fn new(
        since: Option<When>,
        until: Option<When>,
        accounts: Vec<String>,
        regions: Vec<String>,
        now: OffsetDateTime,
    ) -> Filter {
        Filter { since: since.map(|when| when.begin(now)), until: until.map(|when| when.end(now)), accounts, regions }
    }

    /// A match that does not tell its time, account or region is wanted: nothing is missed for what is not told.
    pub fn wants(&self, matched: &Match) -> bool {
        let record = &matched.record;
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
    fn times_are_read_as_people_write_them() {
        assert_eq!("2026-11-24".parse(), Ok(When::Date(date!(2026 - 11 - 24))));
        assert_eq!("2026-11-24T03:02:11+01:00".parse(), Ok(When::Time(datetime!(2026-11-24 02:02:11 UTC))));
        for (text, minutes) in [("30m", 30), ("12h", 720), ("7d", 10_080), ("2w", 20_160)] {
            assert_eq!(text.parse(), Ok(When::Ago(Duration::minutes(minutes))), "{text}");
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
        assert_eq!(When::Ago(Duration::DAY).begin(now), datetime!(2026-11-23 12:00 UTC));
        assert!("4000000000w".parse::<When>().unwrap().begin(now).year() < 2000);
    }
}
