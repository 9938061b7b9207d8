//! A log file, read once, and once more where it holds a needle → its candidates.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::Sender,
    task::yield_now,
    time::{Instant, timeout},
};
use tracing::warn;

use super::{Failure, turn::Turn};
use crate::{
    alert::rfc3339,
    aws::log_bucket::{BucketError, LogBucket, Object},
    log_file::{LogFile, Verdict},
    record::{Record, RecordError},
    related::{Gathering, Identity, Related},
    scan::{Documents, FirstRead, FirstReadDone, NeedleError, Needles, ScanError, SecondRead},
};

/// A log file of so many stored bytes, which nearly all are below, is kept in memory for the second read.
const KEPT_BYTES: usize = 1024 * 1024;

/// What related activity may take of a lease.
const RELATED_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads log files; a clone reads for another task.
#[derive(Clone)]
pub struct Reader {
    bucket: LogBucket,
    needles: Arc<Needles>,
    documents: Documents,
    limit_mib: u64,
}

/// What a scan tells; the candidates of a broken log file come too.
pub enum Found {
    Candidate { scan: usize, log_file: Arc<LogFile>, record: Box<Record> },
    End { scan: usize, end: Result<End, Failure> },
}

/// How the scan of a log file ended that did not fail.
pub enum End {
    Scanned(Scanned),
    /// It is no log file, and lies where none must be.
    Skipped(ScanError),
}

/// What the log says of a log file.
pub struct Scanned {
    pub bytes: u64,
    pub inflated_bytes: u64,
    pub milliseconds: u64,
}

/// Of several reasons why a log file fails the first to arise counts.
enum Reason {
    Bucket(BucketError),
    Scan(ScanError),
    Record(RecordError),
    Needle(NeedleError),
}

impl Reason {
    fn of(self, log_file: Arc<LogFile>) -> Failure {
        match self {
            Reason::Bucket(problem) => Failure::Bucket { log_file, problem },
            Reason::Scan(problem) => Failure::Scan { log_file, problem },
            Reason::Record(problem) => Failure::Record { log_file, problem },
            Reason::Needle(problem) => Failure::Needle { log_file, problem },
        }
    }
}

impl Reader {
    /// `documents` is what may stand in a log file; one that inflates past `limit_mib` fails.
    pub fn new(bucket: LogBucket, needles: Arc<Needles>, documents: Documents, limit_mib: u64) -> Reader {
        Reader { bucket, needles, documents, limit_mib }
    }

    /// Scans a log file; `scan` is the number that stands in all that is sent to `out`.
    pub async fn read(&self, scan: usize, log_file: LogFile, out: &Sender<Found>) {
        let named = log_file.clone();
        let end = self.read_twice(scan, log_file, out).await.map_err(|reason| reason.of(Arc::new(named)));
        // Nobody listens any more once the invocation's time has run out.
        let _ = out.send(Found::End { scan, end }).await;
    }

    /// What else the identity of a match did in its log file. An alert is never held back by its context: `None`
    /// where that cannot be told in time.
    pub async fn related(&self, turn: &Turn) -> Option<Related> {
        let log_file = turn.log_file.clone()?;
        let identity = Identity::of(&turn.matched);
        match timeout(RELATED_TIMEOUT, self.gather(&log_file, &identity)).await {
            Ok(Ok(gathering)) => Some(gathering.finish(&identity, rfc3339)),
            Ok(Err(reason)) => {
                let failure = reason.of(log_file);
                warn!("Related activity is not known: {failure}.");
                None
            }
            Err(_) => {
                warn!("Related activity is not known: {log_file} is not read in {} s.", RELATED_TIMEOUT.as_secs());
                None
            }
        }
    }

    async fn gather(&self, log_file: &LogFile, identity: &Identity) -> Result<Gathering, Reason> {
        let needles = identity.needles().map_err(Reason::Needle)?;
        let mut object = self.bucket.open(log_file, None).await.map_err(Reason::Bucket)?;
        let mut gathering = Gathering::default();
        // To the file's end: where the last needle is, no first read has told.
        let mut read = SecondRead::new(&needles, self.documents, self.limit_mib, u64::MAX);
        while let Some(chunk) = object.next().await.map_err(Reason::Bucket)? {
            let mut chunk = chunk.as_ref();
            while let Some(candidates) = read.next(&mut chunk).map_err(Reason::Scan)? {
                for candidate in candidates {
                    gathering.add(identity, &Record::parse(&candidate).map_err(Reason::Record)?);
                }
                yield_now().await;
            }
        }
        read.finish().map_err(Reason::Scan)?;
        Ok(gathering)
    }

