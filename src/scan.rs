//! A byte stream and needles → candidate records: the hot path.
//!
//! Nearly every log file has no candidate, so the first pass of [`TwoPass`] only inflates and searches. If it found a
//! needle, the second pass goes from record to record and returns those that contain one. Chunks may have any size, so
//! memory does not grow with the file. Both passes together find exactly what parsing everything finds: `tests/laws/`
//! holds them to it.
//!
//! A file without a needle is checked only at its ends: it begins like a JSON document, and its last byte closes it. The
//! text in between is not parsed.

mod inflate;
mod needles;
mod two_pass;
mod walk;

pub use needles::{Needle, NeedleError, Needles};
pub use two_pass::{OtherText, Passes, ScanStep, Scanned, Settings, TwoPass};

use crate::trail::record::RecordError;

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
    #[error(transparent)]
    Record(RecordError),
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
    #[error("is not a log file: it is JSON without a \"Records\" list")]
    NoRecords,
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

/// The documents that a file may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One document, `{"Records":[…]}` or the list alone: what CloudTrail writes.
    One,
    /// Any number of these, one after another, and single records between them: what people export.
    Many,
}

/// Windows programs begin a text with it (U+FEFF in UTF-8).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Form {
    /// Whether a byte may precede a document.
    fn is_blank(self, byte: u8) -> bool {
        byte.is_ascii_whitespace() || self == Form::Many && BYTE_ORDER_MARK.contains(&byte)
    }
}
