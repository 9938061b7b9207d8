//! A file or a stream → its candidates.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, Stdin},
    path::Path,
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use quarantine_alert::{
    alert::rfc3339,
    engine::{
        error::{NotRead, SourceError, Unread},
        reader::{Next, RELATED_TIMEOUT},
    },
    related::{Gathering, Identity, Related},
    rule::Match,
    scan::{Documents, Needles, OtherText, Passes, ScanStep, Settings, TwoPass},
    trail::log_file::{Handling, LogFile},
};

use super::feed::{Feed, FromSource};
use crate::coverage::FileEnd;

/// A file is read a second time from the disk. Memory per file is fixed, so it may inflate to any size.
const SETTINGS: Settings =
    Settings { documents: Documents::Many, limit_mib: None, kept_bytes: 0, other_text: OtherText::Whole };

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
        let is_file = fs::metadata(path)?.is_file();
        let file = File::open(path)?;
        Ok(if is_file { Stream::File(file) } else { Stream::Pipe(file) })
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
    pub fn new(stream: Stream, needles: &'n Needles) -> FileReading<'n> {
        let passes = if let Stream::File(_) = stream { Passes::Two } else { Passes::One };
        FileReading { stream, scan: TwoPass::new(needles, SETTINGS, passes) }
    }

    /// The next candidate, or the end. `None` once `may_continue` is false.
    pub fn next(&mut self, buffer: &mut Buffer, may_continue: impl Fn() -> bool) -> Option<Next> {
        loop {
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
                ScanStep::Candidate(candidate) => {
                    if let Some(record) = self.scan.record(&candidate) {
                        return Some(Next::Candidate(Box::new(record)));
                    }
                }
                ScanStep::Yield => {
                    if !may_continue() {
                        return None;
                    }
                }
                ScanStep::End(end) => return Some(Next::End(end)),
            }
        }
    }
}

/// Reads a stream to its end, and sends what it contains.
pub fn read<T>(
    feed: &Feed<T>,
    target: usize,
    log_file: &Arc<LogFile>,
    handling: Handling,
    stream: io::Result<Stream>,
    buffer: &mut Buffer,
) {
    let ended = match stream {
        Err(error) => Err(Unread::Source(SourceError::Io(error))),
        Ok(stream) => {
            let mut reading = FileReading::new(stream, &feed.needles);
            loop {
                match reading.next(buffer, || !feed.is_over()) {
                    Some(Next::Candidate(record)) => {
                        if let Some(found) = feed.candidate(target, log_file, *record) {
                            feed.blocking_send(found);
                        }
                    }
                    Some(Next::End(end)) => break end,
                    None => return,
                }
            }
        }
    };
    let ended = match ended {
        Ok(scanned) => FileEnd::Scanned(scanned),
        Err(Unread::NotALogFile(_)) if handling == Handling::ScanIfLogFile => FileEnd::Skipped,
        Err(reason) => FileEnd::NotRead(NotRead { log_file: log_file.clone(), reason }),
    };
    feed.blocking_send(FromSource::End { target, ended });
}

/// Reads standard input to its end.
pub fn read_stdin<T>(feed: &Feed<T>, target: usize) {
    feed.tally.list(1);
    let stream = Ok(Stream::Stdin(io::stdin()));
    read(feed, target, &Arc::new(LogFile::Stdin), Handling::Scan, stream, &mut Buffer::new());
}

/// What else the identity of a match did in its file. `None` if that is not known in time, or the file is a pipe: opening it
/// again would block.
pub fn related(path: &Path, matched: &Match) -> Option<Related> {
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return None;
    }
    let stream = Stream::open(path).ok()?;
    let identity = Identity::of(matched);
    let needles = identity.needles();
    let mut gathering = Gathering::default();
    let started = Instant::now();
    let mut buffer = Buffer::new();
    let mut reading = FileReading { stream, scan: TwoPass::new(&needles, SETTINGS, Passes::One) };
    loop {
        match reading.next(&mut buffer, || started.elapsed() < RELATED_TIMEOUT)? {
            Next::Candidate(record) => gathering.add(&identity, &record),
            Next::End(end) => return end.ok().map(|_| gathering.finish(&identity, rfc3339)),
        }
    }
}
