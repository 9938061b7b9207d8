//! Object key → its place in CloudTrail's layout, `[prefix/]AWSLogs/[o-id/]account/kind/region/YYYY/MM/DD/name`.
//!
//! This is the one parser of object keys. A prefix may contain anything, `AWSLogs` or `Digest` included, so only the
//! folders after the account id count.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html>

use time::{Date, OffsetDateTime, Time};

/// Where in the layout the key of an object or a folder belongs. The key of a folder ends in `/`.
#[derive(Debug, PartialEq, Eq)]
pub enum Layout<'k> {
    /// `…/AWSLogs/` or `…/AWSLogs/o-id/`: account ids are next.
    Root,
    /// Below an account id. `folders` are those between the account id and the object's own name.
    Account { id: &'k str, folders: Vec<&'k str> },
    /// Anywhere else. `depth` counts folders; `below_root` is true if one of them is `AWSLogs`.
    Outside { depth: usize, below_root: bool },
}

impl<'k> Layout<'k> {
    /// The last `AWSLogs` that an account id follows counts.
    pub fn of(key: &'k str) -> Layout<'k> {
        let mut folders: Vec<&str> = key.split('/').collect();
        folders.pop();
        let roots = (0..folders.len()).rev().filter(|&at| folders[at] == ROOT);
        for root in roots {
            let below = match &folders[root + 1..] {
                [organization, below @ ..] if organization.starts_with("o-") => below,
                below => below,
            };
            match below {
                [] => return Layout::Root,
                [id, folders @ ..] if is_account_id(id) => return Layout::Account { id, folders: folders.to_vec() },
                _ => {}
            }
        }
        Layout::Outside { depth: folders.len(), below_root: folders.contains(&ROOT) }
    }

    /// The account id in the key.
    pub fn account_id(&self) -> Option<&'k str> {
        match self {
            Layout::Account { id, .. } => Some(id),
            Layout::Root | Layout::Outside { .. } => None,
        }
    }

    /// The folder that names the kind of log, such as `CloudTrail` or `CloudTrail-Digest`. `None` outside the layout, and
    /// where a copy lacks this folder and the region follows the account id.
    pub fn kind(&self) -> Option<&'k str> {
        match self {
            Layout::Account { folders, .. } => folders.first().copied().filter(|folder| !is_region(folder)),
            Layout::Root | Layout::Outside { .. } => None,
        }
    }

    /// The date of delivery, in UTC, of a CloudTrail log file in the layout. A date elsewhere in a key may mean anything.
    pub fn date(&self) -> Option<Date> {
        let Layout::Account { folders, .. } = self else { return None };
        let [KIND, _region, year, month, day, ..] = folders[..] else { return None };
        let is_date = [(year, 4), (month, 2), (day, 2)].iter().all(|(number, length)| is_number(number, *length));
        let month = month.parse::<u8>().ok().filter(|_| is_date)?.try_into().ok()?;
        Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
    }
}

/// What the name of a log file shows: `123456789012_CloudTrail_us-east-1_20261124T0305Z_….json.gz`.
#[derive(Debug, PartialEq, Eq)]
pub struct FileName<'k> {
    pub account_id: &'k str,
    pub region: &'k str,
    /// When CloudTrail delivered it, in UTC, to the minute.
    pub delivered: OffsetDateTime,
}

impl<'k> FileName<'k> {
    /// Of a key or a path. `None` if its name shows something else.
    pub fn of(path: &'k str) -> Option<FileName<'k>> {
        let parts: Vec<&str> = path.rsplit(['/', '\\']).next()?.split('_').collect();
        let &[account_id, KIND, region, delivered, ..] = &parts[..] else { return None };
        let delivered = minute(delivered)?;
        is_account_id(account_id).then_some(FileName { account_id, region, delivered })
    }
}

/// Reads `20261124T0305Z`.
fn minute(text: &str) -> Option<OffsetDateTime> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    if !is_number(date, 8) || !is_number(clock, 4) {
        return None;
    }
    let number = |text: &str, start: usize, end: usize| text.get(start..end)?.parse::<u16>().ok();
    let small = |text: &str, start: usize| u8::try_from(number(text, start, start + 2)?).ok();
    let month = small(date, 4)?.try_into().ok()?;
    let date = Date::from_calendar_date(number(date, 0, 4)?.into(), month, small(date, 6)?).ok()?;
    let clock = Time::from_hms(small(clock, 0)?, small(clock, 2)?, 0).ok()?;
    Some(date.with_time(clock).assume_utc())
}

/// The folder that CloudTrail, Config, ELB and others write below.
const ROOT: &str = "AWSLogs";
/// The kind of log that is read.
pub const KIND: &str = "CloudTrail";

