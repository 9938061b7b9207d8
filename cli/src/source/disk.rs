//! Files and folders on a disk, read by one thread per core.

use std::{
    fs, io,
    num::NonZero,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use quarantine_alert::{
    engine::error::{FileEnd, SourceError, Unread},
    trail::log_file::{Handling, LogFile},
};
use walkdir::WalkDir;

use super::{
    feed::{Batch, Feed, FromSource},
    file::{self, Buffer, FileKind, Stream},
};

/// How many files the listing may be ahead of the reading.
const MAX_LISTED: usize = 100_000;

/// Reads files and folders.
pub struct Disk<T> {
    pub feed: Arc<Feed<T>>,
}

/// A file that was listed.
struct Listed {
    target: usize,
    path: PathBuf,
    kind: FileKind,
}

/// The files that the listing has found.
struct Queue(Mutex<mpsc::Receiver<Listed>>);

impl Queue {
    /// The next file, or `None` after the last. `before_waiting` is called if there may be none yet.
    fn next(&self, before_waiting: impl FnOnce()) -> Option<Listed> {
        // Another thread keeps the lock while it waits.
        let next = self.0.try_lock().ok().and_then(|queue| queue.try_recv().ok());
        next.or_else(|| {
            before_waiting();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
        })
    }
}

impl<T: Send + 'static> Disk<T> {
    /// Reads all files at or below a path, which is the target of this number.
    pub fn read(&self, target: usize, path: &Path) {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let (listed, queue) = mpsc::sync_channel(MAX_LISTED);
        let queue = Queue(Mutex::new(queue));
        thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    let (mut batch, mut buffer) = (Batch::new(&*self.feed), Buffer::new());
                    while let Some(listed) = queue.next(|| batch.send())
                        && !self.feed.is_over()
                    {
                        read_file(listed, &mut batch, &mut buffer);
                    }
                    // Otherwise the listing would wait for room for ever once the run is over.
                    while queue.next(|| ()).is_some() {}
                });
            }
            self.feed.tally.begin();
            self.list(target, path, &listed);
            self.feed.tally.end();
            drop(listed);
        });
    }

    fn list(&self, target: usize, root: &Path, listed: &mpsc::SyncSender<Listed>) {
        let send = |path: PathBuf, kind: FileKind| {
            self.feed.tally.list(1);
            // The readers are gone only when the run is over.
            let _ = listed.send(Listed { target, path, kind });
        };
        match fs::metadata(root) {
            Ok(found) if found.is_dir() => {}
            // A file that is named on the command line is read, whatever its path.
            Ok(_) => return send(root.to_owned(), FileKind::Named),
            Err(error) => return self.fail(target, root, error),
        }
        for entry in WalkDir::new(root).follow_links(true) {
            if self.feed.is_over() {
                return;
            }
            match entry {
                Ok(entry) if entry.file_type().is_file() => match LogFile::Disk(entry.path().to_owned()).handling() {
                    Handling::Skip(_) => self.feed.tally.skip(1),
                    Handling::Scan => send(entry.into_path(), FileKind::LogFile),
                    Handling::ScanIfLogFile => send(entry.into_path(), FileKind::MayBeOther),
                },
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
        self.feed.tally.list(1);
        let log_file = Arc::new(LogFile::Disk(path.to_owned()));
        let end = FileEnd::of(Err(Unread::Source(SourceError::Io(error))), false, &log_file);
        self.feed.blocking_send(FromSource::End { target, log_file, end });
    }
}

fn read_file<T>(Listed { target, path, kind }: Listed, batch: &mut Batch<'_, T>, buffer: &mut Buffer) {
    let log_file = LogFile::Disk(path);
    if !batch.feed.needs(&log_file) {
        return batch.push(FromSource::PassedOver { target });
    }
    let LogFile::Disk(path) = &log_file else { return };
    let stream = Stream::open(path);
    file::read(batch, target, &Arc::new(log_file), kind, stream, buffer);
}
