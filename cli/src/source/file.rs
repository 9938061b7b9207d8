//! A file or a stream → its candidates.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, ErrorKind, Read, Seek, Stdin},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use quarantine_alert::{
    engine::error::{FileEnd, SourceError, Unread},
    scan::{Needles, Passes, ScanStep, Scanned, Settings, TwoPass},
    trail::{log_file::LogFile, record::Record},
};

use super::feed::{Batch, Feed, FromSource};

/// A file is read a second time from the disk. Memory per file is fixed, so it may inflate to any size.
const SETTINGS: Settings = Settings { limit_mib: None, other_mib: None, kept_bytes: 0, needs_records: false };

/// About the size of S3's chunks.
const CHUNK_BYTES: usize = 64 * 1024;

/// The part of a file that is read at once. It serves one file after another.
pub struct Buffer(Box<[u8]>);

impl Buffer {
    pub fn new() -> Buffer {
        Buffer(vec![0; CHUNK_BYTES].into())
    }
}

/// A file or a stream that is being read.
pub struct FileReading<'n> {
    stream: Stream,
    scan: TwoPass<'n, SourceError>,
    /// The records of the last candidate.
    records: VecDeque<Record>,
}

/// The next result of reading a file.
pub enum FromFile {
    Candidate(Box<Record>),
    /// Nothing more comes out.
    End(Result<Scanned, Unread>),
}

pub enum Stream {
    File(File),
    /// A pipe or a device, which has no beginning to return to.
    Pipe(File),
    Stdin(Stdin),
}

impl Stream {
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Stream> {
        let file = File::open(path)?;
        Ok(if file.metadata()?.is_file() { Stream::File(file) } else { Stream::Pipe(file) })
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Stream::File(file) | Stream::Pipe(file) => file.read(buffer),
                Stream::Stdin(stdin) => stdin.read(buffer),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn rewind(&mut self) -> io::Result<()> {
        match self {
            Stream::File(file) => file.rewind(),
            Stream::Pipe(_) | Stream::Stdin(_) => Err(ErrorKind::NotSeekable.into()),
        }
    }
}

impl<'n> FileReading<'n> {
    /// In one pass if the stream cannot be read twice, or `passes` says so.
    pub fn new(stream: Stream, needles: &'n Needles, passes: Passes, is_named: bool) -> FileReading<'n> {
        let settings = Settings { needs_records: is_named, ..SETTINGS };
        let passes = if let Stream::File(_) = stream { passes } else { Passes::One };
        FileReading { stream, scan: TwoPass::new(needles, settings, passes), records: VecDeque::new() }
    }

    /// The next candidate, or the end. `None` once `may_continue` is false.
    pub fn next(&mut self, buffer: &mut Buffer, mut may_continue: impl FnMut() -> bool) -> Option<FromFile> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Some(FromFile::Candidate(Box::new(record)));
            }
            match self.scan.step() {
                ScanStep::Feed => {
                    if !may_continue() {
                        return None;
                    }
                    let input = self.stream.read(&mut buffer.0).map_err(SourceError::Io);
                    self.scan.feed(input.map(|bytes| (bytes > 0).then(|| Bytes::copy_from_slice(&buffer.0[..bytes]))));
                }
                ScanStep::Reopen => {
                    if let Err(error) = self.stream.rewind() {
                        self.scan.feed(Err(SourceError::Io(error)));
                    }
                }
                ScanStep::Candidate(candidate) => self.records = self.scan.records(&candidate).into(),
                ScanStep::Yield => {
                    if !may_continue() {
                        return None;
                    }
                }
                ScanStep::End(end) => return Some(FromFile::End(end)),
            }
        }
    }
}

/// How a file must be handled if it is not a log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// It is named on the command line, and must have records.
    Named,
    /// CloudTrail wrote it, by its path.
    LogFile,
    /// It is skipped if it is something else.
    MayBeOther,
}

/// Reads a stream to its end, and sends what it contains.
pub fn read<T>(
    batch: &mut Batch<'_, T>,
    target: usize,
    log_file: &Arc<LogFile>,
    kind: FileKind,
    stream: io::Result<Stream>,
    buffer: &mut Buffer,
) {
    let feed = batch.feed;
    let end = match stream {
        Err(error) => Err(Unread::Source(SourceError::Io(error))),
        Ok(stream) => {
            if !matches!(stream, Stream::File(_)) {
                // Its next byte may never come.
                batch.send();
            }
            let mut reading = FileReading::new(stream, &feed.needles, Passes::Two, kind == FileKind::Named);
            loop {
                match reading.next(buffer, || batch.may_continue()) {
                    Some(FromFile::Candidate(record)) => {
                        feed.candidate(log_file, *record).into_iter().for_each(|found| batch.push(found));
                    }
                    Some(FromFile::End(end)) => break end,
                    None => return,
                }
            }
        }
    };
    let end = FileEnd::of(end, kind == FileKind::MayBeOther, log_file);
    batch.push(FromSource::End { target, log_file: log_file.clone(), end });
}

/// Reads standard input to its end.
pub fn read_stdin<T>(feed: &Feed<T>, target: usize) {
    feed.tally.list(1);
    let stream = Ok(Stream::Stdin(io::stdin()));
    let mut batch = Batch::new(feed);
    read(&mut batch, target, &Arc::new(LogFile::Stdin), FileKind::Named, stream, &mut Buffer::new());
    batch.send();
}
