//! A log file: where it is, and what its key shows about it.

use std::{fmt, path::PathBuf};

use percent_encoding::percent_decode_str;

use super::key::{KIND, Layout};
use crate::untrusted::visible;

/// A log file, or what may be one. Its `Display` is safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFile {
    S3(S3Object),
    /// Only the command line reads disks and streams.
    Disk(PathBuf),
    Stdin,
}

/// An object of a log bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Object {
    pub bucket: String,
    /// Exactly as S3 has it.
    pub key: String,
    pub version: Option<String>,
    /// In bytes, as the delivery or the listing gave it.
    pub size: Option<u64>,
}

/// How an object is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// CloudTrail wrote it. An object that cannot be read as a log file fails.
    Scan,
    /// It is outside CloudTrail's layout, where people copy logs to. An object that is not a log file is skipped.
    ScanIfLogFile,
    /// It is skipped, for this reason.
    Skip(&'static str),
}

impl S3Object {
    /// From a source that gives keys as they are: EventBridge, CloudTrail's own notifications, a listing.
    pub fn new(bucket: String, key: String, version: Option<String>, size: Option<u64>) -> S3Object {
        // EventBridge and S3 write an empty or "null" version where the bucket has no versions.
        let version = version.filter(|version| !version.is_empty() && version != "null");
        S3Object { bucket, key, version, size }
    }

    /// From an S3 notification, whose keys are URL-encoded, a space as `+`.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
    pub fn from_notification(bucket: String, key: &str, version: Option<String>, size: Option<u64>) -> S3Object {
        let spaced = key.replace('+', " ");
        let key = percent_decode_str(&spaced).decode_utf8_lossy().into_owned();
        S3Object::new(bucket, key, version, size)
    }

    /// Neither region nor age is looked at: both would miss quarantines.
    pub fn handling(&self) -> Handling {
        match by_key(&self.key) {
            // In the layout, it may be tampering.
            Handling::ScanIfLogFile if self.size == Some(0) => Handling::Skip("empty"),
            handling => handling,
        }
    }

    /// Whether this is an emptied log file in CloudTrail's layout. CloudTrail never writes an empty log file.
    pub fn is_emptied(&self) -> bool {
        self.size == Some(0) && by_key(&self.key) == Handling::Scan
    }

    /// Bucket and key for people. S3 allows 63 and 1,024 bytes, but a delivery may contain anything.
    pub fn visible(&self) -> (String, String) {
        (visible(&self.bucket, 63), visible(&self.key, 1024))
    }
}

impl LogFile {
    /// On disk, only the path counts.
    pub fn handling(&self) -> Handling {
        match self {
            LogFile::S3(object) => object.handling(),
            LogFile::Disk(path) => by_key(&path.to_string_lossy()),
            LogFile::Stdin => Handling::Scan,
        }
    }
}

fn by_key(key: &str) -> Handling {
    if key.ends_with('/') {
        return Handling::Skip("a folder marker");
    }
    match Layout::of(key).kind() {
        Some(KIND) => Handling::Scan,
        Some(_) => Handling::Skip("not a CloudTrail log file"),
        None => Handling::ScanIfLogFile,
    }
}

impl fmt::Display for S3Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bucket, key) = self.visible();
        write!(f, "s3://{bucket}/{key}")
    }
}

/// Bytes of a path that are not UTF-8 are shown as U+FFFD.
impl fmt::Display for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogFile::S3(object) => object.fmt(f),
            LogFile::Disk(path) => f.write_str(&visible(&path.to_string_lossy(), 1024)),
            LogFile::Stdin => f.write_str("standard input"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, size: Option<u64>) -> S3Object {
        S3Object::new("logs".into(), key.into(), None, size)
    }

    #[test]
    fn log_files_are_scanned_wherever_the_trail_puts_them() {
        for key in [
            "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz",
            "CloudTrail-Digest/AWSLogs/o-abc1234567/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz",
        ] {
            assert_eq!(object(key, None).handling(), Handling::Scan, "{key}");
        }
    }

    #[test]
    fn digest_files_and_other_logs_are_skipped() {
        for kind in ["CloudTrail-Digest", "CloudTrail-Insight", "CloudTrail-NetworkActivity", "Config", "vpcflowlogs"] {
            let key = format!("CloudTrail/AWSLogs/123456789012/{kind}/us-east-1/x.json.gz");
            assert_eq!(object(&key, None).handling(), Handling::Skip("not a CloudTrail log file"), "{kind}");
        }
    }

    #[test]
    fn folder_markers_and_empty_objects_outside_the_layout_are_skipped() {
        assert_eq!(object("AWSLogs/123456789012/CloudTrail/", None).handling(), Handling::Skip("a folder marker"));
        let empty = object("AWSLogs/123456789012/CloudTrail/x", Some(0));
        assert_eq!((empty.handling(), empty.is_emptied()), (Handling::Scan, true));
        let elsewhere = object("copies/x", Some(0));
        assert_eq!((elsewhere.handling(), elsewhere.is_emptied()), (Handling::Skip("empty"), false));
    }

    #[test]
    fn copies_outside_the_layout_are_scanned_if_they_are_log_files() {
        for key in ["x.json.gz", "AWSLogs/123456789012/us-gov-west-1/2026/11/24/x.json.gz"] {
            assert_eq!(object(key, None).handling(), Handling::ScanIfLogFile, "{key}");
        }
    }

    #[test]
    fn keys_of_notifications_are_decoded_once() {
        let key = |encoded| S3Object::from_notification("logs".into(), encoded, None, None).key;
        assert_eq!(key("a+b%2Bc%2Fd%2520%C3%BC"), "a b+c/d%20ü");
        assert_eq!(object("a+b%2B", None).key, "a+b%2B");
    }

    #[test]
    fn a_key_cannot_act_on_a_terminal() {
        let object = S3Object::from_notification("logs".into(), "a%0A%1B%5B2J", None, None);
        assert_eq!(LogFile::S3(object).to_string(), r"s3://logs/a\u{a}\u{1b}[2J");
    }
}
