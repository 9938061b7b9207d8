//! Which matches may be published, by the dedup table, or by this process's memory while the table is unavailable.
//!
//! Bookkeeping never holds an alert back: whatever is wrong with the table, a match is published.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use time::OffsetDateTime;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::pending::PendingMatch;
use crate::{
    aws::dedup_table::{DedupTable, TableError},
    config::DedupPeriod,
    dedup::{Claim, Decision, Document, LEASE, Memory, Question},
};

/// The time limit of one claim or one completion.
const TABLE_TIMEOUT: Duration = Duration::from_secs(3);

/// The known incidents.
pub struct Ledger {
    table: DedupTable,
    memory: Mutex<Memory>,
    period: Duration,
}

/// The claims of one invocation.
pub struct Claims<'l> {
    ledger: &'l Ledger,
    /// `None` if nothing ends this process.
    deadline: Option<Instant>,
    /// When the document of an entity was read, and its version. What is alerted in it is final, so it need not be read again
    /// for a while.
    read: HashMap<String, (Instant, u64)>,
    /// How often the table has failed in a row.
    failures: u32,
}

/// How long an alerted incident answers without the table. Another process may learn of a removal, which would end it.
const FRESH: Duration = Duration::from_secs(5);

/// After this many failures in a row, memory serves for the rest of the invocation. The next invocation tries the table again.
const MAX_FAILURES: u32 = 3;

/// Whether a match may be published.
pub enum Answer {
    Suppress,
    /// The entity has had its alerts within this period.
    Flooded,
    /// Another process has claimed the incident until then, in seconds since 1970.
    Wait(i64),
    /// Less time than a lease is left.
    NoTime,
    Publish {
        claim: Claim,
        degraded: bool,
    },
}

impl Ledger {
    pub fn new(table: DedupTable, period: DedupPeriod) -> Ledger {
        Ledger { table, memory: Mutex::default(), period: period.duration() }
    }

    /// For one invocation, or for a run without a deadline.
    pub fn open(&self, deadline: Option<Instant>) -> Claims<'_> {
        Claims { ledger: self, deadline, read: HashMap::new(), failures: 0 }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claims<'_> {
    /// Asks whether the match may be published, and claims it if so. `removals` are those of its entity that wait in this
    /// process.
    pub async fn claim(&mut self, pending: &PendingMatch, removals: &BTreeSet<i64>) -> Answer {
        let question = pending.question(removals, self.ledger.period);
        let read = self.read.get(&pending.key.entity).filter(|(at, _)| at.elapsed() < FRESH);
        match read.and_then(|(_, version)| self.ledger.memory().final_decision(&question, *version)) {
            Some(Decision::Suppress) => return Answer::Suppress,
            Some(Decision::Flooded { .. }) => return Answer::Flooded,
            _ => {}
        }
        if self.failures < MAX_FAILURES {
            match self.claim_within_limit(&question).await {
                Ok((answer, version)) => {
                    self.failures = 0;
                    self.read.insert(pending.key.entity.clone(), (Instant::now(), version));
                    return answer;
                }
                Err(error) => self.degrade(&error),
            }
        }
        self.claim_in_memory(&question)
    }

    /// Records that the claim's alert is published. If that fails, a duplicate of the alert may follow.
    pub async fn complete(&mut self, claim: &Claim) {
        if self.failures < MAX_FAILURES {
            match self.complete_within_limit(claim).await {
                Ok(completed) => {
                    self.failures = 0;
                    if let Some(document) = completed {
                        self.read.insert(claim.entity().to_owned(), (Instant::now(), document.version));
                        return self.ledger.memory().store(document);
                    }
                }
                Err(error) => self.degrade(&error),
            }
        }
        let mut memory = self.ledger.memory();
        if let Some(completed) = memory.load(claim.entity()).completed(claim, now()) {
            memory.store(completed);
        }
    }

