//! The matches of one invocation, one after another, and what is open of each item.
//!
//! Log files are scanned at once, and their candidates come as they are found. Here they are judged and wait in
//! one line, so that no two matches of an invocation race, and no log file holds another back.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Failure, Problem, Response,
    outcome::{Outcome, Settled},
    read::{Found, Reader},
    turn::Turn,
};
use crate::{
    delivery::{Content, Delivery},
    log_file::{LogFile, Verdict},
    record::Record,
    rule::Match,
};

/// Measured for a batch of 100 small log files, each 30 ms away (`make bench`; goal 130 ms):
///
/// | at once | wall, ms | CPU a log file, ms | peak memory, MiB |
/// |---|---|---|---|
/// | 16 | 249 | 0.42 | 12.0 |
/// | 32 | 155 | 0.41 | 12.4 |
/// | 64 | 105 | 0.39 | 13.9 |
/// | 128 | 72 | 0.33 | 15.6 |
///
/// Each may hold a MiB of its log file for a second read, so at worst 128 would take twice the memory of 64.
const LOG_FILES_AT_ONCE: usize = 64;

/// Beyond so many bytes of records in line, the scans wait.
const MOST_LINE_BYTES: usize = 16 * 1024 * 1024;

/// How often a claim of another invocation is looked at again; it mostly takes less than a second.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The matches that are still to be settled.
pub(super) struct Line {
    outcome: Outcome,
    scans: Vec<Scan>,
    /// Records that were delivered by themselves.
    lone: VecDeque<(usize, Record)>,
    found: mpsc::Receiver<Found>,
    /// What AWS did and what is critical, and the rest.
    urgent: VecDeque<Turn>,
    ready: VecDeque<Turn>,
    waiting: Vec<(Instant, Turn)>,
    /// Of all matches in line.
    bytes: usize,
    /// Ends the scans when the line goes.
    _tasks: JoinSet<()>,
}

struct Scan {
    item: usize,
    log_file: LogFile,
    matches: u64,
    ended: bool,
}

impl Line {
    /// Starts to scan the log files of a delivery.
    pub fn scan(reader: &Reader, delivery: Delivery) -> Line {
        let (out, found) = mpsc::channel(16);
        let at_once = Arc::new(Semaphore::new(LOG_FILES_AT_ONCE));
        let (mut scans, mut lone, mut tasks) = (Vec::new(), VecDeque::new(), JoinSet::new());
        let mut outcome = Outcome::new(delivery.from_queue);
        for item in delivery.items {
            let number = outcome.add(item.id);
            let contents = item.contents.unwrap_or_else(|error| {
                outcome.fail(number, error.into());
                Vec::new()
            });
            for content in contents {
                let log_file = match content {
                    Content::LogFile(log_file) => log_file,
                    Content::Record(raw) => {
                        match Record::parse(raw.get().as_bytes()) {
                            Ok(record) => lone.push_back((number, record)),
                            Err(error) => outcome.fail(number, Failure::LoneRecord(error)),
                        }
                        continue;
                    }
                };
                if let Verdict::Skip(reason) = log_file.verdict() {
                    outcome.skipped(&log_file, reason);
                    continue;
                }
                let (scan, reader, file) = (scans.len(), reader.clone(), log_file.clone());
                let (out, at_once) = (out.clone(), at_once.clone());
                tasks.spawn(async move {
                    let _permit = at_once.acquire().await;
                    reader.read(scan, file, &out).await;
                });
                scans.push(Scan { item: number, log_file, matches: 0, ended: false });
            }
        }
        let (urgent, ready, waiting) = (VecDeque::new(), VecDeque::new(), Vec::new());
        Line { outcome, scans, lone, found, urgent, ready, waiting, bytes: 0, _tasks: tasks }
    }

    /// The next match; `None` when all is scanned and settled. Where several are in line, what AWS did and what
    /// is critical goes first: not all may get out in time.
    pub async fn next(&mut self, judge: impl Fn(Record) -> Option<Match>) -> Option<Turn> {
        while let Some((item, record)) = self.lone.pop_front() {
            self.enqueue(item, None, judge(record));
        }
        loop {
            while self.has_room()
                && let Ok(found) = self.found.try_recv()
            {
                self.arrived(found, &judge);
            }
            if let Some(turn) = self.urgent.pop_front().or_else(|| self.ready.pop_front()) {
                return Some(turn);
            }
            let again = self.waiting.iter().map(|(at, _)| *at).min();
            tokio::select! {
                Some(found) = self.found.recv(), if self.has_room() => self.arrived(found, &judge),
                Some(()) = async { sleep_until(again?).await; Some(()) } => self.end_waits(),
                else => return None,
            }
        }
    }

    /// To the end of the line: the match's incident is another's until then, in seconds since 1970.
    pub fn wait(&mut self, turn: Turn, until: i64) {
        let left = u64::try_from(until - OffsetDateTime::now_utc().unix_timestamp()).unwrap_or(0);
        self.waiting.push((Instant::now() + Duration::from_secs(left).min(LOOK_AGAIN), turn));
    }

    /// The match is acknowledged, or its item fails.
    pub fn settle(&mut self, turn: Turn, settled: Result<Settled, Problem>) {
        self.bytes -= turn.bytes();
        self.outcome.settle(turn, settled);
    }

    /// What the trigger is told; `in_time` unless the deadline has cut the line off.
    pub fn answer(mut self, in_time: bool, function_name: &str) -> Result<Response, Failure> {
        for scan in self.scans.iter().filter(|scan| !scan.ended) {
            let log_file = Arc::new(scan.log_file.clone());
            let failure = if in_time { Failure::Lost(log_file) } else { Failure::NotScanned(log_file) };
            self.outcome.ended(scan.item, &scan.log_file, scan.matches, Err(failure));
        }
        let ready = self.urgent.into_iter().chain(self.ready);
        for turn in ready.chain(self.waiting.into_iter().map(|(_, turn)| turn)) {
            self.outcome.settle(turn, Err(Problem::NoTime));
        }
        self.outcome.answer(function_name)
    }

    fn arrived(&mut self, found: Found, judge: &impl Fn(Record) -> Option<Match>) {
        match found {
            Found::Candidate { scan, log_file, record } => {
                let matched = judge(*record);
                self.scans[scan].matches += u64::from(matched.is_some());
                self.enqueue(self.scans[scan].item, Some(log_file), matched);
            }
            Found::End { scan, end } => {
                let scan = &mut self.scans[scan];
                scan.ended = true;
                self.outcome.ended(scan.item, &scan.log_file, scan.matches, end);
            }
        }
    }

    fn enqueue(&mut self, item: usize, log_file: Option<Arc<LogFile>>, matched: Option<Match>) {
        let Some(matched) = matched else { return };
        self.outcome.open(item);
        let turn = Turn::new(item, matched, log_file);
        self.bytes += turn.bytes();
        self.push(turn);
    }

    fn end_waits(&mut self) {
        let now = Instant::now();
        let over: Vec<Turn> = self.waiting.extract_if(.., |(at, _)| *at <= now).map(|(_, turn)| turn).collect();
        over.into_iter().for_each(|turn| self.push(turn));
    }

    fn push(&mut self, turn: Turn) {
        if turn.matched.is_urgent() { self.urgent.push_back(turn) } else { self.ready.push_back(turn) }
    }

    fn has_room(&self) -> bool {
        self.bytes < MOST_LINE_BYTES
    }
}
