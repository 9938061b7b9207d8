//! The matches of one invocation, which are published one after another.
//!
//! Log files are scanned concurrently, and the scans judge their candidates. Their matches wait here in one queue, so that
//! no two matches of an invocation race, and no log file holds another back.

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Response,
    failure::{Failure, NotAlerted},
    report::{Acknowledged, Report, ScanEnd},
};
use crate::{
    delivery::{Delivered, Delivery},
    engine::{
        error::{NotRead, SourceError, Unread},
        pending::PendingMatch,
        reader::{Next, Reader},
    },
    rule::{Match, Rules},
    scan::{Needles, Passes},
    trail::{
        log_file::{Handling, LogFile, S3Object},
        record::Record,
    },
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

/// While the queue holds more bytes of records, the scans wait.
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;

/// How soon the claim of another invocation is looked at again. Most claims take less than a second.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What the scans look for.
#[derive(Clone)]
pub(super) struct Judge {
    pub needles: Arc<Needles>,
    pub rules: Rules,
}

/// A match and the number of its item.
pub(super) struct QueuedMatch {
    pub item: usize,
    pub pending: PendingMatch,
}

/// The matches that are not settled yet.
pub(super) struct MatchQueue {
    report: Report,
    scans: Vec<Scan>,
    found: mpsc::Receiver<FromScan>,
    /// Matches of calls that AWS made, and CRITICAL ones. They go first, since there may not be time for all.
    urgent: VecDeque<QueuedMatch>,
    ready: VecDeque<QueuedMatch>,
    waiting: Vec<(Instant, QueuedMatch)>,
    /// Of all queued records.
    bytes: usize,
    /// The scans, which end when the queue is dropped.
    tasks: JoinSet<()>,
}

/// A log file that is being scanned.
struct Scan {
    item: usize,
    object: S3Object,
    matches: u64,
    has_ended: bool,
}

/// What a scan sends. `scan` is its number.
enum FromScan {
    Match { scan: usize, log_file: Arc<LogFile>, matched: Box<Match> },
    End { scan: usize, ended: ScanEnd },
}

/// What a scan needs.
#[derive(Clone)]
struct Scanner {
    reader: Reader,
    judge: Judge,
    at_once: Arc<Semaphore>,
    out: mpsc::Sender<FromScan>,
}

impl MatchQueue {
    /// Starts to scan the log files of a delivery.
    pub fn scan(reader: &Reader, judge: &Judge, delivery: Delivery) -> MatchQueue {
        let (out, found) = mpsc::channel(16);
        let at_once = Arc::new(Semaphore::new(LOG_FILES_AT_ONCE));
        let scanner = Scanner { reader: reader.clone(), judge: judge.clone(), at_once, out };
        let mut queue = MatchQueue {
            report: Report::new(delivery.from_queue),
            scans: Vec::new(),
            found,
            urgent: VecDeque::new(),
            ready: VecDeque::new(),
            waiting: Vec::new(),
            bytes: 0,
            tasks: JoinSet::new(),
        };
        for item in delivery.items {
            let number = queue.report.add(item.id);
            match item.content {
                Ok(content) => content.into_iter().for_each(|delivered| queue.take(number, delivered, &scanner)),
                Err(error) => queue.report.fail(number, error.into()),
            }
        }
        queue
    }

    fn take(&mut self, item: usize, delivered: Delivered, scanner: &Scanner) {
        match delivered {
            Delivered::Record(raw) => match Record::parse(raw.get().as_bytes()) {
                Ok(record) => {
                    if let Some(matched) = scanner.judge.rules.judge(record) {
                        self.add(item, None, matched);
                    }
                }
                Err(error) => self.report.fail(item, Failure::LoneRecord(error)),
            },
            Delivered::LogFile(object) => match object.handling() {
                Handling::Skip(reason) => self.report.skipped(&object, reason),
                handling => {
                    let number = self.scans.len();
                    self.scans.push(Scan { item, object: object.clone(), matches: 0, has_ended: false });
                    self.tasks.spawn(scanner.clone().scan(number, object, handling));
                }
            },
        }
    }

    /// The next match, or `None` when everything is scanned and settled.
    pub async fn next(&mut self) -> Option<QueuedMatch> {
        loop {
            while self.has_room()
                && let Ok(found) = self.found.try_recv()
            {
                self.arrived(found);
            }
            if let Some(queued) = self.urgent.pop_front().or_else(|| self.ready.pop_front()) {
                return Some(queued);
            }
            let again = self.waiting.iter().map(|(at, _)| *at).min();
            tokio::select! {
                Some(found) = self.found.recv(), if self.has_room() => self.arrived(found),
                Some(()) = async { sleep_until(again?).await; Some(()) } => self.end_waits(),
                else => return None,
            }
        }
    }

    /// Receives matches while another is handled: an urgent one may be behind many others.
    pub async fn receive_during<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                output = &mut work => return output,
                Some(found) = self.found.recv(), if self.has_room() => self.arrived(found),
            }
        }
    }

    /// Puts a match aside. Its incident is claimed by another process until then, in seconds since 1970.
    pub fn wait(&mut self, queued: QueuedMatch, until: i64) {
        let left = u64::try_from(until - OffsetDateTime::now_utc().unix_timestamp()).unwrap_or(0);
        self.waiting.push((Instant::now() + Duration::from_secs(left).min(LOOK_AGAIN), queued));
    }

    /// The match is acknowledged, or its item fails.
    pub fn settle(&mut self, queued: QueuedMatch, settled: Result<Acknowledged, NotAlerted>) {
        self.bytes -= queued.pending.bytes();
        self.report.settle(queued.item, queued.pending, settled);
    }

    /// The answer to the trigger. `in_time` is false if the deadline ended the work.
    pub fn answer(mut self, in_time: bool, function_name: &str) -> Result<Response, Failure> {
        for Scan { item, object, matches, .. } in self.scans.into_iter().filter(|scan| !scan.has_ended) {
            let failure = if in_time {
                let log_file = Arc::new(LogFile::S3(object.clone()));
                NotRead { log_file, reason: Unread::Source(SourceError::Panicked) }.into()
            } else {
                Failure::NotScanned(object.clone())
            };
            self.report.ended(item, &object, matches, ScanEnd::Failed(failure));
        }
        let waiting = self.waiting.into_iter().map(|(_, queued)| queued);
        for queued in self.urgent.into_iter().chain(self.ready).chain(waiting) {
            self.report.settle(queued.item, queued.pending, Err(NotAlerted::NoTime));
        }
        self.report.answer(function_name)
    }

    fn arrived(&mut self, found: FromScan) {
        match found {
            FromScan::Match { scan, log_file, matched } => {
                self.scans[scan].matches += 1;
                self.add(self.scans[scan].item, Some(log_file), *matched);
            }
            FromScan::End { scan, ended } => {
                let scan = &mut self.scans[scan];
                scan.has_ended = true;
                self.report.ended(scan.item, &scan.object, scan.matches, ended);
            }
        }
    }

    fn add(&mut self, item: usize, log_file: Option<Arc<LogFile>>, matched: Match) {
        self.report.open(item);
        let pending = PendingMatch::new(matched, log_file);
        self.bytes += pending.bytes();
        self.push(QueuedMatch { item, pending });
    }

    /// The event times of an entity's removals that are queued.
    pub fn removals(&self, entity: &str) -> Vec<i64> {
        let waiting = self.waiting.iter().map(|(_, queued)| queued);
        let queued = self.urgent.iter().chain(&self.ready).chain(waiting).map(|queued| &queued.pending);
        let removals = queued.filter(|pending| pending.is_removal() && pending.key.entity == entity);
        removals.map(|pending| pending.key.event_time).collect()
    }

    fn end_waits(&mut self) {
        let now = Instant::now();
        let over: Vec<(Instant, QueuedMatch)> = self.waiting.extract_if(.., |(at, _)| *at <= now).collect();
        over.into_iter().for_each(|(_, queued)| self.push(queued));
    }

    fn push(&mut self, queued: QueuedMatch) {
        let queue = if queued.pending.matched.is_urgent() { &mut self.urgent } else { &mut self.ready };
        queue.push_back(queued);
    }

    fn has_room(&self) -> bool {
        self.bytes < MAX_QUEUED_BYTES
    }
}

