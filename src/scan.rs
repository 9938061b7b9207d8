//! A byte stream and needles → candidate records: the hot path.
//!
//! Nearly every log file has no candidate, so the first pass of [`TwoPass`] only inflates and searches. If it found a
//! needle, the second pass goes from record to record and returns those that contain one. Chunks may have any size, so
//! memory does not grow with the file. Both passes together find exactly what parsing everything finds: `tests/laws/`
//! holds them to it.
//!
//! The forms that are read: gzip, of one or several members, or gzip in gzip, or plain text; `{"Records":[…]}`, a list of records,
//! or any number of these and of single records, with or without lines; and envelopes around records (`forms.rs`). A needle that
//! is in none of these makes the file unread, never clean.
//!
//! A file without a needle is checked only at its ends: it begins like a JSON document, its last byte closes one, and it shows
//! somewhere that it has records (`content.rs`). The text in between is not parsed.

mod content;
mod forms;
mod inflate;
mod layers;
mod needles;
mod two_pass;
mod walk;

use std::fmt;

pub use content::{Packed, Records};
pub use forms::{Unwrapped, unwrap};
pub use needles::{KeyIds, Needle, NeedleError, Needles};
pub use two_pass::{Passes, ScanStep, Scanned, Settings, TwoPass};

/// Why a file is not read, or not to its end. `E` is the source's own error.
#[derive(Debug, thiserror::Error)]
pub enum Unread<E> {
    #[error(transparent)]
    Source(E),
    /// It is something other than a log file, and no needle was found in it.
    #[error("{0}")]
    NotALogFile(Fault),
    /// It is, or may be, a log file. Its readable records were judged.
    #[error("{0}")]
    Faulty(Fault),
}

/// A defect of a file. The text follows the file's name.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("is not a log file: it is empty")]
    Empty,
    #[error("is not a log file: it is neither gzip nor JSON (its first byte is {0:#04x})")]
    NeitherGzipNorJson(u8),
    #[error("is not a log file: it is gzip, but not of JSON (the first inflated byte is {0:#04x})")]
    GzipOfOther(u8),
    #[error("is not a log file: it is JSON without CloudTrail records")]
    NoRecords,
    #[error("is not read: it is {0}")]
    Packed(Packed),
    #[error(
        "contains a search term outside of any CloudTrail record, where it cannot be judged; look at it, or provide the \
         records as CloudTrail writes them"
    )]
    NotJudged,
    #[error("is broken: the gzip stream ends early")]
    TruncatedGzip,
    #[error("is broken: the gzip stream is corrupt after {inflated_bytes} inflated bytes")]
    CorruptGzip { inflated_bytes: u64 },
    #[error("is broken: the gzip stream is followed by other data")]
    TrailingBytes,
    #[error("is broken: the JSON ends early")]
    TruncatedJson,
    #[error("is broken: the JSON is malformed after {inflated_bytes} inflated bytes, and the rest was not read")]
    MalformedJson { inflated_bytes: u64 },
    #[error("inflates to more than {limit_mib} MiB (MAX_INFLATED_MIB); raise the limit unless this is a gzip bomb")]
    TooLarge { limit_mib: u64 },
    #[error(
        "contains a record of more than {} KiB, which was not read; CloudTrail writes at most 256 KiB",
        MAX_RECORD_BYTES / 1024
    )]
    RecordTooLarge,
}

/// CloudTrail writes at most 256 KiB a record; four times that leaves it room to grow in bounded memory.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html>
const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// What to do with it.
impl fmt::Display for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Packed::Archive { kind, unpack } => write!(f, "{kind}; unpack it first (`{unpack}`)"),
            Packed::Utf16 => f.write_str("text in UTF-16; convert it first (`iconv -f UTF-16 -t UTF-8`)"),
        }
    }
}
