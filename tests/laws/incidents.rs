//! The laws of deduplication, for any order of arrival, any interleaving of three workers and any fault:
//!
//! - **L1** every acknowledged match has a published alert whose start is less than one period from it;
//! - **L2** without faults, the starts are at least one period apart, and each is published once;
//! - **L3** extra alerts ≤ faults, where a fault is a crash, a publish whose answer was lost, a match handled without
//!   the table, or a pause beyond the lease.
//!
//! The table, the clock and the workers are models. A worker takes the steps of the function's ledger, and decides with
//! the function's own code.

use std::cell::Cell;

use proptest::prelude::*;
use quarantine_alert::dedup::{Claim, Decision, Document, LEASE, Memory, Question};

use crate::run;

const PERIOD: i64 = 3600;
const WORKERS: usize = 3;
/// How far a worker's clock may be off. The lease tolerates slightly more.
const SKEW: i64 = 3;

/// One event of a schedule.
#[derive(Clone, Debug)]
enum Event {
    /// The worker makes its next request. The request or its answer may be lost.
    Step(usize, Lost),
    Crash(usize),
    /// The table becomes unavailable, or available again.
    Table {
        is_unavailable: bool,
    },
    /// Time passes, in seconds.
    Pass(i64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lost {
    Nothing,
    Request,
    Answer,
}

struct World {
    now: i64,
    document: Document,
    is_unavailable: bool,
    workers: Vec<Worker>,
    matches: Vec<Match>,
    /// The starts of the published alerts.
    published: Vec<i64>,
    faults: usize,
    tokens: usize,
}

struct Match {
    event_time: i64,
    is_acknowledged: bool,
    is_taken: bool,
}

#[derive(Default)]
struct Worker {
    skew: i64,
    memory: Memory,
    job: Option<Job>,
}

/// A match that a worker handles.
#[derive(Clone)]
struct Job {
    number: usize,
    token: String,
    next: Next,
    /// When the claim was stored.
    claimed_at: i64,
    /// Whether the table failed in this invocation.
    is_degraded: bool,
    is_late: bool,
}

#[derive(Clone)]
enum Next {
    Load,
    Store(Claim, Document),
    Publish(Claim),
    LoadToComplete(Claim),
    StoreCompleted(Claim, Document),
}

impl World {
    fn new(event_times: &[i64], skews: [i64; WORKERS]) -> World {
        let matches =
            event_times.iter().map(|&event_time| Match { event_time, is_acknowledged: false, is_taken: false });
        World {
            now: 1_800_000_000,
            document: Document::unknown("k"),
            is_unavailable: false,
            workers: skews.map(|skew| Worker { skew, ..Worker::default() }).into(),
            matches: matches.collect(),
            published: Vec::new(),
            faults: 0,
            tokens: 0,
        }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Step(worker, lost) => self.step(worker, lost),
            Event::Table { is_unavailable } => self.is_unavailable = is_unavailable,
            Event::Pass(seconds) => self.now += seconds,
            Event::Crash(worker) => {
                let worker = &mut self.workers[worker];
                worker.memory = Memory::default();
                if let Some(job) = worker.job.take() {
                    self.matches[job.number].is_taken = false;
                    self.faults += 1;
                }
            }
        }
    }

    fn step(&mut self, worker: usize, lost: Lost) {
        let Some(mut job) = self.workers[worker].job.take().or_else(|| self.take()) else { return };
        let is_unavailable = self.is_unavailable || lost == Lost::Request || job.is_degraded;
        let now = self.now + self.workers[worker].skew;
        let event_time = self.matches[job.number].event_time;
        let token = job.token.clone();
        let period = std::time::Duration::from_secs(PERIOD as u64);
        let question = Question { dedup_key: "k", event_time, token: &token, now, period };
        let memory = &mut self.workers[worker].memory;
        match job.next.clone() {
            Next::Load | Next::Store(..) if is_unavailable => {
                if !job.is_degraded {
                    (job.is_degraded, self.faults) = (true, self.faults + 1);
                }
                match memory.load("k").decide(&question) {
                    Decision::Suppress => return self.acknowledge(&job),
                    Decision::Wait { .. } => job.next = Next::Load,
                    Decision::Claimed { claim } => job.next = Next::Publish(claim),
                    Decision::Claim { claim, document } => {
                        memory.store(document);
                        (job.next, job.claimed_at) = (Next::Publish(claim), self.now);
                    }
                }
            }
            Next::Load => {
                memory.store(self.document.clone());
                match self.document.decide(&question) {
                    Decision::Suppress => return self.acknowledge(&job),
                    Decision::Wait { .. } => {}
                    Decision::Claimed { claim } => job.next = Next::Publish(claim),
                    Decision::Claim { claim, document } => {
                        (job.next, job.claimed_at) = (Next::Store(claim, document), self.now);
                    }
                }
            }
            Next::Store(claim, document) => {
                // The SDK retries after a lost answer, and finds that the version has changed.
                job.next = if self.swap(document.clone()) && lost == Lost::Nothing {
                    self.workers[worker].memory.store(document);
                    Next::Publish(claim)
                } else {
                    Next::Load
                };
            }
            Next::Publish(_) if lost == Lost::Request => return self.return_to_queue(&job),
            Next::Publish(claim) => {
                self.published.push(claim.start());
                self.note_pause(&mut job);
                if lost == Lost::Answer {
                    self.faults += 1;
                    return self.return_to_queue(&job);
                }
                job.next = Next::LoadToComplete(claim);
            }
            Next::LoadToComplete(claim) | Next::StoreCompleted(claim, _) if is_unavailable => {
                if !job.is_degraded {
                    self.faults += 1;
                }
                if let Some(completed) = memory.load("k").completed(&claim, now) {
                    memory.store(completed);
                }
                return self.acknowledge(&job);
            }
            Next::LoadToComplete(claim) => {
                self.note_pause(&mut job);
                match self.document.completed(&claim, now) {
                    None => return self.acknowledge(&job),
                    Some(completed) => job.next = Next::StoreCompleted(claim, completed),
                }
            }
            Next::StoreCompleted(claim, completed) => {
                self.note_pause(&mut job);
                if self.swap(completed) && lost == Lost::Nothing {
                    return self.acknowledge(&job);
                }
                job.next = Next::LoadToComplete(claim);
            }
        }
        self.workers[worker].job = Some(job);
    }

    /// The next match that no worker handles, with its own token.
    fn take(&mut self) -> Option<Job> {
        let number = self.matches.iter().position(|found| !found.is_acknowledged && !found.is_taken)?;
        self.matches[number].is_taken = true;
        self.tokens += 1;
        let token = self.tokens.to_string();
        Some(Job { number, token, next: Next::Load, claimed_at: self.now, is_degraded: false, is_late: false })
    }

    fn swap(&mut self, document: Document) -> bool {
        let is_current = self.document.version + 1 == document.version;
        if is_current {
            self.document = document;
        }
        is_current
    }

    fn note_pause(&mut self, job: &mut Job) {
        let is_late = self.now - job.claimed_at >= LEASE.as_secs() as i64 - 2 * SKEW;
        self.faults += usize::from(is_late && !job.is_late);
        job.is_late |= is_late;
    }

    fn acknowledge(&mut self, job: &Job) {
        self.matches[job.number].is_acknowledged = true;
    }

    fn return_to_queue(&mut self, job: &Job) {
        self.matches[job.number].is_taken = false;
    }

    /// Everything works again. The remaining matches are handled in little time.
    fn finish(&mut self) {
        self.is_unavailable = false;
        for _ in 0..1000 {
            self.now += 1;
            (0..WORKERS).for_each(|worker| self.step(worker, Lost::Nothing));
            if self.matches.iter().all(|found| found.is_acknowledged) {
                return;
            }
        }
        panic!("the matches are never all acknowledged");
    }

    /// The number of alerts beyond the most that can be one period apart.
    fn extra_alerts(&self) -> usize {
        let mut starts = self.published.clone();
        starts.sort_unstable();
        let mut apart = Vec::new();
        for start in starts {
            if apart.last().is_none_or(|last| start - last >= PERIOD) {
                apart.push(start);
            }
        }
        self.published.len() - apart.len()
    }
}

fn event() -> impl Strategy<Value = Event> {
    let lost = prop_oneof![30 => Just(Lost::Nothing), 1 => Just(Lost::Request), 1 => Just(Lost::Answer)];
    prop_oneof![
        80 => (0..WORKERS, lost).prop_map(|(worker, lost)| Event::Step(worker, lost)),
        2 => (0..WORKERS).prop_map(Event::Crash),
        2 => any::<bool>().prop_map(|is_unavailable| Event::Table { is_unavailable }),
        10 => (0..3i64).prop_map(Event::Pass),
        1 => (20..400i64).prop_map(Event::Pass),
    ]
}

fn event_times() -> impl Strategy<Value = Vec<i64>> {
    // Duplicates, neighbors on either side, and both sides of a period's border.
    let minutes = prop::sample::select(vec![0, 1, 29, 30, 59, 60, 61, 90, 119, 120, 121, 180]);
    prop::collection::vec(minutes.prop_map(|minutes| 1_799_900_000 + minutes * 60), 1..7)
}

#[test]
fn l1_l2_and_l3_hold_for_any_schedule() {
    let [schedules, faultless, extras, waited] = [const { Cell::new(0u32) }; 4];
    let count = |counter: &Cell<u32>, by: bool| counter.set(counter.get() + u32::from(by));
    let world = (event_times(), prop::array::uniform3(-SKEW..=SKEW), prop::collection::vec(event(), 0..120));
    run(12_000, world, |(event_times, skews, events)| {
        let mut world = World::new(&event_times, skews);
        events.iter().for_each(|event| world.happen(event));
        count(&waited, world.workers.iter().filter(|worker| worker.job.is_some()).count() > 1);
        world.finish();

        let near = |event_time: i64| world.published.iter().any(|start| (start - event_time).abs() < PERIOD);
        prop_assert!(event_times.iter().all(|&event_time| near(event_time)), "L1");
        if world.faults == 0 {
            prop_assert_eq!(world.extra_alerts(), 0, "L2: {:?}", world.published);
        }
        prop_assert!(world.extra_alerts() <= world.faults, "L3: {} faults, {:?}", world.faults, world.published);
        count(&schedules, true);
        count(&faultless, world.faults == 0);
        count(&extras, world.extra_alerts() > 0);
        Ok(())
    });
    let counts = [&schedules, &faultless, &extras, &waited].map(Cell::get);
    assert!(
        counts[0] >= 10_000 && counts[1..].iter().all(|&count| count > 300),
        "too few schedules of a kind: {counts:?}"
    );
}

#[test]
fn each_incident_alerts_once_in_any_order_of_arrival_without_faults() {
    let several = Cell::new(0u32);
    run(2000, (event_times(), prop::array::uniform3(-SKEW..=SKEW)), |(event_times, skews)| {
        let mut world = World::new(&event_times, skews);
        world.finish();
        prop_assert_eq!((world.faults, world.extra_alerts()), (0, 0));
        several.set(several.get() + u32::from(world.published.len() > 1));
        Ok(())
    });
    assert!(several.get() > 500, "{}", several.get());
}
