//! Where log files are read from: a disk, a stream, a bucket.

pub mod bucket;
pub mod disk;
mod prefixes;

use std::{
    ffi::OsString,
    fmt,
    path::PathBuf,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use quarantine_alert::untrusted::visible;

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Disk(PathBuf),
    Stdin,
    Bucket { bucket: String, prefix: String },
}

impl Target {
    /// # Errors
    /// It begins with `s3://`, and names no bucket.
    pub fn parse(text: OsString) -> Result<Target, &'static str> {
        let Some(rest) = text.to_str().and_then(|text| text.strip_prefix("s3://")) else {
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

/// What the sources have come across so far.
#[derive(Default)]
pub struct Tally {
    /// Log files that are or will be read.
    listed: AtomicU64,
    /// What is none, by its key.
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

    fn list(&self) {
        self.listed.fetch_add(1, Ordering::Relaxed);
    }

    fn skip(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
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
    fn a_path_is_on_disk_unless_it_says_otherwise() {
        let bucket = |bucket: &str, prefix: &str| Ok(Target::Bucket { bucket: bucket.into(), prefix: prefix.into() });
        let parse = |text: &str| Target::parse(text.into());
        assert_eq!(parse("s3://logs/AWSLogs/1"), bucket("logs", "AWSLogs/1"));
        assert_eq!((parse("s3://logs"), parse("s3://logs/")), (bucket("logs", ""), bucket("logs", "")));
        assert_eq!(parse("-"), Ok(Target::Stdin));
        assert_eq!(parse("./-"), Ok(Target::Disk("./-".into())));
        assert!(parse("s3://").is_err() && parse("s3:///key").is_err() && parse("s3://a b/c").is_err());
    }
}
