//! A log file in S3 → its candidates.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc::Sender},
    task::yield_now,
    time::{Instant, timeout},
};
use tracing::warn;

use super::{
    error::{FileEnd, NotRead, SourceError, Unread},
    pending::PendingMatch,
    processor::{Rank, Slice},
    resources::{Places, Resources},
};
use crate::{
    aws::log_bucket::{Body, LogBucket, ObjectError},
    related::{Gathering, Identity, Related},
    rule::Match,
    scan::{Needles, Passes, ScanStep, Scanned, Settings, TwoPass},
    trail::{
        log_file::{Handling, LogFile, S3Object},
        record::Record,
    },
};

/// Nearly all log files have at most this many stored bytes, and are not downloaded a second time.
pub const KEPT_BYTES: usize = 1024 * 1024;

/// The part of a lease that related activity may take.
pub const RELATED_TIMEOUT: Duration = Duration::from_secs(2);

/// CloudTrail's JSON is five to seven times as large as its gzip.
const EXPECTED_RATIO: u64 = 8;

/// A log file that inflates to more than this steps aside. Calls that are all alike compress about 30 times.
const MAX_RATIO: u64 = 40;
/// A small log file may step aside only beyond this: it costs no more than others.
const MIN_ASIDE_BYTES: u64 = 4 * 1024 * 1024;

/// A log file that has waited this long for its bytes steps aside: others must not wait for its place.
const SLOW: Duration = Duration::from_secs(3);

/// Reads log files. A clone reads for another task.
#[derive(Clone)]
pub struct Reader {
    bucket: LogBucket,
    settings: Settings,
    resources: Resources,
    /// The log file that was last too slow for related activity. Its other matches need not try.
    too_slow: Arc<Mutex<Option<S3Object>>>,
}

/// How an object is read.
pub struct Job {
    pub object: S3Object,
    /// Decides which goes first among objects of one size.
    pub number: usize,
    pub passes: Passes,
    /// Its places among the objects that are open, if these are limited.
    pub places: Option<Places>,
}

/// A record that contains a needle, and its share of the memory for records.
pub struct Candidate {
    pub record: Record,
    pub memory: Option<OwnedSemaphorePermit>,
}

/// The next result of reading a log file.
pub enum Next {
    Candidate(Box<Candidate>),
    /// Nothing more comes out.
    End(Result<Scanned, Unread>),
}

/// A log file that is being read.
struct Reading<'n> {
    reader: Reader,
    object: S3Object,
    number: usize,
    /// Whether it goes before all others, and takes no share of the memory, since its records are dropped at once.
    is_related: bool,
    places: Option<Places>,
    scan: TwoPass<'n, SourceError>,
    slice: Option<Slice>,
    /// The records of the last candidate.
    records: VecDeque<Candidate>,
    body: Option<Body>,
    /// How long it may still wait for bytes before it steps aside.
    patience: Duration,
    /// The object's, once it was opened: a second pass must read the same object.
    etag: Option<String>,
}

impl Reader {
    pub fn new(bucket: LogBucket, settings: Settings, resources: Resources) -> Reader {
        Reader { bucket, settings, resources, too_slow: Arc::default() }
    }

    /// Scans an object to its end, and sends what `judge` makes of its candidates.
    pub async fn scan<T>(
        &self,
        job: Job,
        needles: &Needles,
        judge: impl Fn(&Arc<LogFile>, Candidate) -> Option<T>,
        out: &Sender<T>,
    ) -> (Arc<LogFile>, FileEnd) {
        let handling = job.object.handling();
        let mut log_file = Arc::new(LogFile::S3(job.object.clone()));
        let mut reading = self.read(job, needles);
        let end = loop {
            match reading.next().await {
                Next::End(end) => break end,
                Next::Candidate(candidate) => {
                    // Reading has shown the object's version. All its candidates share it.
                    if !matches!(&*log_file, LogFile::S3(known) if *known == reading.object) {
                        log_file = Arc::new(LogFile::S3(reading.object.clone()));
                    }
                    if let Some(found) = judge(&log_file, *candidate) {
                        // Nothing receives it after the run has ended.
                        let _ = out.send(found).await;
                    }
                }
            }
        };
        let end = FileEnd::of(end, handling == Handling::ScanIfLogFile, &log_file);
        (log_file, end)
    }

    /// The other calls of a match's identity in its log file. `None` if that is not known in time: an alert never waits for
    /// its context.
    pub async fn related(&self, pending: &PendingMatch) -> Option<Related> {
        let log_file = pending.log_file.as_ref()?;
        let LogFile::S3(object) = &**log_file else { return None };
        if self.too_slow().as_ref() == Some(object) {
            return None;
        }
        match timeout(RELATED_TIMEOUT, self.gather(object, &pending.matched)).await {
            Ok(Ok(related)) => Some(related),
            Ok(Err(reason)) => {
                let not_read = NotRead { log_file: log_file.clone(), reason };
                warn!("The alert has no related activity: {not_read}.");
                None
            }
            Err(_) => {
                *self.too_slow() = Some(object.clone());
                let seconds = RELATED_TIMEOUT.as_secs();
                warn!("The alert has no related activity: {log_file} was not read within {seconds} s.");
                None
            }
        }
    }

