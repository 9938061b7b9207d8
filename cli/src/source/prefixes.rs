//! Which folders of a bucket may contain wanted log files, by CloudTrail's layout.
//!
//! The region's folder never excludes a log file: until November 2021, IAM's records were in the log files of other regions too.

use quarantine_alert::trail::key::{KIND, Layout, is_region};
use time::{Date, Duration, Month, OffsetDateTime};

use crate::filter::Filter;

/// A log file has the date of its delivery, which is minutes after the call. CloudTrail retries a failed delivery for up to
/// 30 days, of which one is covered.
const LATE_DELIVERY: Duration = Duration::DAY;

/// An `AWSLogs` is looked for up to this depth of folders.
const MAX_LEVELS: usize = 4;

/// How a folder is listed.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// Folder by folder, each with its own plan.
    Open,
    /// Everything below it.
    List,
    /// Everything below these.
    ListOnly(Vec<String>),
    Skip,
}

/// The delivery dates of the log files that may contain wanted records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    first: Date,
    last: Date,
}

impl Dates {
    /// `None` if all dates are wanted.
    pub fn of(filter: &Filter, today: Date) -> Option<Dates> {
        if filter.since.is_none() && filter.until.is_none() {
            return None;
        }
        let first = filter.since.map_or(Date::MIN, OffsetDateTime::date);
        let last = filter.until.map_or(today, |until| until.saturating_sub(Duration::SECOND).date());
        Some(Dates { first, last: last.min(today).saturating_add(LATE_DELIVERY) })
    }

    /// Whether a key has one of these dates, or none at all.
    pub fn include(&self, key: &str) -> bool {
        Layout::of(key).date().is_none_or(|date| (self.first..=self.last).contains(&date))
    }

    /// The folders below a region that cover the dates in a year: the year itself, months, and days.
    fn folders(&self, year: i32) -> Vec<String> {
        let mut folders = Vec::new();
        match self.cover(first_of(year, Month::January), first_of(year + 1, Month::January)) {
            Cover::Whole => folders.push(format!("{year:04}/")),
            Cover::None => {}
            Cover::Part => self.months(year, &mut folders),
        }
        folders
    }

    fn months(&self, year: i32, folders: &mut Vec<String>) {
        for number in 1..=12 {
            let Ok(month) = Month::try_from(number) else { continue };
            let begin = first_of(year, month);
            let end = if number == 12 { first_of(year + 1, Month::January) } else { first_of(year, month.next()) };
            match self.cover(begin, end) {
                Cover::Whole => folders.push(format!("{year:04}/{number:02}/")),
                Cover::None => {}
                Cover::Part => {
                    let days =
                        (1..=month.length(year)).filter_map(|day| Date::from_calendar_date(year, month, day).ok());
                    let days = days.filter(|day| (self.first..=self.last).contains(day));
                    folders.extend(days.map(|day| format!("{year:04}/{number:02}/{:02}/", day.day())));
                }
            }
        }
    }

    fn cover(&self, begin: Date, end: Date) -> Cover {
        if self.last < begin || end <= self.first {
            Cover::None
        } else if self.first <= begin && end <= self.last.saturating_add(Duration::DAY) {
            Cover::Whole
        } else {
            Cover::Part
        }
    }
}

enum Cover {
    Whole,
    Part,
    None,
}

fn first_of(year: i32, month: Month) -> Date {
    Date::from_calendar_date(year, month, 1).unwrap_or(Date::MAX)
}

/// Whether a key has one of these accounts, or none at all.
pub fn is_of_account(key: &str, accounts: &[String]) -> bool {
    accounts.is_empty() || Layout::of(key).account_id().is_none_or(|id| accounts.iter().any(|wanted| wanted == id))
}