    async fn read_twice(&self, scan: usize, mut log_file: LogFile, out: &Sender<Found>) -> Result<End, Reason> {
        let started = Instant::now();
        let mut object = self.bucket.open(&log_file, None).await.map_err(Reason::Bucket)?;
        // Should the object change now, the second read is of the same version, or fails.
        log_file.version = log_file.version.or(object.version.take());
        let may_be_none = log_file.verdict() == Verdict::ScanIfLogFile;
        let (mut bytes, mut kept, mut interrupted) = (0, Some(Vec::new()), None);
        let mut first = FirstRead::new(&self.needles, self.documents, self.limit_mib);
        let read = loop {
            let chunk = match object.next().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break Ok(()),
                Err(problem) => {
                    interrupted = Some(Reason::Bucket(problem));
                    break Ok(());
                }
            };
            let chunk = chunk.as_ref();
            bytes += chunk.len() as u64;
            kept = kept.filter(|kept| kept.len() + chunk.len() <= KEPT_BYTES);
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(chunk);
            }
            if let Err(problem) = search(&mut first, chunk).await {
                break Err(problem);
            }
        };
        let FirstReadDone { inflated_bytes, last_needle, checked } = first.finish(read);
        let mut reason = interrupted.or(checked.err().map(Reason::Scan));
        if let Some(last_needle) = last_needle {
            let again = match kept {
                Some(kept) => Ok(Object::of_bytes(kept)),
                None => self.bucket.open(&log_file, object.etag.as_deref()).await.map_err(Reason::Bucket),
            };
            let read = match again {
                Ok(object) => self.second_read(object, last_needle, scan, Arc::new(log_file), out).await,
                Err(reason) => Err(reason),
            };
            reason = reason.or(read.err());
        }
        match reason {
            None => {
                let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                Ok(End::Scanned(Scanned { bytes, inflated_bytes, milliseconds }))
            }
            Some(Reason::Scan(problem)) if may_be_none && problem.is_no_log_file(self.documents, last_needle) => {
                Ok(End::Skipped(problem))
            }
            Some(reason) => Err(reason),
        }
    }

    async fn second_read(
        &self,
        mut object: Object,
        last_needle: u64,
        scan: usize,
        log_file: Arc<LogFile>,
        out: &Sender<Found>,
    ) -> Result<(), Reason> {
        let mut read = SecondRead::new(&self.needles, self.documents, self.limit_mib, last_needle);
        let mut unreadable = None;
        while !read.is_done()
            && let Some(chunk) = object.next().await.map_err(Reason::Bucket)?
        {
            let mut chunk = chunk.as_ref();
            while let Some(candidates) = read.next(&mut chunk).map_err(Reason::Scan)? {
                for candidate in candidates {
                    match Record::parse(&candidate) {
                        Ok(record) => {
                            let (log_file, record) = (log_file.clone(), Box::new(record));
                            let _ = out.send(Found::Candidate { scan, log_file, record }).await;
                        }
                        Err(problem) => unreadable = unreadable.or(Some(Reason::Record(problem))),
                    }
                }
                yield_now().await;
            }
        }
        read.finish().map_err(Reason::Scan)?;
        unreadable.map_or(Ok(()), Err)
    }
}

/// Searches a chunk. A small one can inflate to much, so the other log files get on now and then; but not after each
/// block, since a file keeps its block meanwhile, and most are done after one.
async fn search(first: &mut FirstRead<'_>, mut chunk: &[u8]) -> Result<(), ScanError> {
    for number in 1_u64.. {
        if !first.next(&mut chunk)? {
            break;
        }
        if number.is_multiple_of(4) {
            yield_now().await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        io::Write,
        pin::pin,
        task::{Context, Waker},
    };

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn a_chunk_that_inflates_to_much_gives_way_each_mib() {
        let mut dense = GzEncoder::new(Vec::new(), Compression::default());
        dense.write_all(b"{\"Records\":[").unwrap();
        dense.write_all(&vec![b' '; 16 << 20]).unwrap();
        let dense = dense.finish().unwrap();
        let needles = Needles::new(["needle"]).unwrap();
        let mut first = FirstRead::new(&needles, Documents::One, 32);
        let (mut search, mut gave_way) = (pin!(search(&mut first, &dense)), 0);
        while search.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            gave_way += 1;
        }
        assert!((16..=32).contains(&gave_way), "{gave_way} times");
    }
}
