//! The matches of one invocation, which are published one after another.
//!
//! Log files are scanned concurrently, and the scans judge their candidates. Their matches wait here in one queue, so that
//! no two matches of an invocation race, and no log file holds another back.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    mem,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use time::OffsetDateTime;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    failure::{Failure, NotAlerted},
    report::{Acknowledged, Report, Response},
    scanner::{Detector, FromScan, Scanner},
    turns::Turns,
};
use crate::{
    dedup::IncidentKey,
    delivery::{Delivered, Delivery},
    engine::{error::FileEnd, pending::PendingMatch, reader::Reader},
    rule::Exposures,
    scan::{Fault, unwrap},
    trail::log_file::{Handling, LogFile, S3Object},
};

/// How soon the claim of another invocation is looked at again. Most claims take less than a second.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How many suppressed matches are kept until the scans have ended. AWS makes few calls for one batch of log files.
const MAX_SUPPRESSED: usize = 100;
/// Together they take a small part of the memory for records, so that scans never wait for them alone.
const MAX_SUPPRESSED_BYTES: usize = 16 * 1024;

/// The removals of this many entities end incidents. AWS makes few calls for one batch of log files.
const MAX_REMOVED: usize = 10_000;

/// A match, the number of its item, and its share of the memory for records.
pub(super) struct QueuedMatch {
    pub item: usize,
    pub pending: PendingMatch,
    _memory: Option<OwnedSemaphorePermit>,
}

/// The matches that are not settled yet.
pub(super) struct MatchQueue {
    report: Report,
    scans: Vec<RunningScan>,
    found: mpsc::Receiver<FromScan>,
    /// Matches of calls that AWS made, and CRITICAL ones. They go first, since there may not be time for all.
    urgent: Turns<QueuedMatch>,
    /// The events of AWS Health, with the number of their items. They are urgent, too.
    exposures: VecDeque<(usize, Exposures)>,
    ready: Turns<QueuedMatch>,
    waiting: Vec<(Instant, QueuedMatch)>,
    /// Suppressed matches of calls that AWS made. A removal that is still to be found may have ended their incident.
    suppressed: Vec<QueuedMatch>,
    /// The event times of the removals found so far, by entity.
    removals: HashMap<String, Arc<BTreeSet<i64>>>,
    /// The scans, which end when the queue is dropped.
    tasks: JoinSet<()>,
}

/// A log file that is being scanned.
struct RunningScan {
    item: usize,
    object: S3Object,
    matches: u64,
    has_ended: bool,
}

impl MatchQueue {
    /// Starts to scan the log files of a delivery.
    pub fn scan(reader: &Reader, detector: &Detector, delivery: Delivery) -> MatchQueue {
        let (out, found) = mpsc::channel(16);
        let scanner = Scanner::new(reader, detector, out);
        let mut objects = Vec::new();
        let mut queue = MatchQueue {
            report: Report::new(delivery.from_queue),
            scans: Vec::new(),
            found,
            urgent: Turns::default(),
            exposures: VecDeque::new(),
            ready: Turns::default(),
            waiting: Vec::new(),
            suppressed: Vec::new(),
            removals: HashMap::new(),
            tasks: JoinSet::new(),
        };
        for item in delivery.items {
            let number = queue.report.add(item.id);
            for delivered in item.content {
                match delivered {
                    Ok(Delivered::Record(raw)) => queue.lone_record(number, raw.get(), detector),
                    Ok(Delivered::LogFile(object)) => objects.push((number, object)),
                    Ok(Delivered::Health(event)) => match Exposures::of(*event) {
                        Some(exposures) => queue.exposed(number, exposures),
                        None => queue.report.without_work(),
                    },
                    Ok(Delivered::NothingToDo) => queue.report.without_work(),
                    Err(error) => queue.report.fail(number, error.into()),
                }
            }
        }
        // The smallest first: those that fit into the invocation must not wait for those that do not.
        objects.sort_by_key(|(_, object)| object.size);
        for (item, object) in objects {
            match object.handling() {
                Handling::Skip(reason) => queue.report.skipped(&object, reason),
                Handling::Scan | Handling::ScanIfLogFile => {
                    let number = queue.scans.len();
                    queue.scans.push(RunningScan { item, object: object.clone(), matches: 0, has_ended: false });
                    queue.tasks.spawn(scanner.clone().scan(number, object));
                }
            }
        }
        queue
    }

    /// A record that EventBridge delivered alone. It is read like one of a log file.
    fn lone_record(&mut self, item: usize, text: &str, detector: &Detector) {
        let unwrapped = unwrap(text.as_bytes(), &detector.needles);
        for matched in unwrapped.records.into_iter().filter_map(|record| detector.rules.judge(record)) {
            self.add(item, PendingMatch::new(matched, None), None);
        }
        if unwrapped.has_other {
            self.report.fail(item, Failure::LoneRecord(Fault::NotJudged));
        }
    }

    /// An event of AWS Health, whose matches are made when it is their turn.
    fn exposed(&mut self, item: usize, exposures: Exposures) {
        self.report.expect_matches(item, exposures.len() as u64);
        self.exposures.push_back((item, exposures));
    }

