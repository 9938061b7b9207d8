//! Where log files are read from: a disk, a stream, a bucket.

mod archived;
pub mod disk;
pub mod feed;
pub mod file;
pub mod kept;
mod prefixes;
pub mod s3;

use std::{ffi::OsString, fmt, path::PathBuf};

use quarantine_alert::untrusted::visible;

/// An argument of a search: a file, a folder, a bucket or standard input.
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
