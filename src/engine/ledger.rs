//! Which matches may be published, by the dedup table, or by this process's memory while the table is unavailable.
//!
//! Bookkeeping never holds an alert back: whatever is wrong with the table, a match is published.

use std::{
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
    dedup::{Claim, Decision, LEASE, Memory, Question},
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
    /// Whether the table failed in this invocation. The next invocation tries it again.
    degraded: bool,
}

/// Whether a match may be published.
pub enum Answer {
    Suppress,
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
        Claims { ledger: self, deadline, degraded: false }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claims<'_> {
    /// Asks whether the match may be published, and claims it if so.
    pub async fn claim(&mut self, pending: &PendingMatch) -> Answer {
        if !self.degraded {
            match self.claim_strictly(pending).await {
                Ok(answer) => return answer,
                Err(error) => self.degrade(&error),
            }
        }
        self.claim_in_memory(&pending.question(self.ledger.period))
    }

    /// Records that the claim's alert is published. If that fails, a duplicate of the alert may follow.
    pub async fn complete(&mut self, claim: &Claim) {
        if !self.degraded
            && let Err(error) = self.complete_strictly(claim).await
        {
            self.degrade(&error);
        }
        let mut memory = self.ledger.memory();
        if let Some(completed) = memory.load(claim.dedup_key()).completed(claim, now()) {
            memory.store(completed);
        }
    }

    /// [`Claims::claim`] without the fallback to memory.
    ///
    /// # Errors
    /// The table failed or was too slow.
    pub async fn claim_strictly(&self, pending: &PendingMatch) -> Result<Answer, TableError> {
        let question = pending.question(self.ledger.period);
        let claim = timeout(TABLE_TIMEOUT, self.claim_in_table(&question)).await;
        claim.unwrap_or_else(|_| Err(self.ledger.table.too_slow()))
    }

    /// [`Claims::complete`] without the fallback to memory.
    ///
    /// # Errors
    /// The table failed or was too slow.
    pub async fn complete_strictly(&self, claim: &Claim) -> Result<(), TableError> {
        let complete = timeout(TABLE_TIMEOUT, self.complete_in_table(claim)).await;
        complete.unwrap_or_else(|_| Err(self.ledger.table.too_slow()))
    }

    async fn claim_in_table(&self, question: &Question<'_>) -> Result<Answer, TableError> {
        loop {
            let known = self.ledger.table.load(question.dedup_key).await?;
            let decision = known.decide(question);
            // The table may become unavailable later.
            self.ledger.memory().store(known);
            match decision {
                Decision::Claim { .. } if self.is_late() => return Ok(Answer::NoTime),
                Decision::Claim { claim, document } => {
                    if self.ledger.table.store(&document).await? {
                        self.ledger.memory().store(document);
                        return Ok(Answer::Publish { claim, degraded: false });
                    }
                }
                Decision::Claimed { claim } => return Ok(Answer::Publish { claim, degraded: false }),
                Decision::Suppress => return Ok(Answer::Suppress),
                Decision::Wait { until } => return Ok(Answer::Wait(until)),
            }
        }
    }

    fn claim_in_memory(&self, question: &Question) -> Answer {
        let mut memory = self.ledger.memory();
        match memory.load(question.dedup_key).decide(question) {
            Decision::Claim { .. } if self.is_late() => Answer::NoTime,
            Decision::Claim { claim, document } => {
                memory.store(document);
                Answer::Publish { claim, degraded: true }
            }
            Decision::Claimed { claim } => Answer::Publish { claim, degraded: true },
            Decision::Suppress => Answer::Suppress,
            Decision::Wait { until } => Answer::Wait(until),
        }
    }

    async fn complete_in_table(&self, claim: &Claim) -> Result<(), TableError> {
        loop {
            let known = self.ledger.table.load(claim.dedup_key()).await?;
            match known.completed(claim, now()) {
                // Another process has taken over the claim, and publishes a duplicate.
                None => return Ok(()),
                Some(completed) if self.ledger.table.store(&completed).await? => return Ok(()),
                Some(_) => {}
            }
        }
    }

    /// A claim is made only if the time of a lease is left, so that the deadline cannot interrupt its owner.
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline < Instant::now() + LEASE)
    }

    fn degrade(&mut self, error: &TableError) {
        self.degraded = true;
        warn!("Deduplicating in memory for the rest of this invocation, which may duplicate alerts: {error}.");
    }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}