    fn too_slow(&self) -> MutexGuard<'_, Option<S3Object>> {
        self.too_slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn gather(&self, object: &S3Object, matched: &Match) -> Result<Related, Unread> {
        let identity = Identity::of(matched);
        let needles = identity.needles();
        let mut gathering = Gathering::default();
        let job = Job { object: object.clone(), number: 0, passes: Passes::One, places: None };
        let mut reading = self.read(job, &needles);
        reading.is_related = true;
        loop {
            match reading.next().await {
                Next::Candidate(candidate) => gathering.add(&identity, &candidate.record),
                Next::End(end) => return end.map(|_| gathering.finish(&identity)),
            }
        }
    }

    fn read<'n>(&self, job: Job, needles: &'n Needles) -> Reading<'n> {
        let Job { object, number, passes, places } = job;
        Reading {
            reader: self.clone(),
            object,
            number,
            is_related: false,
            places,
            scan: TwoPass::new(needles, self.settings, passes),
            slice: None,
            records: VecDeque::new(),
            body: None,
            patience: SLOW,
            etag: None,
        }
    }
}

impl Reading<'_> {
    async fn next(&mut self) -> Next {
        loop {
            if let Some(candidate) = self.records.pop_front() {
                return Next::Candidate(Box::new(candidate));
            }
            let slice = match self.slice.take() {
                Some(slice) => slice,
                None => self.reader.resources.processor.slice(self.rank()).await,
            };
            match self.scan.step() {
                ScanStep::Feed => {
                    drop(slice);
                    let input = self.chunk().await;
                    self.scan.feed(input.map_err(SourceError::S3));
                }
                ScanStep::Reopen => self.body = None,
                ScanStep::Candidate(candidate) => {
                    drop(slice);
                    let memory =
                        if self.is_related { None } else { self.reader.resources.memory(candidate.len()).await };
                    let records = self.scan.records(&candidate);
                    self.records = share(records, memory);
                }
                ScanStep::Yield => {
                    self.step_aside();
                    yield_now().await;
                    self.slice = Some(slice.renew(self.rank()).await);
                }
                ScanStep::End(end) => return Next::End(end),
            }
        }
    }

    /// By the inflated size to expect, or that already reached.
    fn rank(&self) -> Rank {
        if self.is_related {
            return (0, 0);
        }
        let expected = self.object.size.unwrap_or(0).saturating_mul(EXPECTED_RATIO);
        let inflated = self.scan.inflated_bytes();
        // In steps, so that log files that step aside do not all advance together and end together.
        (if self.is_aside(inflated) { inflated.next_power_of_two().max(expected) } else { expected }, self.number)
    }

    fn is_aside(&self, inflated: u64) -> bool {
        inflated > self.object.size.unwrap_or(0).saturating_mul(MAX_RATIO).max(MIN_ASIDE_BYTES)
    }

    fn step_aside(&mut self) {
        if self.is_aside(self.scan.inflated_bytes()) && self.places.as_mut().is_some_and(Places::step_aside) {
            self.scan.forget_stored();
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, ObjectError> {
        let Reading { reader, object, places, scan, body, etag, patience, .. } = self;
        let mut read = pin!(async {
            if let Some(body) = body {
                return body.next().await;
            }
            let mut opened = reader.bucket.open(object, etag.as_deref()).await?;
            object.version = object.version.take().or(opened.version.take());
            // A notification may name another size.
            object.size = opened.size.or(object.size);
            *etag = etag.take().or(opened.etag.take());
            body.insert(opened).next().await
        });
        let started = Instant::now();
        let input = timeout(*patience, read.as_mut()).await;
        // Bytes that arrive one after another must not hold a place either.
        *patience = patience.saturating_sub(started.elapsed());
        if let Ok(input) = input {
            return input;
        }
        if places.as_mut().is_some_and(Places::step_aside) {
            scan.forget_stored();
        }
        read.await
    }
}

/// Shares out the memory of a candidate among its records, and releases what only parsing needed.
fn share(records: Vec<Record>, mut memory: Option<OwnedSemaphorePermit>) -> VecDeque<Candidate> {
    let share = |record: Record| {
        let needed = record.raw.len() * 2 / 1024 + 1;
        let memory = memory.as_mut().and_then(|memory| memory.split(needed.min(memory.num_permits())));
        Candidate { record, memory }
    };
    records.into_iter().map(share).collect()
}
