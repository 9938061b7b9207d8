//! Log files on disk, by one thread for each core; and streams.

mod file;

use std::{
    fs::{self, File},
    io,
    num::NonZero,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use quarantine_alert::{
    aws::log_bucket::BucketError,
    handler::{
        Failure,
        read::{End, Found, Scanned},
    },
    log_file::{LogFile, Verdict},
    scan::Needles,
};
use tokio::sync::mpsc::Sender;
use walkdir::WalkDir;

use super::Tally;
use file::{Problem, Reading};

pub use file::related;

/// How it is named.
const STDIN: &str = "standard input";
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
        let read = self.reading(scan, &log_file).once(&mut io::stdin().lock());
        self.end(scan, log_file, Verdict::Scan, read);
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
        let reading = self.reading(job.scan, &log_file);
        let read = match File::open(&job.path) {
            Err(error) => Err(Problem::Io(error)),
            Ok(mut file) if job.is_stream => reading.once(&mut file),
            Ok(mut file) => reading.twice(&mut file),
        };
        self.end(job.scan, log_file, job.verdict, read);
    }

    fn reading<'a>(&'a self, scan: usize, log_file: &'a Arc<LogFile>) -> Reading<'a> {
        Reading { needles: &self.needles, out: &self.out, scan, log_file }
    }

    fn end(&self, scan: usize, log_file: Arc<LogFile>, verdict: Verdict, read: Result<Scanned, Problem>) {
        let end = match read {
            Ok(scanned) => Ok(End::Scanned(scanned)),
            Err(Problem::NoLogFile(problem)) if verdict == Verdict::ScanIfLogFile => Ok(End::Skipped(problem)),
            Err(Problem::NoLogFile(problem) | Problem::Scan(problem)) => Err(Failure::Scan { log_file, problem }),
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

fn unreadable(log_file: Arc<LogFile>, error: &io::Error) -> Failure {
    Failure::Bucket { log_file, problem: BucketError::Other { reason: error.to_string(), passing: false } }
}