/// Whether a folder has the name of a region, such as `us-gov-west-1`.
pub fn is_region(folder: &str) -> bool {
    let parts: Vec<&str> = folder.split('-').collect();
    let [words @ .., number] = &parts[..] else { return false };
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    words.len() >= 2
        && words.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text is an account id: 12 digits.
pub fn is_account_id(text: &str) -> bool {
    is_number(text, 12)
}

/// Whether a text is this many digits. Parsing would take a sign as well.
fn is_number(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use time::{Month, Time};

    use super::*;

    fn kind(key: &str) -> Option<&str> {
        Layout::of(key).kind()
    }

    #[test]
    fn log_files_have_their_kind_after_the_account_wherever_the_trail_puts_them() {
        for key in [
            "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz",
            "AWSLogs/o-abc1234567/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz",
            "a prefix/with/parts/AWSLogs/123456789012/CloudTrail/eu-west-1/2019/01/01/x.json.gz",
            "CloudTrail-Digest/AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz",
            "AWSLogs/123456789012/Config/AWSLogs/123456789012/CloudTrail/us-east-1/x.json.gz",
            "AWSLogs/123456789012/CloudTrail/AWSLogs/elsewhere/x.json.gz",
        ] {
            assert_eq!(kind(key), Some("CloudTrail"), "{key}");
        }
        assert_eq!(
            kind("CloudTrail/AWSLogs/123456789012/CloudTrail-Digest/us-east-1/x.json.gz"),
            Some("CloudTrail-Digest")
        );
    }

    #[test]
    fn a_file_name_shows_account_region_and_minute_of_delivery() {
        let date = Date::from_calendar_date(2026, Month::November, 24).unwrap();
        let delivered = date.with_time(Time::from_hms(3, 5, 0).unwrap()).assume_utc();
        let found = FileName { account_id: "123456789012", region: "us-east-1", delivered };
        for folder in ["", "AWSLogs/123456789012/CloudTrail/", r"C:\logs\"] {
            let path = format!("{folder}123456789012_CloudTrail_us-east-1_20261124T0305Z_x.json.gz");
            assert_eq!(FileName::of(&path).as_ref(), Some(&found), "{path}");
        }
        for name in [
            "x.json.gz",
            "12_CloudTrail_us-east-1_20261124T0305Z_x.json.gz",
            "123456789012_Config_us-east-1_20261124T0305Z_x.json.gz",
            "123456789012_CloudTrail_us-east-1_20261324T0305Z_x.json.gz",
            "123456789012_CloudTrail_us-east-1_2026é124T0305Z_x.json.gz",
            "123456789012_CloudTrail_us-east-1_20261124_x.json.gz",
            "123456789012_CloudTrail_us-east-1_20261124xT0305Z_x.json.gz",
            "123456789012_CloudTrail_us-east-1_20261124T03050Z_x.json.gz",
            "123456789012_CloudTrail_us-east-1_2026+1+4T0305Z_x.json.gz",
        ] {
            assert_eq!(FileName::of(name), None, "{name}");
        }
    }

    #[test]
    fn copies_outside_the_layout_have_no_kind() {
        for key in [
            "x.json.gz",
            "AWSLogs/x.json.gz",
            "AWSLogs/123456789012/x.json.gz",
            "AWSLogs/12345/CloudTrail/x.gz",
            "AWSLogs/123456789012/us-gov-west-1/2026/11/24/x.json.gz",
        ] {
            assert_eq!(kind(key), None, "{key}");
        }
    }

    #[test]
    fn folders_and_objects_have_the_same_layout() {
        for (key, expected) in [
            ("", Layout::Outside { depth: 0, below_root: false }),
            ("a/b/", Layout::Outside { depth: 2, below_root: false }),
            ("a/AWSLogs/elsewhere/", Layout::Outside { depth: 3, below_root: true }),
            ("AWSLogs/", Layout::Root),
            ("a/AWSLogs/o-abc1234567/", Layout::Root),
            ("AWSLogs/123456789012/", Layout::Account { id: "123456789012", folders: vec![] }),
            ("AWSLogs/o-abc1234567/123456789012/x", Layout::Account { id: "123456789012", folders: vec![] }),
            ("AWSLogs/123456789012/Config/x", Layout::Account { id: "123456789012", folders: vec!["Config"] }),
        ] {
            assert_eq!(Layout::of(key), expected, "{key}");
        }
        assert_eq!(Layout::of("AWSLogs/123456789012/x").account_id(), Some("123456789012"));
    }

    #[test]
    fn only_the_layout_dates_a_log_file() {
        let key = "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz";
        let date = Date::from_calendar_date(2026, Month::November, 24).ok();
        assert_eq!(Layout::of(key).date(), date);
        assert_eq!(Layout::of(&format!("CloudTrail/backup/2020/01/01/{key}")).date(), date);
        for key in [
            "copies/x.json.gz",
            "CloudTrail/us-east-1/2020/01/01/x.json.gz",
            "AWSLogs/123456789012/Config/us-east-1/2026/11/24/x.json.gz",
            "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/45/x.json.gz",
            "AWSLogs/123456789012/CloudTrail/us-east-1/-026/+1/4/x.json.gz",
        ] {
            assert_eq!(Layout::of(key).date(), None, "{key}");
        }
    }
}
