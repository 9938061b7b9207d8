//! Models of the table, the clock and the workers. A worker takes the steps of the function's ledger, and decides with the
//! function's own code.

use std::collections::BTreeSet;

use quarantine_alert::dedup::{Claim, Decision, Document, IncidentKey, LEASE, Memory, Question};

pub const PERIOD: i64 = 3600;
pub const WORKERS: usize = 3;
/// How far a worker's clock may be off. The lease tolerates slightly more.
pub const SKEW: i64 = 3;

/// One event of a schedule.
#[derive(Clone, Debug)]
pub enum Event {
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
pub enum Lost {
    Nothing,
    Request,
    Answer,
}

pub struct World {
    pub now: i64,
    pub document: Document,
    pub is_unavailable: bool,
    pub workers: Vec<Worker>,
    pub matches: Vec<Match>,
    /// The dedup keys and starts of the published alerts.
    pub published: Vec<(String, i64)>,
    /// When each of them was published.
    pub published_at: Vec<i64>,
    pub faults: usize,
    pub tokens: usize,
}

pub struct Match {
    pub key: IncidentKey,
    pub is_acknowledged: bool,
    pub is_flooded: bool,
    pub is_taken: bool,
}

impl Match {
    pub fn is_removal(&self) -> bool {
        self.key.dedup_key.contains(":removed")
    }
}

#[derive(Default)]
pub struct Worker {
    pub skew: i64,
    pub memory: Memory,
    /// Of the document that it last read.
    pub version: u64,
    pub job: Option<Job>,
}

/// A match that a worker handles.
#[derive(Clone)]
pub struct Job {
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
pub enum Next {
    Load,
    Store(Claim, Document),
    Publish(Claim),
    LoadToComplete(Claim),
    StoreCompleted(Claim, Document),
}

impl World {
    pub fn new(keys: &[IncidentKey], skews: [i64; WORKERS]) -> World {
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

    pub fn happen(&mut self, event: &Event) {
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

    pub fn step(&mut self, worker: usize, lost: Lost) {
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
    pub fn finish(&mut self) {
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
}
