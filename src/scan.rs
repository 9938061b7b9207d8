//! A byte stream and needles → candidate records: the hot path.
//!
//! Nearly every log file holds no candidate, so the [`FirstRead`] does no more than inflate and search. Only
//! where it found a needle, the [`SecondRead`] goes from record to record and hands out those that hold one.
//! Both take the file in chunks of any size, so memory does not grow with the file. Together they find exactly
//! what parsing everything finds: `tests/laws/` holds them to it.
//!
//! A file without a needle is checked at its ends only: it begins like a JSON document and its last byte
//! closes it. What lies between is not parsed.

mod inflate;
mod needles;
mod walk;

pub use needles::{NeedleError, Needles};

use inflate::Inflate;
use needles::Search;
use walk::Walk;

/// Why a log file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("is no log file: it is empty")]
    Empty,
    #[error("is no log file: it is neither gzip nor JSON (its first byte is {0:#04x})")]
    NeitherGzipNorJson(u8),
    #[error("is no log file: it is gzip, but not of JSON (the first byte inside is {0:#04x})")]
    GzipOfNoJson(u8),
    #[error("is no log file: its JSON has no list \"Records\"")]
    NoRecords,
    #[error("is broken: its gzip stream is cut short")]
    TruncatedGzip,
    #[error("is broken: its gzip stream is corrupt after {inflated_bytes} inflated bytes")]
    CorruptGzip { inflated_bytes: u64 },
    #[error("is broken: something else follows its gzip stream")]
    TrailingBytes,
    #[error("is broken: its JSON is cut short")]
    TruncatedJson,
    #[error("is broken: its JSON is malformed after {inflated_bytes} inflated bytes")]
    MalformedJson { inflated_bytes: u64 },
    #[error("inflates past {limit_mib} MiB (MAX_INFLATED_MIB; raise it if this is no gzip bomb)")]
    TooLarge { limit_mib: u64 },
    #[error("holds a record of more than {} KiB, where CloudTrail writes at most 256", MOST_RECORD_BYTES / 1024)]
    RecordTooLarge,
}

impl ScanError {
    /// Whether it is something else than a log file, rather than a log file that is broken. Text that only begins
    /// like JSON is something else, unless the first read has found a needle in it. What people export is something
    /// else only where it begins like nothing that could be read: neither with a needle in it, nor in UTF-16.
    pub fn is_no_log_file(&self, documents: Documents, last_needle: Option<u64>) -> bool {
        use ScanError::{Empty, GzipOfNoJson, NeitherGzipNorJson, NoRecords, TruncatedJson};
        match (documents, self) {
            (Documents::One, Empty | NeitherGzipNorJson(_) | GzipOfNoJson(_) | NoRecords) => true,
            (Documents::One, TruncatedJson) | (Documents::Many, Empty) => last_needle.is_none(),
            (Documents::Many, NeitherGzipNorJson(0xfe | 0xff) | GzipOfNoJson(0xfe | 0xff)) => false,
            (Documents::Many, NeitherGzipNorJson(_) | GzipOfNoJson(_)) => last_needle.is_none(),
            _ => false,
        }
    }
}

/// CloudTrail's own limit is 256 KiB a record; four times that leaves it room to grow in bounded memory.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html>
const MOST_RECORD_BYTES: usize = 1024 * 1024;

/// What may stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Documents {
    /// One document, `{"Records":[…]}` or the list alone: what CloudTrail writes.
    One,
    /// Any number of these behind each other, and records by themselves among them: what people export.
    Many,
}

/// What a text begins with on Windows (U+FEFF in UTF-8).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Documents {
    /// Whether a byte may stand before a document.
    fn is_blank(self, byte: u8) -> bool {
        byte.is_ascii_whitespace() || self == Documents::Many && BYTE_ORDER_MARK.contains(&byte)
    }
}

/// The first read of a log file: inflates it and searches it for needles.
pub struct FirstRead<'n> {
    inflate: Inflate,
    search: Search<'n>,
    documents: Documents,
    first_byte: Option<u8>,
    last_byte: u8,
}

/// What the first read of a log file told.
pub struct FirstReadDone {
    pub inflated_bytes: u64,
    /// Where the last needle ends, in inflated bytes; `None` means that there is no candidate.
    pub last_needle: Option<u64>,
    /// Whether the file is whole. What was readable of a broken one may still hold candidates.
    pub checked: Result<(), ScanError>,
}

