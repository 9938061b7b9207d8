//! One log file of an invocation: its scan, and the judgement of its candidates.

use std::sync::Arc;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use crate::{
    engine::{
        error::FileEnd,
        reader::{Candidate, Job, Reader},
        resources::Places,
    },
    rule::{Match, Rules},
    scan::{Needles, Passes},
    trail::log_file::{LogFile, S3Object},
};

/// Measured for a batch of 100 small log files with a latency of 30 ms each (`make bench`; goal 130 ms):
///
/// | at once | wall, ms | CPU per log file, ms | peak memory, MiB |
/// |---|---|---|---|
/// | 16 | 249 | 0.42 | 12.0 |
/// | 32 | 155 | 0.41 | 12.4 |
/// | 64 | 105 | 0.39 | 13.9 |
/// | 128 | 72 | 0.33 | 15.6 |
///
/// Each may keep 1 MiB of its log file for a second pass, so in the worst case 128 would take twice the memory of 64.
const LOG_FILES_AT_ONCE: usize = 64;

/// A large log file is opened only when few others are, so that its connection does not idle until S3 closes it.
const LARGE_BYTES: u64 = 8 * 1024 * 1024;
const LARGE_AT_ONCE: usize = 2;

/// The rules, and the needles that find their records.
#[derive(Clone)]
pub(super) struct Detector {
    pub needles: Arc<Needles>,
    pub rules: Rules,
}

/// A message from a scan. `scan` is its number.
pub(super) enum FromScan {
    Match { scan: usize, log_file: Arc<LogFile>, matched: Box<Match>, memory: Option<OwnedSemaphorePermit> },
    End { scan: usize, end: FileEnd, milliseconds: u64 },
}

/// Scans the log files of one invocation. Each scan has a clone.
#[derive(Clone)]
pub(super) struct Scanner {
    reader: Reader,
    detector: Detector,
    at_once: Arc<Semaphore>,
    large: Arc<Semaphore>,
    /// For log files that inflate to far more than expected: other log files must not wait for their places.
    aside: Arc<Semaphore>,
    out: mpsc::Sender<FromScan>,
}

impl Scanner {
    pub fn new(reader: &Reader, detector: &Detector, out: mpsc::Sender<FromScan>) -> Scanner {
        let places = |places| Arc::new(Semaphore::new(places));
        Scanner {
            reader: reader.clone(),
            detector: detector.clone(),
            at_once: places(LOG_FILES_AT_ONCE),
            large: places(LARGE_AT_ONCE),
            aside: places(LOG_FILES_AT_ONCE),
            out,
        }
    }

    /// Scans one log file. `scan` is its number.
    pub async fn scan(self, scan: usize, object: S3Object) {
        let mut places = vec![self.at_once.acquire_owned().await.ok()];
        if object.size.is_some_and(|size| size > LARGE_BYTES) {
            places.push(self.large.acquire_owned().await.ok());
        }
        let places = Some(Places::new(places, self.aside));
        let started = Instant::now();
        let judge = |log_file: &Arc<LogFile>, candidate: Candidate| {
            let matched = Box::new(self.detector.rules.judge(candidate.record)?);
            Some(FromScan::Match { scan, log_file: log_file.clone(), matched, memory: candidate.memory })
        };
        let job = Job { object, number: scan, passes: Passes::Two, places };
        let (_, end) = self.reader.scan(job, &self.detector.needles, judge, &self.out).await;
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Nothing receives it after the invocation's time has ended.
        let _ = self.out.send(FromScan::End { scan, end, milliseconds }).await;
    }
}
