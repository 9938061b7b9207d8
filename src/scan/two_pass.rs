//! The one algorithm of a scan: a first pass over a file, and a second one if the first found a needle.
//!
//! It does no I/O. A source feeds it chunks when [`TwoPass::step`] asks for them, and takes what comes out.

mod first;
mod second;

use std::{collections::VecDeque, mem};

use bytes::Bytes;

use super::{Fault, Form, Needles, Unread};
use crate::trail::record::Record;
use first::{FirstPass, FirstPassEnd};
use second::SecondPass;

/// How files are read.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub form: Form,
    /// A file that inflates past it fails. `None` allows any size, since the memory per file is fixed.
    pub limit_mib: Option<u64>,
    /// A file of at most this many stored bytes is kept in memory for the second pass.
    pub kept_bytes: usize,
    pub other_text: OtherText,
}

/// How far a file that does not begin like JSON is searched for needles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherText {
    /// For one block, since a bucket may contain terabytes of other logs.
    FirstBlock,
    /// To its end, unless it is binary.
    Whole,
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
    /// A record that contains a needle, for [`TwoPass::record`].
    Candidate(Vec<u8>),
    /// The scan has used the processor for a while. Give way to other tasks.
    Yield,
    /// Nothing more comes out.
    End(Result<Scanned, Unread<E>>),
}

/// The size of a file that was scanned to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    pub bytes: u64,
    pub inflated_bytes: u64,
}

/// The stored bytes that a pass reads before it gives way. They may all be frames of empty gzip members.
const STORED_AT_ONCE: usize = 64 * 1024;

/// The scan of one file. `E` is the source's error.
pub struct TwoPass<'n, E> {
    needles: &'n Needles,
    settings: Settings,
    pass: Pass<'n>,
    /// The rest of the current chunk.
    chunk: Bytes,
    has_input_ended: bool,
    candidates: VecDeque<Vec<u8>>,
    must_yield: bool,
    /// The stored bytes, while they are few enough for the second pass to take them from here.
    kept: Option<Vec<u8>>,
    bytes: u64,
    inflated_bytes: u64,
    /// The first reason to arise counts, except that a broken record counts last.
    reason: Option<Unread<E>>,
    broken_record: Option<Unread<E>>,
}

