//! The laws of deduplication, for any order of arrival, any interleaving of three workers and any fault:
//!
//! - **L1** every acknowledged match has a published alert of its key whose start is less than one period from it, or its
//!   entity's flood bound was reached;
//! - **L2** without faults, the starts of one key are at least one period apart or have a removal between them, and each is
//!   published once;
//! - **L3** extra alerts ≤ faults, where a fault is a crash, a publish whose answer was lost, a match handled without
//!   the table, or a pause beyond the lease.
//!
//! The matches are of one entity: calls of AWS and of others, removals, records without a usable time, and events of AWS
//! Health with their updates. The table, the
//! clock and the workers are models. A worker takes the steps of the function's ledger, and decides with
//! the function's own code.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use proptest::prelude::*;
use quarantine_alert::dedup::{Claim, Decision, Document, FLOOD_BOUND, IncidentKey, LEASE, Memory, Question};

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
    /// The dedup keys and starts of the published alerts.
    published: Vec<(String, i64)>,
    /// When each of them was published.
    published_at: Vec<i64>,
    faults: usize,
    tokens: usize,
}

struct Match {
    key: IncidentKey,
    is_acknowledged: bool,
    is_flooded: bool,
    is_taken: bool,
}

impl Match {
    fn is_removal(&self) -> bool {
        self.key.dedup_key.contains(":removed")
    }
}

