//! Files and folders on a disk, read by one thread per core.

use std::{
    fs, io,
    num::NonZero,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use quarantine_alert::{
    engine::error::{NotRead, SourceError, Unread},
    trail::log_file::{Handling, LogFile},
};
use walkdir::WalkDir;

use super::file::{self, Buffer, Stream};
use crate::{
    coverage::Ended,
    search::{Found, Search},
};

/// How many files the listing may be ahead of the reading.
const MAX_LISTED: usize = 100_000;

/// Reads files and folders for a search.
pub struct Disk<T> {
    pub search: Arc<Search<T>>,
}

/// A file to read.
struct Job {
    target: usize,
    path: PathBuf,
    handling: Handling,
}

impl<T: Send + 'static> Disk<T> {
    /// Reads all files at or below the paths, each with the number of its target.
    pub fn read(&self, targets: Vec<(usize, PathBuf)>) {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let (jobs, queue) = mpsc::sync_channel(MAX_LISTED);
        let queue = Mutex::new(queue);
        thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let mut buffer = Buffer::new();
                    while let Ok(job) = next()
                        && !self.search.is_over()
                    {
                        self.read_file(job, &mut buffer);
                    }
                    // Otherwise the listing would wait for room for ever once the run is over.
                    while next().is_ok() {}
                });
            }
            self.search.tally.begin();
            for (target, path) in targets {
                self.list(target, &path, &jobs);
            }
            self.search.tally.end();
            drop(jobs);
        });
    }

    fn read_file(&self, Job { target, path, handling }: Job, buffer: &mut Buffer) {
        let stream = Stream::open(&path);
        file::read(&self.search, target, &Arc::new(LogFile::Disk(path)), handling, stream, buffer);
    }

    fn list(&self, target: usize, root: &Path, jobs: &mpsc::SyncSender<Job>) {
        let send = |path: PathBuf, handling: Handling| {
            if let Handling::Skip(_) = handling {
                return self.search.tally.skip(1);
            }
            self.search.tally.list(1);
            // The readers are gone only when the run is over.
            let _ = jobs.send(Job { target, path, handling });
        };
        match fs::metadata(root) {
            Ok(found) if found.is_dir() => {}
            // A file that is named on the command line is read, whatever its path.
            Ok(_) => return send(root.to_owned(), Handling::Scan),
            Err(error) => return self.fail(target, root, error),
        }
        for entry in WalkDir::new(root).follow_links(true) {
            if self.search.is_over() {
                return;
            }
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    let handling = LogFile::Disk(entry.path().to_owned()).handling();
                    send(entry.into_path(), handling);
                }
                Ok(_) => {}
                // The files of a folder that contains itself are read where they are.
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_owned();
                    self.fail(target, &path, error.into_io_error().unwrap_or(io::ErrorKind::Other.into()));
                }
            }
        }
    }

    fn fail(&self, target: usize, path: &Path, error: io::Error) {
        self.search.tally.list(1);
        let log_file = Arc::new(LogFile::Disk(path.to_owned()));
        let not_read = NotRead { log_file, reason: Unread::Source(SourceError::Io(error)) };
        self.search.blocking_send(Found::End { target, ended: Ended::NotRead(not_read) });
    }
}
