//! A log file: an object of a log bucket, or a copy of one on disk, and what its key says about it.
//!
//! Keys: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html>

use std::{borrow::Cow, fmt, path::Path};

use percent_encoding::percent_decode_str;

use crate::untrusted::{Untrusted, visible};

/// One log file; shown as `s3://bucket/key`, or as its path, made safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// `None` on disk, where only the command line reads.
    pub bucket: Option<String>,
    /// Exactly as S3 knows it; on disk the path.
    pub key: String,
    pub version: Option<String>,
    size: Option<u64>,
}

/// What is to be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// CloudTrail wrote it: what cannot be read as a log file fails.
    Scan,
    /// Outside CloudTrail's layout, where people copy logs to: what is no log file is skipped.
    ScanIfLogFile,
    /// For the reason given.
    Skip(&'static str),
}

impl LogFile {
    /// From an S3 notification, whose keys are URL-encoded, a space as `+`.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
    pub fn from_encoded(bucket: String, key: &str, version: Option<String>, size: Option<u64>) -> LogFile {
        let spaced: Cow<str> = key.replace('+', " ").into();
        let key = percent_decode_str(&spaced).decode_utf8_lossy().into_owned();
        LogFile::from_plain(bucket, key, version, size)
    }

    /// From a source that gives keys as they are: EventBridge, CloudTrail's own notifications, a listing.
    pub fn from_plain(bucket: String, key: String, version: Option<String>, size: Option<u64>) -> LogFile {
        // EventBridge and S3 write an empty or "null" version where the bucket has no versions.
        let version = version.filter(|version| !version.is_empty() && version != "null");
        LogFile { bucket: Some(bucket), key, version, size }
    }

    /// On disk. A name that is no UTF-8 is shown with U+FFFD for what is none.
    pub fn on_disk(path: &Path, size: Option<u64>) -> LogFile {
        LogFile { bucket: None, key: path.to_string_lossy().into_owned(), version: None, size }
    }

    /// In bytes, as the delivery, the listing or the disk told it.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Judges by the path segment after the account id, never by a substring: a prefix may be called anything.
    /// Neither region nor age are looked at: either would miss quarantines.
    pub fn verdict(&self) -> Verdict {
        if self.key.ends_with('/') {
            return Verdict::Skip("a folder marker");
        }
        if self.size == Some(0) {
            return Verdict::Skip("empty");
        }
        match self.kind() {
            Some("CloudTrail") => Verdict::Scan,
            Some(_) => Verdict::Skip("not a CloudTrail log file"),
            None => Verdict::ScanIfLogFile,
        }
    }

    /// Bucket and key for people: S3 allows 63 and 1,024 bytes, but a delivery may hold anything.
    pub fn visible(&self) -> (String, String) {
        (self.bucket.as_ref().map_or(String::new(), |bucket| visible(bucket, 63)), visible(&self.key, 1024))
    }

    /// The segment after `AWSLogs/[o-id/]account/` and before the rest of the key.
    fn kind(&self) -> Option<&str> {
        let segments: Vec<&str> = self.key.split('/').collect();
        let account = segments.iter().enumerate().rev().find_map(|(at, segment)| {
            let next = at + 1;
            let account = next + usize::from(segments.get(next)?.starts_with("o-"));
            (*segment == "AWSLogs" && is_account_id(segments.get(account)?)).then_some(account)
        })?;
        // The last segment is the object's own name.
        let kind = segments.get(account + 1..segments.len() - 1)?.first().copied();
        // Copied without the folder of its kind, it may be anything.
        kind.filter(|kind| !is_region(kind))
    }
}

/// Whether a folder bears the name of a region, such as `us-gov-west-1`.
pub fn is_region(segment: &str) -> bool {
    let parts: Vec<&str> = segment.split('-').collect();
    let [name @ .., number] = &parts[..] else { return false };
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    name.len() >= 2
        && name.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_account_id(segment: &str) -> bool {
    Untrusted::from(segment).account_id().is_some()
}

impl fmt::Display for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bucket, key) = self.visible();
        if self.bucket.is_some() { write!(f, "s3://{bucket}/{key}") } else { f.write_str(&key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(key: &str) -> Verdict {
        LogFile::from_plain("logs".into(), key.into(), None, None).verdict()
    }

    const SKIPPED: Verdict = Verdict::Skip("not a CloudTrail log file");

    #[test]
    fn log_files_are_scanned_wherever_the_trail_puts_them() {
        for key in [
            "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz",
            "AWSLogs/o-abc1234567/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz",
            "a prefix/with/parts/AWSLogs/123456789012/CloudTrail/eu-west-1/2019/01/01/x.json.gz",
            "CloudTrail-Digest/AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz",
            "AWSLogs/123456789012/Config/AWSLogs/123456789012/CloudTrail/us-east-1/x.json.gz",
        ] {
            assert_eq!(verdict(key), Verdict::Scan, "{key}");
        }
    }

    #[test]
    fn digest_files_and_other_logs_are_skipped() {
        for kind in ["CloudTrail-Digest", "CloudTrail-Insight", "CloudTrail-NetworkActivity", "Config", "vpcflowlogs"] {
            assert_eq!(
                verdict(&format!("CloudTrail/AWSLogs/123456789012/{kind}/us-east-1/x.json.gz")),
                SKIPPED,
                "{kind}"
            );
        }
    }

    #[test]
    fn folder_markers_and_empty_objects_are_skipped() {
        assert_eq!(verdict("AWSLogs/123456789012/CloudTrail/"), Verdict::Skip("a folder marker"));
        let empty = LogFile::from_plain("logs".into(), "AWSLogs/123456789012/CloudTrail/x".into(), None, Some(0));
        assert_eq!(empty.verdict(), Verdict::Skip("empty"));
    }

    #[test]
    fn copies_outside_the_layout_are_scanned_if_they_are_log_files() {
        for key in [
            "x.json.gz",
            "AWSLogs/x.json.gz",
            "AWSLogs/123456789012/x.json.gz",
            "AWSLogs/12345/CloudTrail/x.gz",
            "AWSLogs/123456789012/us-gov-west-1/2026/11/24/x.json.gz",
        ] {
            assert_eq!(verdict(key), Verdict::ScanIfLogFile, "{key}");
        }
    }

    #[test]
    fn keys_of_notifications_are_decoded_once() {
        let key = |encoded| LogFile::from_encoded("logs".into(), encoded, None, None).key;
        assert_eq!(key("a+b%2Bc%2Fd%2520%C3%BC"), "a b+c/d%20ü");
        assert_eq!(LogFile::from_plain("logs".into(), "a+b%2B".into(), None, None).key, "a+b%2B");
    }

    #[test]
    fn a_key_cannot_act_on_a_terminal() {
        let file = LogFile::from_encoded("logs".into(), "a%0A%1B%5B2J", None, None);
        assert_eq!(file.to_string(), r"s3://logs/a\u{a}\u{1b}[2J");
    }
}
