//! Who may publish: the dedup table, or this process's memory for as long as the table is away.
//!
//! An alert is never held back by its bookkeeping: whatever is wrong with the table, a match is published.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use time::OffsetDateTime;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::turn::Turn;
use crate::{
    aws::dedup_table::{DedupTable, TableError},
    dedup::{Claim, Decision, LEASE, Memory, Question},
};

/// What one claim, or one completion, may take.
const TABLE_TIMEOUT: Duration = Duration::from_secs(3);

/// What is known about incidents.
pub struct Ledger {
    table: DedupTable,
    memory: Mutex<Memory>,
    period: Duration,
}

/// The claims of one invocation.
pub struct Claims<'l> {
    ledger: &'l Ledger,
    deadline: Instant,
    /// Whether the table failed in this invocation; the next invocation tries it again.
    degraded: bool,
}

pub enum Answer {
    Suppress,
    /// Another works on it until then, in seconds since 1970.
    Wait(i64),
    /// Too little time is left to publish within a lease.
    NoTime,
    Publish {
        claim: Claim,
        degraded: bool,
    },
}

impl Ledger {
    pub fn new(table: DedupTable, period: Duration) -> Ledger {
        Ledger { table, memory: Mutex::default(), period }
    }

    /// For one invocation.
    pub fn open(&self, deadline: Instant) -> Claims<'_> {
        Claims { ledger: self, deadline, degraded: false }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claims<'_> {
    /// Asks whether the match may be published, and claims it if so.
    pub async fn claim(&mut self, turn: &Turn) -> Answer {
        if !self.degraded {
            match self.claim_strictly(turn).await {
                Ok(answer) => return answer,
                Err(error) => self.degrade(&error),
            }
        }
        self.claim_in_memory(&turn.question(self.ledger.period))
    }

    /// Says that the claim's alert is out. Where that cannot be said, a copy of the alert may follow.
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

    /// As [`Claims::claim`], in the table alone.
    ///
    /// # Errors
    /// The table cannot be used, or took too long.
    pub async fn claim_strictly(&self, turn: &Turn) -> Result<Answer, TableError> {
        let question = turn.question(self.ledger.period);
        let claim = timeout(TABLE_TIMEOUT, self.claim_in_table(&question)).await;
        claim.unwrap_or_else(|_| Err(self.ledger.table.too_slow()))
    }

    /// As [`Claims::complete`], in the table alone.
    ///
    /// # Errors
    /// The table cannot be used, or took too long.
    pub async fn complete_strictly(&self, claim: &Claim) -> Result<(), TableError> {
        let complete = timeout(TABLE_TIMEOUT, self.complete_in_table(claim)).await;
        complete.unwrap_or_else(|_| Err(self.ledger.table.too_slow()))
    }

    async fn claim_in_table(&self, question: &Question<'_>) -> Result<Answer, TableError> {
        loop {
            let known = self.ledger.table.load(question.dedup_key).await?;
            let decision = known.decide(question);
            // So that the memory knows of it, should the table go away.
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
                // Another has taken the claim over, and publishes a copy.
                None => return Ok(()),
                Some(completed) if self.ledger.table.store(&completed).await? => return Ok(()),
                Some(_) => {}
            }
        }
    }

    /// A claim is made only while the time of a lease is left: its owner must not be cut off in its midst.
    fn is_late(&self) -> bool {
        self.deadline < Instant::now() + LEASE
    }

    fn degrade(&mut self, error: &TableError) {
        self.degraded = true;
        warn!("Deduplicating in memory for the rest of this invocation, so that copies may go out: {error}.");
    }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}