    /// [`Claims::claim`] without memory.
    ///
    /// # Errors
    /// The table failed or was too slow.
    pub async fn claim_strictly(&self, pending: &PendingMatch, removals: &BTreeSet<i64>) -> Result<Answer, TableError> {
        let question = pending.question(removals, self.ledger.period);
        self.claim_within_limit(&question).await.map(|(answer, _)| answer)
    }

    /// [`Claims::complete`] without memory.
    ///
    /// # Errors
    /// The table failed or was too slow.
    pub async fn complete_strictly(&self, claim: &Claim) -> Result<(), TableError> {
        self.complete_within_limit(claim).await.map(|_| ())
    }

    async fn complete_within_limit(&self, claim: &Claim) -> Result<Option<Document>, TableError> {
        let complete = timeout(TABLE_TIMEOUT, self.complete_in_table(claim)).await;
        complete.unwrap_or_else(|_| Err(self.ledger.table.too_slow()))
    }

    async fn claim_within_limit(&self, question: &Question<'_>) -> Result<(Answer, u64), TableError> {
        let claim = timeout(TABLE_TIMEOUT, self.claim_in_table(question)).await;
        claim.unwrap_or_else(|_| Err(self.ledger.table.too_slow()))
    }

    /// The answer, and the version of the document that it rests on.
    async fn claim_in_table(&self, question: &Question<'_>) -> Result<(Answer, u64), TableError> {
        loop {
            let known = self.ledger.table.load(&question.key.entity).await?;
            let version = known.version;
            let decision = known.decide(question);
            // The table may become unavailable later.
            self.ledger.memory().store(known);
            let (answer, document) = match decision {
                Decision::Claim { .. } if self.is_late() => (Answer::NoTime, None),
                Decision::Claim { claim, document } => (Answer::Publish { claim, degraded: false }, Some(document)),
                Decision::Claimed { claim } => (Answer::Publish { claim, degraded: false }, None),
                Decision::Suppress => (Answer::Suppress, None),
                Decision::Flooded { document } => (Answer::Flooded, document),
                Decision::Wait { until } => (Answer::Wait(until), None),
            };
            let Some(document) = document else { return Ok((answer, version)) };
            if self.ledger.table.store(&document).await? {
                self.ledger.memory().store(document);
                return Ok((answer, version + 1));
            }
        }
    }

    fn claim_in_memory(&self, question: &Question) -> Answer {
        let mut memory = self.ledger.memory();
        match memory.load(&question.key.entity).decide(question) {
            Decision::Claim { .. } if self.is_late() => Answer::NoTime,
            Decision::Claim { claim, document } => {
                memory.store(document);
                Answer::Publish { claim, degraded: true }
            }
            Decision::Claimed { claim } => Answer::Publish { claim, degraded: true },
            Decision::Suppress => Answer::Suppress,
            Decision::Flooded { document } => {
                document.into_iter().for_each(|document| memory.store(document));
                Answer::Flooded
            }
            Decision::Wait { until } => Answer::Wait(until),
        }
    }

    /// The document that is now in the table. `None` if another process has taken over the claim, and publishes a duplicate.
    async fn complete_in_table(&self, claim: &Claim) -> Result<Option<Document>, TableError> {
        loop {
            let known = self.ledger.table.load(claim.entity()).await?;
            let Some(completed) = known.completed(claim, now()) else { return Ok(None) };
            if self.ledger.table.store(&completed).await? {
                return Ok(Some(completed));
            }
        }
    }

    /// A claim is made only if the time of a lease is left, so that the deadline cannot interrupt its owner.
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline < Instant::now() + LEASE)
    }

    fn degrade(&mut self, error: &TableError) {
        self.failures += 1;
        if self.failures < MAX_FAILURES {
            warn!("Deduplicating this match in memory, which may duplicate its alert: {error}.");
        } else {
            warn!("Deduplicating in memory for the rest of this invocation, which may duplicate alerts: {error}.");
        }
    }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}
