//! The files that a search read, skipped or failed to read.

mod seen;

use indicatif::{HumanBytes, HumanCount};
use quarantine_alert::{
    engine::error::FileEnd,
    scan::{Fault, Packed, Records, Scanned},
    trail::log_file::LogFile,
};

use crate::progress::{plural, say};

pub use seen::Seen;

/// At most this many of the files that were not read are named.
const MAX_NAMED: usize = 1000;

/// Counts of files and bytes, and the reasons why files were not read.
#[derive(Default)]
pub struct Coverage {
    scanned: u64,
    /// Lists without records.
    empty: u64,
    bytes: u64,
    inflated_bytes: u64,
    /// Files and objects that are not log files, or not wanted.
    pub skipped: u64,
    /// Log files that an earlier search has read, and that this one does not need.
    passed_over: u64,
    /// The first files that were not read, each with its reason.
    unread: Vec<String>,
    unread_count: u64,
    /// For each target, whether it had a log file, or its reason is known.
    is_accounted: Vec<bool>,
    /// Why the search ended early.
    pub stopped: Option<String>,
    pub seconds: f64,
}

impl Coverage {
    pub fn of_targets(count: usize) -> Coverage {
        Coverage { is_accounted: vec![false; count], ..Coverage::default() }
    }

    /// Whether everything was read.
    pub fn is_complete(&self) -> bool {
        self.unread_count == 0 && self.stopped.is_none()
    }

    pub fn done(&self) -> u64 {
        self.scanned + self.empty + self.skipped + self.passed_over + self.unread_count
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A file of this target was read, or not.
    pub fn ended(&mut self, target: usize, log_file: &LogFile, end: &FileEnd) {
        match end {
            FileEnd::Scanned(Scanned { bytes, inflated_bytes, records, .. }) => {
                self.is_accounted[target] = true;
                let is_empty = *records == Records::EmptyList;
                self.scanned += u64::from(!is_empty);
                self.empty += u64::from(is_empty);
                self.bytes += bytes;
                self.inflated_bytes += inflated_bytes;
            }
            // It may contain log files, or a needle in what could not be read.
            FileEnd::Skipped(
                fault @ (Fault::Packed(Packed::Archive { .. })
                | Fault::TruncatedGzip
                | Fault::CorruptGzip { .. }
                | Fault::TrailingBytes),
            ) => self.unread(target, format!("{log_file} {fault}")),
            FileEnd::Skipped(_) => self.skipped += 1,
            FileEnd::NotRead(not_read) => self.unread(target, not_read.to_string()),
        }
    }

    /// An earlier search has read a log file of this target.
    pub fn pass_over(&mut self, target: usize) {
        self.is_accounted[target] = true;
        self.passed_over += 1;
    }

    /// Adds what a second search over the same log files could not read.
    pub fn with_second(mut self, second: Coverage) -> Coverage {
        let known = self.unread_count;
        for line in second.unread {
            // Beyond those that are named, nobody knows whether it is the same.
            if known <= MAX_NAMED as u64 && !self.unread.contains(&line) {
                self.unread_count += 1;
                self.unread.push(line);
            }
        }
        Coverage { seconds: self.seconds + second.seconds, stopped: self.stopped.or(second.stopped), ..self }
    }

    /// Something of this target was not read.
    pub fn unread(&mut self, target: usize, line: String) {
        self.is_accounted[target] = true;
        self.unread_count += 1;
        if self.unread.len() < MAX_NAMED {
            self.unread.push(line);
        }
    }

    /// The targets that had no log file and no reason: a mistyped prefix must not look like a clean result.
    pub fn unaccounted(&self) -> Vec<usize> {
        (0..self.is_accounted.len()).filter(|&target| !self.is_accounted[target]).collect()
    }

    /// Shows what was found, in what, and what was not read.
    pub fn report(&self, found: &str) {
        let files = plural(self.scanned, "log file");
        let bytes = format!("{}, {} inflated", HumanBytes(self.bytes), HumanBytes(self.inflated_bytes));
        say(&format!("{found} in {files} ({bytes}), {:.1} s.", self.seconds));
        if self.empty > 0 {
            say(&format!("{} without records: an empty list.", plural(self.empty, "file")));
        }
        if self.skipped > 0 {
            let others = plural(self.skipped, "other file");
            say(&format!("{others} skipped: not CloudTrail log files, or outside the requested dates."));
        }
        for line in &self.unread {
            say(&format!("not read: {line}."));
        }
        let unnamed = self.unread_count - self.unread.len() as u64;
        if unnamed > 0 {
            say(&format!("not read: {} more.", HumanCount(unnamed)));
        }
        if let Some(reason) = &self.stopped {
            say(&format!("PARTIAL: {reason}; the result does not include what was not read yet."));
        }
    }
}
