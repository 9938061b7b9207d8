//! Log files on disk, by one thread for each core; and streams, which can be read only once.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    num::NonZero,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use quarantine_alert::{
    alert::rfc3339,
    aws::log_bucket::BucketError,
    handler::{
        Failure,
        read::{End, Found, Scanned},
        turn::Turn,
    },
    log_file::{LogFile, Verdict},
    record::Record,
    related::{Gathering, Identity, Related},
    scan::{Documents, FirstRead, Needles, ScanError, SecondRead},
};
use tokio::sync::mpsc::Sender;
use walkdir::WalkDir;

use super::Tally;

/// As S3 hands them over.
const CHUNK_BYTES: usize = 64 * 1024;
/// The scan's memory is fixed, so that what a file inflates to costs no more than time, and Ctrl-C ends it.
const NO_LIMIT: u64 = u64::MAX;
/// How it is named.
const STDIN: &str = "standard input";
/// As in the function: what it may take of a lease.
const RELATED_TIMEOUT: Duration = Duration::from_secs(2);
/// The listing stays so many files ahead of the reading.
const MOST_LISTED: usize = 100_000;

/// What a reader of the disk needs.
#[derive(Clone)]
pub struct Disk {
    pub needles: Arc<Needles>,
    pub tally: Arc<Tally>,
    pub out: Sender<Found>,
}

/// A file in line.
struct Job {
    /// The number of the target.
    scan: usize,
    path: PathBuf,
    log_file: LogFile,
    /// What can be read only once.
    is_stream: bool,
    verdict: Verdict,
}

/// Why a file is not read to its end.
enum Problem {
    Io(io::Error),
    Scan(ScanError),
    Record(quarantine_alert::record::RecordError),
    /// The run was ended.
    Stopped,
}