#[derive(Default)]
struct Worker {
    skew: i64,
    memory: Memory,
    /// Of the document that it last read.
    version: u64,
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
    fn new(keys: &[IncidentKey], skews: [i64; WORKERS]) -> World {
        let matches = keys.iter().map(|key| Match {
            key: key.clone(),
            is_acknowledged: false,
            is_flooded: false,
            is_taken: false,
        });
        World {
            now: 1_800_000_000,
            document: Document::unknown("e"),
            is_unavailable: false,
            workers: skews.map(|skew| Worker { skew, ..Worker::default() }).into(),
            matches: matches.collect(),
            published: Vec::new(),
            published_at: Vec::new(),
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
                (worker.memory, worker.version) = (Memory::default(), 0);
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
        let key = self.matches[job.number].key.clone();
        let token = job.token.clone();
        let period = std::time::Duration::from_secs(PERIOD as u64);
        // The removals that wait next to the match.
        let waiting = self.matches.iter().filter(|found| found.is_removal() && !found.is_acknowledged);
        let removals: BTreeSet<i64> = waiting.map(|found| found.key.event_time).collect();
        let question = Question { key: &key, removals: &removals, token: &token, now, period, flood_period: period };
        let Worker { memory, version, .. } = &mut self.workers[worker];
        let version = *version;
        match job.next.clone() {
            Next::Load | Next::Store(..) if is_unavailable => {
                if !job.is_degraded {
                    (job.is_degraded, self.faults) = (true, self.faults + 1);
                }
                match memory.load("e").decide(&question) {
                    Decision::Suppress => return self.acknowledge(&job),
                    Decision::Flooded { document } => {
                        document.into_iter().for_each(|document| memory.store(document));
                        return self.flood(&job);
                    }
                    Decision::Wait { .. } => job.next = Next::Load,
                    Decision::Claimed { claim } => job.next = Next::Publish(claim),
                    Decision::Claim { claim, document } => {
                        memory.store(document);
                        (job.next, job.claimed_at) = (Next::Publish(claim), self.now);
                    }
                }
            }
            // What is alerted is final, so the table need not be asked.
            Next::Load if let Some(decision) = memory.final_decision(&question, version) => {
                return if decision == Decision::Suppress { self.acknowledge(&job) } else { self.flood(&job) };
            }
            Next::Load => {
                memory.store(self.document.clone());
                self.workers[worker].version = self.document.version;
                match self.document.decide(&question) {
                    Decision::Suppress => return self.acknowledge(&job),
                    Decision::Flooded { document } => {
                        // The write may fail; then the match asks again.
                        if document.is_none_or(|document| self.swap(document)) {
                            return self.flood(&job);
                        }
                    }
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
                    self.workers[worker].version = document.version;
                    self.workers[worker].memory.store(document);
                    Next::Publish(claim)
                } else {
                    Next::Load
                };
            }
            Next::Publish(_) if lost == Lost::Request => return self.return_to_queue(&job),
            Next::Publish(claim) => {
                self.published.push((claim.dedup_key().to_owned(), claim.start()));
                self.published_at.push(self.now);
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
                if let Some(completed) = memory.load("e").completed(&claim, now) {
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

    fn flood(&mut self, job: &Job) {
        self.matches[job.number].is_flooded = true;
        self.acknowledge(job);
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

    /// The number of alerts beyond one for each incident.
    fn extra_alerts(&self) -> usize {
        let mut starts_by_key: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for (key, start) in &self.published {
            starts_by_key.entry(key).or_default().push(*start);
        }
        let mut incidents = 0;
        for (key, mut starts) in starts_by_key {
            starts.sort_unstable();
            let mut last = None;
            for start in starts {
                if last.is_none_or(|last| has_window(key) && self.are_apart(last, start)) {
                    incidents += 1;
                    last = Some(start);
                }
            }
        }
        self.published.len() - incidents
    }

    /// Whether two times belong to two incidents: a period, or a removal, separates them.
    fn are_apart(&self, first: i64, second: i64) -> bool {
        let removals = self.matches.iter().filter(|found| found.is_removal()).map(|found| found.key.event_time);
        let mut between = removals.filter(|removal| (first..=second).contains(removal));
        second - first >= PERIOD || second > first && between.next().is_some()
    }

    /// Whether a match has its alert, or the flood bound withheld it.
    fn is_alerted(&self, found: &Match) -> bool {
        let is_its_alert = |(key, start): &(String, i64)| {
            *key == found.key.dedup_key && (!found.key.has_window || (start - found.key.event_time).abs() < PERIOD)
        };
        let at = found.key.event_time;
        let is_full = || {
            self.counted()
                .iter()
                .any(|&begin| (0..PERIOD).contains(&(at - begin)) && self.in_period(begin) >= FLOOD_BOUND)
                || self.in_period(at) >= FLOOD_BOUND
        };
        let is_bounded = || match untimed_kind(&found.key.dedup_key) {
            Some(kind) => self.untimed_alerts(kind).len() >= FLOOD_BOUND,
            None => !found.key.by_aws && is_full(),
        };
        self.published.iter().any(is_its_alert) || found.is_flooded && is_bounded()
    }

    /// When alerts of records without a usable time were published.
    fn untimed_alerts(&self, kind: &str) -> Vec<i64> {
        let alerts = self.published.iter().zip(&self.published_at);
        alerts.filter(|((key, _), _)| untimed_kind(key) == Some(kind)).map(|(_, at)| *at).collect()
    }

    /// The most alerts of records of one kind without a usable time that were published within a period. Workers' clocks differ.
    fn most_untimed_in_a_period(&self) -> usize {
        let within = |kind: &str, begin: i64| {
            let is_in = |at: &&i64| (begin..begin + PERIOD - 2 * SKEW).contains(*at);
            self.untimed_alerts(kind).iter().filter(is_in).count()
        };
        let alerts = self.published.iter().zip(&self.published_at);
        alerts.filter_map(|((key, _), at)| Some(within(untimed_kind(key)?, *at))).max().unwrap_or(0)
    }

    /// Whether no removal separates a match from all alerts of its key. Workers know each removal, except flooded ones.
    fn has_no_removal_before_its_alert(&self, found: &Match) -> bool {
        let at = found.key.event_time;
        let same = |(key, start): &(String, i64)| {
            *key == found.key.dedup_key && !self.are_apart(at.min(*start), at.max(*start))
        };
        let is_exempt = !found.key.has_window || found.is_removal() || found.is_flooded;
        is_exempt || self.matches.iter().any(|found| found.is_flooded) || self.published.iter().any(same)
    }

    /// The starts of the alerts that count toward the flood bound.
    fn counted(&self) -> Vec<i64> {
        let counts = |key: &str| key.contains(":removed") || key.contains(":by-hand");
        self.published.iter().filter(|(key, _)| counts(key)).map(|(_, start)| *start).collect()
    }

    fn in_period(&self, begin: i64) -> usize {
        self.counted().iter().filter(|&&start| (0..PERIOD).contains(&(start - begin))).count()
    }
}

/// Records without a usable time have their event id in the key, and events of AWS Health that of the communication.
fn has_window(key: &str) -> bool {
    !key.contains(":e-")
}

/// The dedup key of a record without a usable time, up to its event id.
fn untimed_kind(key: &str) -> Option<&str> {
    Some(key.split_once(":e-")?.0)
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

const NOON: i64 = 1_799_900_000;

fn key(dedup_key: String, minute: i64) -> IncidentKey {
    let by_aws = dedup_key.ends_with(":quarantined") || dedup_key.contains(":e-");
    let has_window = has_window(&dedup_key);
    let event_time = NOON + minute * 60;
    IncidentKey {
        entity: "e".into(),
        dedup_key: format!("rule:1:user:alice{dedup_key}"),
        event_time,
        has_window,
        by_aws,
    }
}

/// Duplicates, neighbors on both sides, both sides of a period's border, and removals between them.
fn keys() -> impl Strategy<Value = Vec<IncidentKey>> {
    let minute = || prop::sample::select(vec![0, 1, 29, 30, 59, 60, 61, 90, 119, 120, 121, 180]);
    let match_ = prop_oneof![
        4 => minute().prop_map(|minute| key(":quarantined".into(), minute)),
        2 => minute().prop_map(|minute| key(":quarantined:by-hand".into(), minute)),
        3 => minute().prop_map(|minute| key(format!(":removed:r-{minute}"), minute)),
        // Undated, or too far in the future.
        1 => (0..2).prop_map(|id| key(format!(":quarantined:e-{id}"), -NOON / 60)),
        1 => (0..2).prop_map(|id| key(format!(":quarantined:e-{id}"), 600)),
        // A communication of AWS Health and its updates, however much later.
        1 => (0..2, minute()).prop_map(|(id, minute)| key(format!(":exposed:e-{id}"), minute)),
    ];
    // Attaching and detaching in a loop, with a call of AWS in it.
    let minutes = || 0..100i64;
    let loop_ = prop_oneof![
        4 => minutes().prop_map(|minute| key(":quarantined:by-hand".into(), minute)),
        8 => minutes().prop_map(|minute| key(format!(":removed:r-{minute}"), minute)),
        1 => minutes().prop_map(|minute| key(":quarantined".into(), minute)),
    ];
    // Forged records without a usable time, with a call of AWS among them.
    let ids = || 0..30;
    let forged = prop_oneof![
        12 => ids().prop_map(|id| key(format!(":quarantined:e-{id}"), -NOON / 60)),
        2 => ids().prop_map(|id| key(format!(":quarantined:by-hand:e-{id}"), -NOON / 60)),
        1 => minutes().prop_map(|minute| key(":quarantined".into(), minute)),
    ];
    prop_oneof![
        10 => prop::collection::vec(match_, 1..7),
        1 => prop::collection::vec(loop_, 12..30),
        1 => prop::collection::vec(forged, 12..40),
    ]
}

#[test]
fn l1_l2_and_l3_hold_for_any_schedule() {
    let [schedules, faultless, extras, waited, removed, flooded, undated, updated, forged] =
        [const { Cell::new(0u32) }; 9];
    let count = |counter: &Cell<u32>, by: bool| counter.set(counter.get() + u32::from(by));
    let world = (keys(), prop::array::uniform3(-SKEW..=SKEW), prop::collection::vec(event(), 0..120));
    run(14_000, world, |(keys, skews, events)| {
        let mut world = World::new(&keys, skews);
        events.iter().for_each(|event| world.happen(event));
        count(&waited, world.workers.iter().filter(|worker| worker.job.is_some()).count() > 1);
        world.finish();

        prop_assert!(world.matches.iter().all(|found| world.is_alerted(found)), "L1: {:?}", world.published);
        if world.faults == 0 {
            prop_assert_eq!(world.extra_alerts(), 0, "L2: {:?}", world.published);
            let most = world.counted().into_iter().map(|begin| world.in_period(begin)).max();
            prop_assert!(most.unwrap_or(0) <= FLOOD_BOUND, "flood bound: {:?}", world.published);
            let untimed = world.most_untimed_in_a_period();
            prop_assert!(untimed <= FLOOD_BOUND, "flood bound of untimed records: {:?}", world.published);
        }
        prop_assert!(world.extra_alerts() <= world.faults, "L3: {} faults, {:?}", world.faults, world.published);
        count(&schedules, true);
        count(&faultless, world.faults == 0);
        count(&extras, world.extra_alerts() > 0);
        // Two alerts of one key within a period.
        let near = |(key, start): &(String, i64)| {
            world.published.iter().any(|(other, later)| key == other && (1..PERIOD).contains(&(later - start)))
        };
        count(&removed, world.faults == 0 && world.published.iter().any(near));
        count(&flooded, world.matches.iter().any(|found| found.is_flooded));
        count(&forged, world.matches.iter().any(|found| found.is_flooded && !found.key.has_window));
        count(&undated, keys.iter().any(|key| !key.has_window));
        let is_update = |(one, other): (&IncidentKey, &IncidentKey)| {
            one.dedup_key == other.dedup_key && one.event_time != other.event_time && one.dedup_key.contains(":exposed")
        };
        count(&updated, keys.iter().flat_map(|one| keys.iter().map(move |other| (one, other))).any(is_update));
        Ok(())
    });
    let counts =
        [&schedules, &faultless, &extras, &waited, &removed, &flooded, &undated, &updated, &forged].map(Cell::get);
    assert!(
        counts[0] >= 10_000 && counts[1..].iter().all(|&count| count > 150),
        "the schedules were lopsided: {counts:?}"
    );
}

#[test]
fn each_incident_alerts_once_in_any_order_of_arrival_without_faults() {
    let several = Cell::new(0u32);
    run(2000, (keys(), prop::array::uniform3(-SKEW..=SKEW)), |(keys, skews)| {
        let mut world = World::new(&keys, skews);
        world.finish();
        prop_assert_eq!((world.faults, world.extra_alerts()), (0, 0));
        several.set(several.get() + u32::from(world.published.len() > 1));
        Ok(())
    });
    assert!(several.get() > 500, "{}", several.get());
}

#[test]
fn a_known_removal_never_stands_between_a_match_and_its_alert() {
    let removed = Cell::new(0u32);
    run(2000, keys(), |keys| {
        // One worker, so that what another one learns within a second plays no part.
        let mut world = World::new(&keys, [0; WORKERS]);
        while world.matches.iter().any(|found| !found.is_acknowledged) {
            world.step(0, Lost::Nothing);
        }
        prop_assert!(world.matches.iter().all(|found| world.has_no_removal_before_its_alert(found)));
        let mut keys: Vec<&String> = world.published.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        removed.set(removed.get() + u32::from(keys.windows(2).any(|pair| pair[0] == pair[1])));
        Ok(())
    });
    assert!(removed.get() > 200, "{}", removed.get());
}
