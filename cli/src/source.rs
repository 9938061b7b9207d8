//! Where log files are read from: a disk, a stream, a bucket.

pub mod disk;
pub mod file;
mod prefixes;
pub mod s3;

use std::{
    collections::HashMap,
    ffi::OsString,
    fmt,
    path::PathBuf,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use quarantine_alert::{
    engine::{
        pending::PendingMatch,
        reader::{KEPT_BYTES, Reader},
    },
    related::Related,
    scan::{Documents, OtherText, Settings},
    trail::log_file::LogFile,
    untrusted::visible,
};
use s3::Bucket;

/// How objects are read. Memory per file is fixed, so a file may inflate to any size.
const S3: Settings =
    Settings { documents: Documents::Many, limit_mib: None, kept_bytes: KEPT_BYTES, other_text: OtherText::FirstBlock };

/// How files and streams are read. A file is read a second time from the disk.
const DISK: Settings = Settings { kept_bytes: 0, other_text: OtherText::Whole, ..S3 };

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Disk(PathBuf),
    Stdin,
    Bucket { bucket: String, prefix: String },
}

impl Target {
    /// # Errors
    /// It begins with `s3://`, but names no bucket.
    pub fn parse(text: OsString) -> Result<Target, &'static str> {
        const SCHEME: &str = "s3://";
        let scheme = text.to_str().and_then(|text| text.split_at_checked(SCHEME.len()));
        let Some((_, rest)) = scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME)) else {
            return Ok(if text == "-" { Target::Stdin } else { Target::Disk(text.into()) });
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_bucket =
            !bucket.is_empty() && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if !is_bucket {
            return Err("write s3://bucket or s3://bucket/prefix");
        }
        Ok(Target::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Disk(path) => f.write_str(&visible(&path.to_string_lossy(), 1024)),
            Target::Stdin => f.write_str("standard input"),
            Target::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{}", visible(prefix, 1024)),
        }
    }
}

/// The sources of a search, from which a log file can be read again.
#[derive(Default)]
pub struct Sources {
    /// By bucket.
    readers: HashMap<String, Reader>,
}

impl Sources {
    /// Adds a bucket, and returns the reader of its objects.
    pub fn add(&mut self, bucket: &Bucket) -> Reader {
        let reader = Reader::new(bucket.log_bucket.clone(), S3);
        self.readers.insert(bucket.name.clone(), reader.clone());
        reader
    }

    /// What else the identity of a match did in its log file. `None` if that is not known in time, or the log file came from
    /// a stream.
    pub async fn related(&self, pending: &PendingMatch) -> Option<Related> {
        match pending.log_file.as_deref()? {
            LogFile::S3(object) => self.readers.get(&object.bucket)?.related(pending).await,
            LogFile::Disk(path) => file::related(path, &pending.matched),
            LogFile::Stdin => None,
        }
    }
}

/// What the sources have come across so far.
#[derive(Default)]
pub struct Tally {
    /// Log files to read.
    listed: AtomicU64,
    /// Files and objects that are not log files by their key, or not wanted.
    skipped: AtomicU64,
    /// Sources that may list more.
    listing: AtomicUsize,
}

impl Tally {
    pub fn listed(&self) -> u64 {
        self.listed.load(Ordering::Relaxed)
    }

    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Whether more may be listed.
    pub fn is_listing(&self) -> bool {
        self.listing.load(Ordering::Relaxed) > 0
    }

    fn list(&self, count: usize) {
        self.listed.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn skip(&self, count: usize) {
        self.skipped.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn begin(&self) {
        self.listing.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.listing.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_on_disk_unless_it_has_the_scheme_of_s3() {
        let bucket = |bucket: &str, prefix: &str| Ok(Target::Bucket { bucket: bucket.into(), prefix: prefix.into() });
        let parse = |text: &str| Target::parse(text.into());
        assert_eq!(parse("s3://logs/AWSLogs/1"), bucket("logs", "AWSLogs/1"));
        assert_eq!((parse("s3://logs"), parse("s3://logs/")), (bucket("logs", ""), bucket("logs", "")));
        assert_eq!(parse("S3://logs/Key"), bucket("logs", "Key"));
        assert_eq!(parse("-"), Ok(Target::Stdin));
        for path in ["./-", "s3:/logs", "s3", "ééé"] {
            assert_eq!(parse(path), Ok(Target::Disk(path.into())));
        }
        assert!(parse("s3://").is_err() && parse("s3:///key").is_err() && parse("S3://a b/c").is_err());
    }
}
