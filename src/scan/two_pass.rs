//! The one algorithm of a scan: a first pass over a file, and a second one if the first found a needle.
//!
//! It does no I/O. A source feeds it chunks when [`TwoPass::step`] asks for them, and takes what comes out.

mod pass;

use std::{collections::VecDeque, mem};

use bytes::Bytes;

use super::{Fault, KeyIds, Needles, Records, Unread, layers::Layers, unwrap};
use crate::trail::record::Record;
use pass::{Findings, Pass, PassEnd, PassState};

/// How files are read.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A file that inflates past it fails. `None` allows any size, since the memory per file is fixed.
    pub limit_mib: Option<u64>,
    /// Text that does not begin like JSON is searched for needles up to here, or to its end.
    pub other_mib: Option<u64>,
    /// A file of at most this many stored bytes is kept in memory for the second pass.
    pub kept_bytes: usize,
    /// Whether a file without records is an error, even if it has the form of a log file.
    pub needs_records: bool,
}

/// How often the source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// The second pass ends at the last needle.
    Two,
    /// From record to record to the end of the source, which may be a stream.
    One,
}

/// The next step of a scan.
#[derive(Debug)]
pub enum ScanStep<E> {
    /// Feed the next chunk of the source, its end, or its error.
    Feed,
    /// Open the source at its beginning again. Then feed it as before.
    Reopen,
    /// Something that contains a needle, for [`TwoPass::records`].
    Candidate(Vec<u8>),
    /// The scan has used the processor for a while. Give way to other tasks.
    Yield,
    /// Nothing more comes out.
    End(Result<Scanned, Unread<E>>),
}

/// What is known of a file that was scanned to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    pub bytes: u64,
    pub inflated_bytes: u64,
    pub records: Records,
    /// The access keys that it names. `None` if they are not wanted, or it may name any.
    pub key_ids: Option<KeyIds>,
}

/// The stored bytes that a pass reads before it gives way. They may all be frames of empty gzip members.
const STORED_AT_ONCE: usize = 64 * 1024;

/// The scan of one file. `E` is the source's error.
pub struct TwoPass<'n, E> {
    needles: &'n Needles,
    settings: Settings,
    pass: Option<Pass<'n>>,
    /// The rest of the current chunk.
    chunk: Bytes,
    has_input_ended: bool,
    candidates: VecDeque<Vec<u8>>,
    must_yield: bool,
    /// The stored bytes, while they are few enough for the second pass to take them from here.
    kept: Option<Vec<u8>>,
    bytes: u64,
    inflated_bytes: u64,
    findings: Findings,
    key_ids: Option<KeyIds>,
    /// The first reason to arise counts, except that records which cannot be judged count last.
    reason: Option<Unread<E>>,
    /// Whether nothing shows that it is a log file, unless records come out.
    is_other: bool,
    has_records: bool,
    has_other: bool,
}

impl<'n, E> TwoPass<'n, E> {
    pub fn new(needles: &'n Needles, settings: Settings, passes: Passes) -> Self {
        let pass = match passes {
            Passes::Two => Pass::search(needles, settings),
            Passes::One => Pass::search_and_walk(needles, settings),
        };
        TwoPass {
            needles,
            settings,
            pass: Some(pass),
            chunk: Bytes::new(),
            has_input_ended: false,
            candidates: VecDeque::new(),
            must_yield: false,
            kept: (passes == Passes::Two).then(Vec::new),
            bytes: 0,
            inflated_bytes: 0,
            findings: Findings::default(),
            key_ids: None,
            reason: None,
            is_other: false,
            has_records: false,
            has_other: false,
        }
    }

    /// Answers [`ScanStep::Feed`] with a chunk of any size, `None` at the end of the source, or the reason why it ended early.
    pub fn feed(&mut self, input: Result<Option<Bytes>, E>) {
        match input {
            Ok(Some(chunk)) => {
                // A second pass reads the same bytes again.
                if self.pass.as_ref().is_some_and(Pass::has_searched) {
                    self.bytes += chunk.len() as u64;
                }
                self.keep(&chunk);
                self.chunk = chunk;
            }
            Ok(None) => self.has_input_ended = true,
            Err(error) => {
                self.has_input_ended = true;
                self.reason.get_or_insert(Unread::Source(error));
            }
        }
    }

