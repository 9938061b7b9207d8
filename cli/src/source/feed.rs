//! The channel from the sources to a search.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use quarantine_alert::{
    engine::error::FileEnd,
    scan::Needles,
    trail::{log_file::LogFile, record::Record},
};
use tokio::sync::mpsc::Sender;

use crate::filter::Filter;

/// How a command judges a candidate, in the threads that read. `None` if it does not want it.
pub type Judge<T> = Box<dyn Fn(Record) -> Option<T> + Send + Sync>;

/// Which log files a search needs. `None` if it needs all.
pub type Select = Option<Box<dyn Fn(&LogFile) -> bool + Send + Sync>>;

/// Everything the sources of a search share.
pub struct Feed<T> {
    pub needles: Needles,
    pub filter: Filter,
    pub tally: Arc<Tally>,
    pub judge: Judge<T>,
    pub select: Select,
    /// Whether nearly every log file has something wanted.
    pub finds_much: bool,
    pub out: Sender<FromSource<T>>,
}

/// A message from a source. `target` is the target's number.
pub enum FromSource<T> {
    Wanted {
        wanted: T,
        log_file: Arc<LogFile>,
    },
    PassedOver {
        target: usize,
    },
    /// Several, since each message wakes the search.
    Batch(Vec<FromSource<T>>),
    End {
        target: usize,
        log_file: Arc<LogFile>,
        end: FileEnd,
    },
}

impl<T> Feed<T> {
    /// Filters and judges a candidate. `None` if the command does not want it.
    pub fn candidate(&self, log_file: &Arc<LogFile>, record: Record) -> Option<FromSource<T>> {
        if !self.filter.wants(&record) {
            return None;
        }
        (self.judge)(record).map(|wanted| FromSource::Wanted { wanted, log_file: log_file.clone() })
    }

    /// Whether the search needs the log file.
    pub fn needs(&self, log_file: &LogFile) -> bool {
        self.select.as_ref().is_none_or(|select| select(log_file))
    }

    /// Sends to the search. Nothing receives it after the run has ended.
    pub async fn send(&self, found: FromSource<T>) {
        let _ = self.out.send(found).await;
    }

    /// [`Feed::send`] for a thread.
    pub fn blocking_send(&self, found: FromSource<T>) {
        let _ = self.out.blocking_send(found);
    }

    /// Whether the run has ended.
    pub fn is_over(&self) -> bool {
        self.out.is_closed()
    }
}

/// The results of one thread that wait for others, so that few messages wake the search.
pub struct Batch<'f, T> {
    pub feed: &'f Feed<T>,
    waiting: Vec<FromSource<T>>,
    reads: u32,
}

/// The most results that wait.
const MAX_BATCH: usize = 16;
/// Results wait for at most this many reads: some megabytes, or the yields of a large file.
const MAX_READS: u32 = 64;

impl<'f, T> Batch<'f, T> {
    pub fn new(feed: &'f Feed<T>) -> Batch<'f, T> {
        Batch { feed, waiting: Vec::new(), reads: 0 }
    }

    pub fn push(&mut self, found: FromSource<T>) {
        self.waiting.push(found);
        if self.waiting.len() == MAX_BATCH {
            self.send();
        }
    }

    /// Whether the next read is wanted.
    pub fn may_continue(&mut self) -> bool {
        self.reads += 1;
        if self.reads == MAX_READS {
            self.send();
        }
        !self.feed.is_over()
    }

    /// To be called before the thread waits, or ends.
    pub fn send(&mut self) {
        self.reads = 0;
        if !self.waiting.is_empty() {
            self.feed.blocking_send(FromSource::Batch(mem::take(&mut self.waiting)));
        }
    }
}

/// Counts for the progress bar, while the sources list.
#[derive(Default)]
pub struct Tally {
    /// Log files to read.
    listed: AtomicU64,
    /// Files and objects that are not log files by their key, or not wanted.
    skipped: AtomicU64,
    /// Sources that may list more.
    listing: AtomicUsize,
}

impl Tally {
    pub fn listed(&self) -> u64 {
        self.listed.load(Ordering::Relaxed)
    }

    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Whether more may be listed.
    pub fn is_listing(&self) -> bool {
        self.listing.load(Ordering::Relaxed) > 0
    }

    pub fn list(&self, count: usize) {
        self.listed.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub fn skip(&self, count: usize) {
        self.skipped.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub fn begin(&self) {
        self.listing.fetch_add(1, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.listing.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;

    fn feed() -> (Feed<()>, Receiver<FromSource<()>>) {
        let (out, results) = channel(8);
        let feed = Feed {
            needles: Needles::new([]),
            filter: Filter::default(),
            tally: Arc::default(),
            judge: Box::new(|_| None),
            select: None,
            finds_much: false,
            out,
        };
        (feed, results)
    }

    /// How many results each message has that was sent until now.
    fn sent(results: &mut Receiver<FromSource<()>>) -> Vec<usize> {
        let size = |message| match message {
            FromSource::Batch(batch) => batch.len(),
            _ => panic!("not a batch"),
        };
        std::iter::from_fn(|| results.try_recv().ok()).map(size).collect()
    }

    #[test]
    fn results_wait_for_a_few_others_or_a_few_reads_and_no_longer() {
        let (feed, mut results) = feed();
        let mut batch = Batch::new(&feed);
        let passed_over = || FromSource::PassedOver { target: 0 };
        (1..MAX_BATCH).for_each(|_| batch.push(passed_over()));
        assert!(sent(&mut results).is_empty());
        batch.push(passed_over());
        assert_eq!(sent(&mut results), [MAX_BATCH]);
        batch.push(passed_over());
        assert!((1..MAX_READS).all(|_| batch.may_continue()) && sent(&mut results).is_empty());
        assert!(batch.may_continue() && sent(&mut results) == [1]);
        batch.push(passed_over());
        batch.send();
        batch.send();
        assert_eq!(sent(&mut results), [1]);
        drop(results);
        assert!(!batch.may_continue());
    }
}