enum Pass<'n> {
    First(FirstPass<'n>),
    Second(SecondPass<'n>),
    Over,
}

/// The state of a pass within the current chunk.
enum PassState {
    /// The chunk is used up.
    Spent,
    /// A block was searched, or a part of the chunk held none.
    Block,
    /// It is time to give way to other tasks.
    Yield,
    /// The pass needs no more of the file.
    Enough,
}

impl<'n, E> TwoPass<'n, E> {
    pub fn new(needles: &'n Needles, settings: Settings, passes: Passes) -> Self {
        let pass = match passes {
            Passes::Two => Pass::First(FirstPass::new(needles, settings)),
            Passes::One => Pass::Second(SecondPass::new(needles, settings, None)),
        };
        TwoPass {
            needles,
            settings,
            pass,
            chunk: Bytes::new(),
            has_input_ended: false,
            candidates: VecDeque::new(),
            must_yield: false,
            kept: (passes == Passes::Two).then(Vec::new),
            bytes: 0,
            inflated_bytes: 0,
            reason: None,
            broken_record: None,
        }
    }

    /// Answers [`ScanStep::Feed`] with a chunk of any size, `None` at the end of the source, or the reason why it ended early.
    pub fn feed(&mut self, input: Result<Option<Bytes>, E>) {
        match input {
            Ok(Some(chunk)) => {
                // A second pass reads the same bytes again.
                if !matches!(&self.pass, Pass::Second(pass) if pass.last_needle.is_some()) {
                    self.bytes += chunk.len() as u64;
                }
                self.keep(&chunk);
                self.chunk = chunk;
            }
            Ok(None) => self.has_input_ended = true,
            Err(error) => {
                self.has_input_ended = true;
                self.fail(Unread::Source(error));
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
            let progress = match &mut self.pass {
                Pass::First(pass) => pass.search(&mut self.chunk),
                Pass::Second(pass) => pass.walk(&mut self.chunk, &mut self.candidates),
                Pass::Over => return ScanStep::End(self.end()),
            };
            match progress {
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
        match &self.pass {
            Pass::First(pass) => pass.inflated_bytes(),
            Pass::Second(pass) if pass.last_needle.is_none() => pass.inflated_bytes(),
            Pass::Second(_) | Pass::Over => self.inflated_bytes,
        }
    }

    /// Parses a candidate. One that is not a record makes the file unread, once its other candidates are judged.
    pub fn record(&mut self, candidate: &[u8]) -> Option<Record> {
        let record = Record::parse(candidate);
        record.map_err(|error| self.broken_record.get_or_insert(Unread::Record(error))).ok()
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
        match mem::replace(&mut self.pass, Pass::Over) {
            Pass::First(pass) => {
                let FirstPassEnd { inflated_bytes, last_needle, checked } = pass.finish();
                self.inflated_bytes = inflated_bytes;
                self.check(checked, last_needle);
                let Some(last_needle) = last_needle else { return false };
                self.pass = Pass::Second(SecondPass::new(self.needles, self.settings, Some(last_needle)));
                self.has_input_ended = self.kept.is_some();
                self.chunk = self.kept.take().unwrap_or_default().into();
                !self.has_input_ended
            }
            Pass::Second(pass) => {
                let last_needle = pass.last_needle;
                // The bytes were counted by the first pass, if there was one.
                if last_needle.is_none() {
                    self.inflated_bytes = pass.inflated_bytes();
                }
                self.check(pass.finish(), last_needle);
                false
            }
            Pass::Over => false,
        }
    }

    fn check(&mut self, checked: Result<(), Fault>, last_needle: Option<u64>) {
        if let Err(fault) = checked {
            let is_other = is_other_than_a_log_file(&fault, self.settings.form, last_needle.is_some());
            self.fail(if is_other { Unread::NotALogFile(fault) } else { Unread::Faulty(fault) });
        }
    }

    fn fail(&mut self, reason: Unread<E>) {
        self.reason.get_or_insert(reason);
    }

    fn end(&mut self) -> Result<Scanned, Unread<E>> {
        let reason = self.reason.take().or(self.broken_record.take());
        reason.map_or(Ok(Scanned { bytes: self.bytes, inflated_bytes: self.inflated_bytes }), Err)
    }
}

/// Whether a file with this fault is something other than a log file, rather than a log file that is broken. Text that
/// only begins like JSON is something else unless a needle is in it. An export is something else only if it begins like
/// nothing that could be read: it has no needle, and is not UTF-16.
fn is_other_than_a_log_file(fault: &Fault, form: Form, has_needle: bool) -> bool {
    use Fault::{Empty, GzipOfOther, NeitherGzipNorJson, NoRecords, TruncatedJson};
    match (form, fault) {
        (Form::One, Empty | NeitherGzipNorJson(_) | GzipOfOther(_) | NoRecords) => true,
        (Form::One, TruncatedJson) | (Form::Many, Empty) => !has_needle,
        (Form::Many, NeitherGzipNorJson(UTF_16_LOW | UTF_16_HIGH) | GzipOfOther(UTF_16_LOW | UTF_16_HIGH)) => false,
        (Form::Many, NeitherGzipNorJson(_) | GzipOfOther(_)) => !has_needle,
        _ => false,
    }
}

/// The bytes of UTF-16's byte order mark, in either order.
const UTF_16_LOW: u8 = 0xfe;
const UTF_16_HIGH: u8 = 0xff;

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, io::Write};

    use flate2::{Compression, GzBuilder, write::GzEncoder};

    use super::*;
    use crate::scan::Needle;

    /// How often the scan of one chunk gives way.
    fn yields(stored: Vec<u8>) -> (usize, Result<Scanned, Unread<Infallible>>) {
        let mut chunk = Some(Bytes::from(stored));
        let needles = Needles::new([Needle::fixed("needle")]);
        let settings =
            Settings { form: Form::One, limit_mib: Some(32), kept_bytes: 0, other_text: OtherText::FirstBlock };
        let mut scan = TwoPass::new(&needles, settings, Passes::Two);
        let mut yields = 0;
        loop {
            match scan.step() {
                ScanStep::Feed => scan.feed(Ok(chunk.take())),
                ScanStep::Yield => yields += 1,
                ScanStep::End(end) => return (yields, end),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_dense_chunk_yields_after_each_inflated_mebibyte() {
        let mut dense = GzEncoder::new(Vec::new(), Compression::default());
        dense.write_all(b"{\"Records\":[").unwrap();
        dense.write_all(&vec![b' '; 16 << 20]).unwrap();
        dense.write_all(b"]}").unwrap();
        let (yields, end) = yields(dense.finish().unwrap());
        assert!((16..=32).contains(&yields) && end.is_ok(), "{yields} yields, {end:?}");
    }

    /// Frames cost time like any other bytes: a megabyte of empty members inflates to nothing.
    #[test]
    fn a_chunk_of_empty_members_yields_as_well() {
        for name in [String::new(), "x".repeat(4000)] {
            let member = GzBuilder::new().filename(name).write(Vec::new(), Compression::fast()).finish().unwrap();
            let (yields, end) = yields(member.repeat((1 << 20) / member.len()));
            assert!((3..=8).contains(&yields), "{yields} yields");
            assert!(matches!(end, Err(Unread::NotALogFile(Fault::Empty))), "{end:?}");
        }
    }
}