    pub fn step(&mut self) -> ScanStep<E> {
        loop {
            if let Some(candidate) = self.candidates.pop_front() {
                return ScanStep::Candidate(candidate);
            }
            if mem::take(&mut self.must_yield) {
                return ScanStep::Yield;
            }
            let Some(pass) = &mut self.pass else { return ScanStep::End(self.end()) };
            match pass.step(&mut self.chunk, &mut self.candidates) {
                PassState::Spent if !self.has_input_ended => return ScanStep::Feed,
                PassState::Block => {}
                PassState::Yield => self.must_yield = true,
                PassState::Spent | PassState::Enough => {
                    if self.end_pass() {
                        return ScanStep::Reopen;
                    }
                }
            }
        }
    }

    /// The bytes that the first pass has inflated so far, or the only one.
    pub fn inflated_bytes(&self) -> u64 {
        self.pass.as_ref().filter(|pass| pass.has_searched()).map_or(self.inflated_bytes, Pass::inflated_bytes)
    }

    /// Parses a candidate. If something in it cannot be judged, the file is unread, once its other candidates are judged.
    pub fn records(&mut self, candidate: &[u8]) -> Vec<Record> {
        let unwrapped = unwrap(candidate, self.needles);
        self.has_other |= unwrapped.has_other;
        self.has_records |= !unwrapped.records.is_empty();
        unwrapped.records
    }

    /// Frees the stored bytes that were kept for the second pass, which reads the source again instead.
    pub fn forget_stored(&mut self) {
        self.kept = None;
    }

    fn keep(&mut self, chunk: &[u8]) {
        let most = self.settings.kept_bytes;
        self.kept = self.kept.take().filter(|kept| kept.len() + chunk.len() <= most);
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(chunk);
        }
    }

    /// Whether the source must be opened again.
    fn end_pass(&mut self) -> bool {
        let Some(mut pass) = self.pass.take() else { return false };
        let is_first_of_two = pass.is_search();
        let (whole, hints) = (pass.take_whole(), pass.hints());
        let PassEnd { inflated_bytes, findings, key_ids, checked } = pass.finish(self.findings.last_needle);
        if let Some(findings) = findings {
            self.findings = findings;
            self.key_ids = key_ids;
            self.inflated_bytes = inflated_bytes;
        }
        match checked {
            Ok(()) => {}
            // Its keys may be escaped. The second pass shows whether there are records.
            Err(Fault::NoRecords) => self.is_other = true,
            Err(fault) => {
                let reason = self.classified(fault);
                self.reason.get_or_insert(reason);
            }
        }
        if !is_first_of_two || self.findings.last_hint.is_none() {
            return false;
        }
        let layers = if whole.is_some() { Layers::of_text() } else { Layers::new(self.settings.limit_mib) };
        self.pass = Some(Pass::walk(self.needles, layers, self.findings.last_hint, hints));
        let kept = whole.or_else(|| self.kept.take());
        self.kept = None;
        self.has_input_ended = kept.is_some();
        self.chunk = kept.unwrap_or_default().into();
        !self.has_input_ended
    }

    /// Whether a file with this fault is something other than a log file, or a log file that is broken.
    fn classified(&self, fault: Fault) -> Unread<E> {
        let Findings { last_needle, is_log, begins_like_json, .. } = self.findings;
        let is_other = match fault {
            _ if last_needle.is_some() => false,
            Fault::Empty
            | Fault::NeitherGzipNorJson(_)
            | Fault::GzipOfOther(_)
            | Fault::Packed(_)
            | Fault::NoRecords => true,
            Fault::TruncatedJson | Fault::MalformedJson { .. } | Fault::RecordTooLarge | Fault::NotJudged => !is_log,
            Fault::TruncatedGzip | Fault::CorruptGzip { .. } | Fault::TrailingBytes | Fault::TooLarge { .. } => {
                !begins_like_json
            }
        };
        if is_other { Unread::NotALogFile(fault) } else { Unread::Faulty(fault) }
    }

    fn end(&mut self) -> Result<Scanned, Unread<E>> {
        match self.reason.take() {
            Some(reason) => Err(reason),
            None if self.has_other => Err(Unread::Faulty(Fault::NotJudged)),
            None if !self.has_records
                && (self.is_other || self.settings.needs_records && self.findings.records == Records::None) =>
            {
                Err(self.classified(Fault::NoRecords))
            }
            None => Ok(Scanned {
                bytes: self.bytes,
                inflated_bytes: self.inflated_bytes,
                records: if self.has_records { Records::Some } else { self.findings.records },
                key_ids: self.key_ids.take(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