impl Disk {
    /// Reads all that lies below the paths, each with the number of its target.
    pub fn read(&self, targets: Vec<(usize, PathBuf)>) {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let (jobs, line) = mpsc::sync_channel(MOST_LISTED);
        let line = Mutex::new(line);
        thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    let next = || line.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    while let Ok(job) = next()
                        && !self.out.is_closed()
                    {
                        self.read_file(&job);
                    }
                    // Nobody takes what is still listed: without this, the listing would wait for room for ever.
                    while next().is_ok() {}
                });
            }
            self.tally.begin();
            for (scan, path) in targets {
                self.list(scan, &path, &jobs);
            }
            self.tally.end();
            drop(jobs);
        });
    }

    /// Reads standard input to its end.
    pub fn read_stdin(&self, scan: usize) {
        let log_file = Arc::new(LogFile::on_disk(Path::new(STDIN), None));
        self.tally.list();
        let read = self.read_once(&mut io::stdin().lock(), scan, &log_file);
        self.end(scan, &log_file, Verdict::Scan, None, read);
    }

    fn list(&self, scan: usize, root: &Path, jobs: &mpsc::SyncSender<Job>) {
        let send = |path: &Path, size: Option<u64>, verdict: Option<Verdict>, is_stream: bool| {
            let log_file = LogFile::on_disk(path, size);
            let verdict = verdict.unwrap_or_else(|| log_file.verdict());
            if let Verdict::Skip(_) = verdict {
                return self.tally.skip();
            }
            self.tally.list();
            // The readers are gone only where the run is ended.
            let _ = jobs.send(Job { scan, path: path.to_owned(), log_file, is_stream, verdict });
        };
        // What is named itself is read, whatever its path says.
        match fs::metadata(root) {
            Ok(found) if found.is_dir() => {}
            Ok(found) => return send(root, Some(found.len()), Some(Verdict::Scan), !found.is_file()),
            Err(error) => return self.fail(scan, root, error),
        }
        for entry in WalkDir::new(root).follow_links(true) {
            if self.out.is_closed() {
                return;
            }
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    // Without its size: a log file that was emptied is no other file.
                    send(entry.path(), None, None, false);
                }
                Ok(_) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_owned();
                    let is_loop = error.loop_ancestor().is_some();
                    // Its files are read where they are.
                    if !is_loop {
                        self.fail(scan, &path, error.into_io_error().unwrap_or(io::ErrorKind::Other.into()));
                    }
                }
            }
        }
    }

    fn read_file(&self, job: &Job) {
        let log_file = Arc::new(job.log_file.clone());
        let file = File::open(&job.path);
        let mut last_needle = None;
        let read = match file {
            Err(error) => Err(Problem::Io(error)),
            Ok(mut file) if job.is_stream => self.read_once(&mut file, job.scan, &log_file),
            Ok(mut file) => self.read_twice(&mut file, job.scan, &log_file, &mut last_needle),
        };
        self.end(job.scan, &log_file, job.verdict, last_needle, read);
    }

    fn read_twice(
        &self,
        file: &mut File,
        scan: usize,
        log_file: &Arc<LogFile>,
        last_needle: &mut Option<u64>,
    ) -> Result<Scanned, Problem> {
        let started = Instant::now();
        let (mut first, mut bytes, mut broken) = (FirstRead::new(&self.needles, Documents::Many, NO_LIMIT), 0, None);
        let read = self.chunks(file, |mut chunk| {
            bytes += chunk.len() as u64;
            while first.next(&mut chunk).map_err(Problem::Scan)? {}
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
        let done = first.finish(read);
        *last_needle = done.last_needle;
        broken = broken.or(done.checked.err().map(Problem::Scan));
        if let Some(last_needle) = done.last_needle {
            file.rewind().map_err(Problem::Io)?;
            let second = SecondRead::new(&self.needles, Documents::Many, NO_LIMIT, last_needle);
            broken = broken.or(self.candidates(file, second, scan, log_file).err());
        }
        let milliseconds = milliseconds(started);
        broken.map_or(Ok(Scanned { bytes, inflated_bytes: done.inflated_bytes, milliseconds }), Err)
    }

    fn read_once(&self, stream: &mut dyn Read, scan: usize, log_file: &Arc<LogFile>) -> Result<Scanned, Problem> {
        let started = Instant::now();
        let second = SecondRead::new(&self.needles, Documents::Many, NO_LIMIT, u64::MAX);
        let (bytes, inflated_bytes) = self.candidates(stream, second, scan, log_file)?;
        Ok(Scanned { bytes, inflated_bytes, milliseconds: milliseconds(started) })
    }

    /// Sends the candidates; gives how many bytes were read, and what they inflated to.
    fn candidates(
        &self,
        stream: &mut dyn Read,
        mut read: SecondRead<'_>,
        scan: usize,
        log_file: &Arc<LogFile>,
    ) -> Result<(u64, u64), Problem> {
        let (mut bytes, mut unreadable) = (0, None);
        self.chunks(stream, |mut chunk| {
            bytes += chunk.len() as u64;
            while let Some(candidates) = read.next(&mut chunk).map_err(Problem::Scan)? {
                for candidate in candidates {
                    match Record::parse(&candidate) {
                        Ok(record) => {
                            let (log_file, record) = (log_file.clone(), Box::new(record));
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

    fn end(
        &self,
        scan: usize,
        log_file: &Arc<LogFile>,
        verdict: Verdict,
        last_needle: Option<u64>,
        read: Result<Scanned, Problem>,
    ) {
        let log_file = log_file.clone();
        let end = match read {
            Ok(scanned) => Ok(End::Scanned(scanned)),
            Err(Problem::Scan(problem))
                if verdict == Verdict::ScanIfLogFile && problem.is_no_log_file(Documents::Many, last_needle) =>
            {
                Ok(End::Skipped(problem))
            }
            Err(Problem::Scan(problem)) => Err(Failure::Scan { log_file, problem }),
            Err(Problem::Record(problem)) => Err(Failure::Record { log_file, problem }),
            Err(Problem::Io(error)) => Err(unreadable(log_file, &error)),
            Err(Problem::Stopped) => return,
        };
        // Nobody listens any more once the run is ended.
        let _ = self.out.blocking_send(Found::End { scan, end });
    }

    fn fail(&self, scan: usize, path: &Path, error: io::Error) {
        self.tally.list();
        let end = Err(unreadable(Arc::new(LogFile::on_disk(path, None)), &error));
        let _ = self.out.blocking_send(Found::End { scan, end });
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

fn unreadable(log_file: Arc<LogFile>, error: &io::Error) -> Failure {
    Failure::Bucket { log_file, problem: BucketError::Other { reason: error.to_string(), passing: false } }
}

fn milliseconds(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