/// Plans the listing of a folder. Its name ends in `/`, or is empty for the bucket itself.
pub fn plan(folder: &str, filter: &Filter, dates: Option<Dates>) -> Plan {
    let (id, folders) = match Layout::of(folder) {
        Layout::Root => return Plan::Open,
        Layout::Outside { below_root: false, depth } if depth < MAX_LEVELS => return Plan::Open,
        Layout::Outside { .. } => return Plan::List,
        Layout::Account { id, folders } => (id, folders),
    };
    match folders[..] {
        _ if !filter.accounts.is_empty() && filter.accounts.iter().all(|wanted| wanted != id) => Plan::Skip,
        // A copy without the folder of the kind.
        [kind, ..] if is_region(kind) => Plan::List,
        [kind, ..] if kind != KIND => Plan::Skip,
        [] | [_] => Plan::Open,
        // Anything may be next to the years of a region.
        [_, region] if dates.is_some() && is_region(region) => Plan::Open,
        [_, region, year] if is_region(region) && year.len() == 4 => match (dates, year.parse()) {
            (Some(dates), Ok(year)) => {
                let region = &folder[..folder.len() - "YYYY/".len()];
                Plan::ListOnly(dates.folders(year).into_iter().map(|date| format!("{region}{date}")).collect())
            }
            _ => Plan::List,
        },
        // The keys of the objects have dates.
        _ => Plan::List,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    fn dates(first: Date, last: Date) -> Dates {
        Dates { first, last }
    }

    fn folders(dates: Dates) -> Vec<String> {
        (2010..2030).flat_map(|year| dates.folders(year)).collect()
    }

    #[test]
    fn dates_are_covered_by_the_fewest_folders() {
        for (first, last, expected) in [
            (date!(2026 - 11 - 24), date!(2026 - 11 - 25), "2026/11/24/ 2026/11/25/"),
            (date!(2026 - 10 - 31), date!(2026 - 11 - 30), "2026/10/31/ 2026/11/"),
            (date!(2024 - 12 - 31), date!(2026 - 01 - 01), "2024/12/31/ 2025/ 2026/01/01/"),
            (date!(2024 - 01 - 01), date!(2024 - 12 - 31), "2024/"),
            (date!(2024 - 02 - 01), date!(2024 - 02 - 29), "2024/02/"),
            (date!(2026 - 11 - 25), date!(2026 - 11 - 24), ""),
            (Date::MIN, date!(2012 - 01 - 31), "2010/ 2011/ 2012/01/"),
        ] {
            assert_eq!(folders(dates(first, last)).join(" "), expected);
        }
    }

    #[test]
    fn every_date_is_below_one_folder_and_no_other_day_is() {
        let (first, last) = (date!(2023 - 11 - 17), date!(2026 - 02 - 28));
        let folders = folders(dates(first, last));
        let mut inside = 0;
        let mut outside = 0;
        let mut day = date!(2023 - 01 - 01);
        while day < date!(2027 - 01 - 01) {
            let path = format!("{:04}/{:02}/{:02}/", day.year(), u8::from(day.month()), day.day());
            let is_below = folders.iter().filter(|folder| path.starts_with(folder.as_str())).count();
            assert_eq!(is_below, usize::from((first..=last).contains(&day)), "{path}");
            inside += is_below;
            outside += 1 - is_below;
            day = day.next_day().unwrap();
        }
        assert_eq!((inside, outside), (835, 626));
    }

    #[test]
    fn a_log_file_may_be_delivered_a_day_late() {
        let filter = |since, until| Filter { since, until, ..Filter::default() };
        let today = date!(2026 - 11 - 24);
        assert_eq!(Dates::of(&filter(None, None), today), None);
        let since = datetime!(2026-11-20 23:59 UTC);
        assert_eq!(
            Dates::of(&filter(Some(since), None), today),
            Some(dates(date!(2026 - 11 - 20), date!(2026 - 11 - 25)))
        );
        // `until` is the first moment after the wanted ones.
        let until = datetime!(2026-11-22 0:00 UTC);
        let wanted = Dates::of(&filter(Some(since), Some(until)), today).unwrap();
        assert_eq!(wanted, dates(date!(2026 - 11 - 20), date!(2026 - 11 - 22)));
        let key = |day| format!("AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/{day}/x.json.gz");
        assert!(
            wanted.include(&key("20"))
                && wanted.include(&key("22"))
                && !wanted.include(&key("19"))
                && !wanted.include(&key("23"))
        );
        // A date outside of the layout excludes nothing.
        let elsewhere = format!("CloudTrail/backup/2020/01/01/{}", key("20"));
        for key in ["copies/x.json.gz", "CloudTrail/us-east-1/2020/01/01/x.json.gz", &elsewhere, &key("45")] {
            assert!(wanted.include(key), "{key}");
        }
    }

    #[test]
    fn folders_are_planned_by_their_place_in_the_layout() {
        let filter = Filter { accounts: vec!["123456789012".into()], ..Filter::default() };
        let days = Some(dates(date!(2026 - 11 - 24), date!(2026 - 11 - 24)));
        let of = |folder: &str| plan(folder, &filter, days);
        for folder in ["", "a/", "a/b/c/", "AWSLogs/", "a/AWSLogs/o-abc1234567/", "AWSLogs/123456789012/"] {
            assert_eq!(of(folder), Plan::Open, "{folder}");
        }
        assert_eq!(of("AWSLogs/o-abc1234567/123456789012/CloudTrail/"), Plan::Open);
        for folder in
            ["AWSLogs/210987654321/", "AWSLogs/123456789012/Config/", "AWSLogs/123456789012/CloudTrail-Digest/"]
        {
            assert_eq!(of(folder), Plan::Skip, "{folder}");
        }
        for folder in [
            "a/b/c/d/",
            "AWSLogs/elsewhere/",
            "AWSLogs/123456789012/CloudTrail/us-east-1/archive/",
            "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/",
            "AWSLogs/123456789012/CloudTrail/2026/",
            "AWSLogs/123456789012/us-east-1/",
        ] {
            assert_eq!(of(folder), Plan::List, "{folder}");
        }
        let region = "AWSLogs/123456789012/CloudTrail/eu-west-1/";
        assert_eq!(of(region), Plan::Open);
        assert_eq!(of(&format!("{region}2026/")), Plan::ListOnly(vec![format!("{region}2026/11/24/")]));
        assert_eq!(of(&format!("{region}2025/")), Plan::ListOnly(vec![]));
        assert_eq!(plan(region, &filter, None), Plan::List);
    }
}
