//! Which folders of a bucket can hold what is wanted, by CloudTrail's layout:
//! `[prefix/]AWSLogs/[o-id/]account/CloudTrail/region/YYYY/MM/DD/`.
//!
//! The region's folder is never chosen by: until 2021 IAM's records came in other regions' log files, too.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html>

use quarantine_alert::log_file::is_region;
use time::{Date, Duration, Month, OffsetDateTime};

use crate::filter::Filter;

/// CloudTrail delivers within minutes; what it could not deliver it tries again for up to 30 days, and a log file bears
/// the date of its delivery. A day later is still looked at.
const LATE_DELIVERY: Duration = Duration::DAY;

/// So many folders deep an `AWSLogs` is looked for.
const MOST_LEVELS: usize = 4;

/// What is to be done with a folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Folder {
    /// What it holds is judged folder by folder.
    Open,
    /// All that lies below it is listed.
    List,
    /// The same, but only below these.
    ListOnly(Vec<String>),
    Skip,
}

/// The dates of the log files that may hold what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    first: Date,
    last: Date,
}

impl Dates {
    /// `None` where all dates are wanted.
    pub fn of(filter: &Filter, today: Date) -> Option<Dates> {
        if filter.since.is_none() && filter.until.is_none() {
            return None;
        }
        let first = filter.since.map_or(Date::MIN, OffsetDateTime::date);
        let last = filter.until.map_or(today, |until| until.saturating_sub(Duration::SECOND).date());
        Some(Dates { first, last: last.min(today).saturating_add(LATE_DELIVERY) })
    }

    /// Whether an object is of these dates, or does not tell its date.
    pub fn hold(&self, key: &str) -> bool {
        date(key).is_none_or(|date| (self.first..=self.last).contains(&date))
    }

    /// The folders below a region that make up the dates in a year: the year itself, months, and days.
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

/// The date in a key of the layout. A date elsewhere in it may mean anything.
fn date(key: &str) -> Option<Date> {
    let segments: Vec<&str> = key.split('/').collect();
    let [account, "CloudTrail", _, year, month, day, ..] = below_root(&segments)? else { return None };
    let month = month.parse::<u8>().ok()?.try_into().ok()?;
    is_account(account).then_some(())?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

/// Whether an object may be of one of these accounts: it is, or does not tell.
pub fn is_of_account(key: &str, accounts: &[String]) -> bool {
    let segments: Vec<&str> = key.split('/').collect();
    let account = below_root(&segments).and_then(|below| below.first()).filter(|account| is_account(account));
    accounts.is_empty() || account.is_none_or(|account| accounts.iter().any(|wanted| wanted == account))
}

/// What comes behind `AWSLogs` and an organisation.
fn below_root<'s, 't>(segments: &'s [&'t str]) -> Option<&'s [&'t str]> {
    let below = &segments[segments.iter().rposition(|segment| *segment == "AWSLogs")? + 1..];
    Some(if below.first().is_some_and(|segment| segment.starts_with("o-")) { &below[1..] } else { below })
}

fn is_account(segment: &str) -> bool {
    segment.len() == 12 && segment.bytes().all(|byte| byte.is_ascii_digit())
}