    /// The next match, or `None` when everything is scanned and settled.
    pub async fn next(&mut self) -> Option<QueuedMatch> {
        loop {
            while let Ok(found) = self.found.try_recv() {
                self.arrived(found);
            }
            if let Some(queued) = self.urgent.pop() {
                return Some(queued);
            }
            if let Some((item, exposures)) = self.exposures.front_mut() {
                let item = *item;
                match exposures.next() {
                    Some(matched) => {
                        return Some(QueuedMatch { item, pending: PendingMatch::new(matched, None), _memory: None });
                    }
                    None => _ = self.exposures.pop_front(),
                }
                continue;
            }
            if let Some(queued) = self.ready.pop() {
                return Some(queued);
            }
            let again = self.waiting.iter().map(|(at, _)| *at).min();
            tokio::select! {
                Some(found) = self.found.recv() => self.arrived(found),
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
                Some(found) = self.found.recv() => self.arrived(found),
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
        if matches!(settled, Ok(Acknowledged::Published { .. })) {
            self.urgent.alerted();
            self.ready.alerted();
        }
        self.report.settle(queued.item, queued.pending, settled);
        self.shed();
    }

    /// The match's incident is alerted, as far as was known when removals of its entity had this many times.
    pub fn suppress(&mut self, queued: QueuedMatch, removals: usize) {
        let PendingMatch { key, .. } = &queued.pending;
        if !key.by_aws
            || !key.has_window
            || queued.pending.is_removal()
            || queued.pending.bytes() > MAX_SUPPRESSED_BYTES
        {
            return self.settle(queued, Ok(Acknowledged::Suppressed));
        }
        if self.removals(&key.entity).len() > removals {
            return self.push(queued);
        }
        self.suppressed.push(queued);
        if self.suppressed.len() > MAX_SUPPRESSED {
            let oldest = self.suppressed.remove(0);
            self.settle(oldest, Ok(Acknowledged::Suppressed));
        }
    }

    /// The answer to the trigger. `in_time` is false if the deadline ended the work.
    pub fn answer(mut self, in_time: bool, function_name: &str) -> Result<Response, Failure> {
        for queued in mem::take(&mut self.suppressed) {
            self.settle(queued, Ok(Acknowledged::Suppressed));
        }
        for RunningScan { item, object, matches, .. } in self.scans.into_iter().filter(|scan| !scan.has_ended) {
            if in_time {
                let end = FileEnd::panicked(Arc::new(LogFile::S3(object.clone())));
                self.report.ended(item, &object, matches, end, 0);
            } else {
                self.report.not_scanned(item, object);
            }
        }
        let waiting = self.waiting.into_iter().map(|(_, queued)| queued);
        for queued in self.urgent.into_waiting().chain(self.ready.into_waiting()).chain(waiting) {
            self.report.settle(queued.item, queued.pending, Err(NotAlerted::NoTime));
        }
        self.report.answer(function_name)
    }

    fn arrived(&mut self, found: FromScan) {
        match found {
            FromScan::Match { scan, log_file, matched, memory } => {
                self.scans[scan].matches += 1;
                self.add(self.scans[scan].item, PendingMatch::new(*matched, Some(log_file)), memory);
            }
            FromScan::End { scan, end, milliseconds } => {
                let scan = &mut self.scans[scan];
                scan.has_ended = true;
                self.report.ended(scan.item, &scan.object, scan.matches, end, milliseconds);
            }
        }
    }

    fn add(&mut self, item: usize, pending: PendingMatch, memory: Option<OwnedSemaphorePermit>) {
        self.report.expect_matches(item, 1);
        if pending.is_removal() {
            let IncidentKey { entity, event_time, .. } = &pending.key;
            // The removals of a crowd are of no use, and would take memory without end.
            if self.removals.len() < MAX_REMOVED || self.removals.contains_key(entity) {
                Arc::make_mut(self.removals.entry(entity.clone()).or_default()).insert(*event_time);
            }
            let is_of_entity = |queued: &mut QueuedMatch| queued.pending.key.entity == *entity;
            let again: Vec<QueuedMatch> = self.suppressed.extract_if(.., is_of_entity).collect();
            again.into_iter().for_each(|queued| self.push(queued));
        }
        self.push(QueuedMatch { item, pending, _memory: memory });
    }

    /// The event times of an entity's removals that were found so far. They may be hundreds of thousands, so they are not copied.
    pub fn removals(&self, entity: &str) -> Arc<BTreeSet<i64>> {
        self.removals.get(entity).cloned().unwrap_or_default()
    }

    fn end_waits(&mut self) {
        let now = Instant::now();
        let over: Vec<(Instant, QueuedMatch)> = self.waiting.extract_if(.., |(at, _)| *at <= now).collect();
        over.into_iter().for_each(|(_, queued)| self.push(queued));
    }

    fn push(&mut self, queued: QueuedMatch) {
        let queue = if queued.pending.matched.is_urgent() { &mut self.urgent } else { &mut self.ready };
        queue.push(queued.item, queued.pending.bytes(), queued);
        self.shed();
    }

    /// Returns what waits behind a crowd to the queue, so that the scans find what is more urgent.
    fn shed(&mut self) {
        for queue in [&mut self.urgent, &mut self.ready] {
            while let Some(queued) = queue.shed() {
                self.report.put_aside(queued.item);
            }
        }
    }
}
