//! One file, read twice where it holds a needle; or a stream, which can be read only once.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    sync::Arc,
    time::{Duration, Instant},
};

use quarantine_alert::{
    alert::rfc3339,
    handler::{
        read::{Found, Scanned},
        turn::Turn,
    },
    log_file::LogFile,
    record::{Record, RecordError},
    related::{Gathering, Identity, Related},
    scan::{Documents, FirstRead, FirstReadDone, Needles, ScanError, SecondRead},
};
use tokio::sync::mpsc::Sender;

use super::STDIN;

/// As S3 hands them over.
const CHUNK_BYTES: usize = 64 * 1024;
/// The scan's memory is fixed, so that what a file inflates to costs no more than time, and Ctrl-C ends it.
const NO_LIMIT: u64 = u64::MAX;
/// As in the function: what it may take of a lease.
const RELATED_TIMEOUT: Duration = Duration::from_secs(2);

/// The reading of one file.
pub struct Reading<'a> {
    pub needles: &'a Needles,
    pub out: &'a Sender<Found>,
    /// The number of the target.
    pub scan: usize,
    pub log_file: &'a Arc<LogFile>,
}

/// Why a file is not read to its end.
pub enum Problem {
    Io(io::Error),
    /// It is something else, in which nothing was found that the rules look for.
    NoLogFile(ScanError),
    Scan(ScanError),
    Record(RecordError),
    /// The run was ended.
    Stopped,
}

impl Reading<'_> {
    pub fn twice(&self, file: &mut File) -> Result<Scanned, Problem> {
        let started = Instant::now();
        let mut first = FirstRead::new(self.needles, Documents::Many, NO_LIMIT);
        let (mut bytes, mut broken) = (0, None);
        let read = self.chunks(file, |stored| {
            bytes += stored.len() as u64;
            let mut chunk = stored;
            // What is no JSON may hold in the midst of it what nobody would be told of.
            while match first.next(&mut chunk) {
                Err(problem) if is_text(&problem, stored) => true,
                result => result.map_err(Problem::Scan)?,
            } {}
            Ok(true)
        });
        let read = match read {
            Err(Problem::Scan(problem)) => Err(problem),
            Err(problem) => {
                broken = Some(problem);
                Ok(())
            }
            Ok(()) => Ok(()),
        };
        let FirstReadDone { inflated_bytes, last_needle, checked } = first.finish(read);
        broken = broken.or(checked.err().map(|problem| match problem {
            problem if problem.is_no_log_file(Documents::Many, last_needle) => Problem::NoLogFile(problem),
            problem => Problem::Scan(problem),
        }));
        if let Some(last_needle) = last_needle {
            file.rewind().map_err(Problem::Io)?;
            let second = SecondRead::new(self.needles, Documents::Many, NO_LIMIT, last_needle);
            broken = broken.or(self.candidates(file, second).err());
        }
        broken.map_or(Ok(Scanned { bytes, inflated_bytes, milliseconds: milliseconds(started) }), Err)
    }

    pub fn once(&self, stream: &mut dyn Read) -> Result<Scanned, Problem> {
        let started = Instant::now();
        let second = SecondRead::new(self.needles, Documents::Many, NO_LIMIT, u64::MAX);
        let (bytes, inflated_bytes) = self.candidates(stream, second)?;
        Ok(Scanned { bytes, inflated_bytes, milliseconds: milliseconds(started) })
    }

    /// Sends the candidates; gives how many bytes were read, and what they inflated to.
    fn candidates(&self, stream: &mut dyn Read, mut read: SecondRead<'_>) -> Result<(u64, u64), Problem> {
        let (mut bytes, mut unreadable) = (0, None);
        self.chunks(stream, |mut chunk| {
            bytes += chunk.len() as u64;
            while let Some(candidates) = read.next(&mut chunk).map_err(Problem::Scan)? {
                for candidate in candidates {
                    match Record::parse(&candidate) {
                        Ok(record) => {
                            let (scan, log_file, record) = (self.scan, self.log_file.clone(), Box::new(record));
                            let sent = self.out.blocking_send(Found::Candidate { scan, log_file, record });
                            sent.map_err(|_| Problem::Stopped)?;
                        }
                        Err(problem) => unreadable = unreadable.take().or(Some(Problem::Record(problem))),
                    }
                }
            }
            Ok(!read.is_done())
        })?;
        read.finish().map_err(Problem::Scan)?;
        unreadable.map_or(Ok((bytes, read.inflated_bytes())), Err)
    }

    /// Reads chunk by chunk, for as long as more is wanted.
    fn chunks(
        &self,
        stream: &mut dyn Read,
        mut take: impl FnMut(&[u8]) -> Result<bool, Problem>,
    ) -> Result<(), Problem> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = match stream.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Problem::Io(error)),
            };
            if self.out.is_closed() {
                return Err(Problem::Stopped);
            }
            if !take(&chunk[..bytes])? {
                return Ok(());
            }
        }
    }
}

/// Whether what begins like no JSON may be text all the same: of gzip nobody knows before its end. Programs, films and
/// archives hold a zero soon.
fn is_text(problem: &ScanError, stored: &[u8]) -> bool {
    match problem {
        ScanError::GzipOfNoJson(_) => true,
        ScanError::NeitherGzipNorJson(_) => !stored.contains(&0),
        _ => false,
    }
}

/// What else the identity of a match did in its log file; `None` where that cannot be told in time, or not again.
pub fn related(turn: &Turn) -> Option<Related> {
    let path = &turn.log_file.as_ref()?.key;
    // To open a pipe again would wait for ever.
    if path == STDIN || !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return None;
    }
    let (identity, deadline) = (Identity::of(&turn.matched), Instant::now() + RELATED_TIMEOUT);
    let needles = identity.needles().ok()?;
    let mut read = SecondRead::new(&needles, Documents::Many, NO_LIMIT, u64::MAX);
    let (mut file, mut gathering, mut chunk) = (File::open(path).ok()?, Gathering::default(), vec![0; CHUNK_BYTES]);
    loop {
        let bytes = file.read(&mut chunk).ok()?;
        let mut chunk = &chunk[..bytes];
        if bytes == 0 {
            break;
        }
        while let Some(candidates) = read.next(&mut chunk).ok()? {
            for candidate in candidates {
                gathering.add(&identity, &Record::parse(&candidate).ok()?);
            }
            if Instant::now() > deadline {
                return None;
            }
        }
    }
    read.finish().ok()?;
    Some(gathering.finish(&identity, rfc3339))
}

fn milliseconds(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