/// Judges a folder, whose name ends in `/`, or is empty for the bucket itself.
pub fn judge(folder: &str, filter: &Filter, dates: Option<Dates>) -> Folder {
    let segments: Vec<&str> = folder.split_terminator('/').collect();
    let Some(below) = below_root(&segments) else {
        return if segments.len() < MOST_LEVELS { Folder::Open } else { Folder::List };
    };
    let is_wanted =
        |account: &str| filter.accounts.is_empty() || filter.accounts.iter().any(|wanted| wanted == account);
    match below {
        [] => Folder::Open,
        [account, ..] if !is_account(account) => Folder::List,
        [account, ..] if !is_wanted(account) => Folder::Skip,
        // Copied without the folder of its kind.
        [_, kind, ..] if is_region(kind) => Folder::List,
        [_, kind, ..] if *kind != "CloudTrail" => Folder::Skip,
        [_] | [_, _] => Folder::Open,
        // Beside its years, anything may lie in it.
        [_, _, region] if dates.is_some() && is_region(region) => Folder::Open,
        [_, _, region, year] if is_region(region) && year.len() == 4 => match (dates, year.parse()) {
            (Some(dates), Ok(year)) => {
                let region = &folder[..folder.len() - "YYYY/".len()];
                Folder::ListOnly(dates.folders(year).into_iter().map(|date| format!("{region}{date}")).collect())
            }
            _ => Folder::List,
        },
        // The objects tell their dates.
        _ => Folder::List,
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
    fn dates_are_covered_by_as_few_folders_as_can_be() {
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
    fn every_day_of_the_dates_is_below_a_folder_and_no_other_is() {
        let (first, last) = (date!(2023 - 11 - 17), date!(2026 - 02 - 28));
        let folders = folders(dates(first, last));
        let (mut inside, mut outside) = (0, 0);
        let mut day = date!(2023 - 01 - 01);
        while day < date!(2027 - 01 - 01) {
            let path = format!("{:04}/{:02}/{:02}/", day.year(), u8::from(day.month()), day.day());
            let is_below = folders.iter().filter(|folder| path.starts_with(folder.as_str())).count();
            assert_eq!(is_below, usize::from((first..=last).contains(&day)), "{path}");
            if is_below == 1 {
                inside += 1
            } else {
                outside += 1
            }
            day = day.next_day().unwrap();
        }
        assert_eq!((inside, outside), (835, 626));
    }

    #[test]
    fn a_log_file_may_come_a_day_late() {
        let filter = |since, until| Filter { since, until, ..Filter::default() };
        let today = date!(2026 - 11 - 24);
        assert_eq!(Dates::of(&filter(None, None), today), None);
        let since = datetime!(2026-11-20 23:59 UTC);
        assert_eq!(
            Dates::of(&filter(Some(since), None), today),
            Some(dates(date!(2026 - 11 - 20), date!(2026 - 11 - 25)))
        );
        // The first moment that is not wanted is the day's end.
        let until = datetime!(2026-11-22 0:00 UTC);
        let wanted = Dates::of(&filter(Some(since), Some(until)), today).unwrap();
        assert_eq!(wanted, dates(date!(2026 - 11 - 20), date!(2026 - 11 - 22)));
        let key = |day| format!("AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/{day}/x.json.gz");
        assert!(
            wanted.hold(&key("20")) && wanted.hold(&key("22")) && !wanted.hold(&key("19")) && !wanted.hold(&key("23"))
        );
        // A date elsewhere than in the layout chooses nothing.
        let elsewhere = format!("CloudTrail/backup/2020/01/01/{}", key("20"));
        for key in ["copies/x.json.gz", "CloudTrail/us-east-1/2020/01/01/x.json.gz", &elsewhere, &key("45")] {
            assert!(wanted.hold(key), "{key}");
        }
    }

    #[test]
    fn folders_are_judged_by_their_place_in_the_layout() {
        let filter = Filter { accounts: vec!["123456789012".into()], ..Filter::default() };
        let days = Some(dates(date!(2026 - 11 - 24), date!(2026 - 11 - 24)));
        let of = |folder: &str| judge(folder, &filter, days);
        for folder in ["", "a/", "a/b/c/", "AWSLogs/", "a/AWSLogs/o-abc1234567/", "AWSLogs/123456789012/"] {
            assert_eq!(of(folder), Folder::Open, "{folder}");
        }
        assert_eq!(of("AWSLogs/o-abc1234567/123456789012/CloudTrail/"), Folder::Open);
        for folder in
            ["AWSLogs/210987654321/", "AWSLogs/123456789012/Config/", "AWSLogs/123456789012/CloudTrail-Digest/"]
        {
            assert_eq!(of(folder), Folder::Skip, "{folder}");
        }
        for folder in [
            "a/b/c/d/",
            "AWSLogs/elsewhere/",
            "AWSLogs/123456789012/CloudTrail/us-east-1/archive/",
            "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/",
            "AWSLogs/123456789012/CloudTrail/2026/",
            "AWSLogs/123456789012/us-east-1/",
        ] {
            assert_eq!(of(folder), Folder::List, "{folder}");
        }
        let region = "AWSLogs/123456789012/CloudTrail/eu-west-1/";
        assert_eq!(of(region), Folder::Open);
        assert_eq!(of(&format!("{region}2026/")), Folder::ListOnly(vec![format!("{region}2026/11/24/")]));
        assert_eq!(of(&format!("{region}2025/")), Folder::ListOnly(vec![]));
        assert_eq!(judge(region, &filter, None), Folder::List);
    }
}