impl Scanner {
    async fn scan(self, scan: usize, object: S3Object, handling: Handling) {
        let _permit = self.at_once.acquire().await;
        let started = Instant::now();
        let mut log_file = Arc::new(LogFile::S3(object.clone()));
        let mut reading = self.reader.read(object, &self.judge.needles, Passes::Two);
        let end = loop {
            match reading.next().await {
                Next::End(end) => break end,
                Next::Candidate(record) => {
                    if let Some(matched) = self.judge.rules.judge(*record) {
                        // Reading has shown the object's version.
                        log_file = Arc::new(LogFile::S3(reading.object().clone()));
                        let found = FromScan::Match { scan, log_file: log_file.clone(), matched: Box::new(matched) };
                        self.send(found).await;
                    }
                }
            }
        };
        let ended = match end {
            Ok(scanned) => {
                let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                ScanEnd::Scanned { scanned, milliseconds }
            }
            Err(Unread::NotALogFile(fault)) if handling == Handling::ScanIfLogFile => ScanEnd::Skipped(fault),
            Err(reason) => ScanEnd::Failed(NotRead { log_file, reason }.into()),
        };
        self.send(FromScan::End { scan, ended }).await;
    }

    /// Nothing receives it after the invocation's time has ended.
    async fn send(&self, found: FromScan) {
        let _ = self.out.send(found).await;
    }
}