impl<'n> FirstRead<'n> {
    pub fn new(needles: &'n Needles, documents: Documents, limit_mib: u64) -> Self {
        let inflate = Inflate::new(limit_mib);
        FirstRead { inflate, search: Search::new(needles), documents, first_byte: None, last_byte: b' ' }
    }

    /// Searches the next block, taken off the front of `chunk`; `false` when the chunk, as it is stored, is used
    /// up. One block at a time, since a small chunk can inflate to much.
    ///
    /// # Errors
    /// The file is broken: the read is at its end. Or it begins like no JSON, which is told once: the read may go on,
    /// for the needles in the midst of it.
    pub fn next(&mut self, chunk: &mut &[u8]) -> Result<bool, ScanError> {
        let documents = self.documents;
        let is_text = |byte: &&u8| !documents.is_blank(**byte);
        let Some(block) = self.inflate.next(chunk)? else { return Ok(false) };
        self.search.push(block);
        self.last_byte = block.iter().rfind(is_text).copied().unwrap_or(self.last_byte);
        if self.first_byte.is_none() {
            self.first_byte = block.iter().find(is_text).copied();
            self.begins()?;
        }
        Ok(true)
    }

    /// Whether what was read so far begins like JSON.
    fn begins(&self) -> Result<(), ScanError> {
        match self.first_byte {
            None | Some(b'{' | b'[') => Ok(()),
            Some(byte) if self.inflate.is_gzip() => Err(ScanError::GzipOfNoJson(byte)),
            Some(byte) => Err(ScanError::NeitherGzipNorJson(byte)),
        }
    }

    /// Closes the read, after the last chunk or after the error that ended it.
    pub fn finish(self, read: Result<(), ScanError>) -> FirstReadDone {
        let ends = || match (self.first_byte, self.last_byte) {
            (None, _) => Err(ScanError::Empty),
            (Some(b'{'), b'}') | (Some(b'['), b']') => Ok(()),
            (Some(_), b'}' | b']') if self.documents == Documents::Many => Ok(()),
            (Some(_), _) => Err(ScanError::TruncatedJson),
        };
        let checked = read.and_then(|()| self.inflate.finish()).and_then(|()| self.begins()).and_then(|()| ends());
        FirstReadDone { inflated_bytes: self.inflate.inflated_bytes(), last_needle: self.search.last(), checked }
    }
}

/// The second read of a log file: hands out the records that hold a needle.
pub struct SecondRead<'n> {
    inflate: Inflate,
    walk: Walk<'n>,
    broken: Option<ScanError>,
}

impl<'n> SecondRead<'n> {
    /// `last_needle` as the first read found it: the read need not go further. `u64::MAX` where there was no first
    /// read: the file is then read once, to its end.
    pub fn new(needles: &'n Needles, documents: Documents, limit_mib: u64, last_needle: u64) -> Self {
        let walk = Walk::new(needles, documents, last_needle);
        SecondRead { inflate: Inflate::new(limit_mib), walk, broken: None }
    }

    /// The candidates of the next block, taken off the front of `chunk`; `None` when the chunk is used up or
    /// the last needle is behind. One block at a time bounds the memory that they take.
    ///
    /// # Errors
    /// The file is broken; the candidates before the break have been handed out.
    pub fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<Vec<Vec<u8>>>, ScanError> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        if self.is_done() {
            return Ok(None);
        }
        let Some(block) = self.inflate.next(chunk)? else { return Ok(None) };
        let mut candidates = Vec::new();
        self.broken = self.walk.push(block, &mut candidates).err();
        Ok(Some(candidates))
    }

    pub fn inflated_bytes(&self) -> u64 {
        self.inflate.inflated_bytes()
    }

    /// Whether all candidates have been handed out.
    pub fn is_done(&self) -> bool {
        self.walk.is_done()
    }

    /// To be called after the last chunk.
    ///
    /// # Errors
    /// The file ended before the last needle, holds no list of records, or holds a record that is too large.
    pub fn finish(&self) -> Result<(), ScanError> {
        if !self.is_done() {
            self.inflate.finish()?;
        }
        self.walk.finish()
    }
}
