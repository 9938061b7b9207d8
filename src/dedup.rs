//! Known incidents of an entity + a match + now → decision.
//!
//! The clock of an incident is `eventTime`, never the time of processing, so duplicates, retries and replays of a record
//! belong to the same incident as the record. Everything known about an entity is in one small document, which is changed
//! by compare-and-swap on its version. This module decides and does no I/O.

mod document;
mod kind;
mod memory;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

pub use document::Document;
pub use memory::Memory;

/// How long a claim excludes others: the time limits of a claim (3 s), related activity (2 s), a publish (10 s) and a
/// completion (3 s), and 7 s of clock skew.
pub const LEASE: Duration = Duration::from_secs(25);

/// At most this many incidents of an entity are alerted within one period, those of AWS's own calls excepted: attaching and
/// detaching in a loop must not cost an alert each time.
pub const FLOOD_BOUND: usize = 10;

/// For a match that nothing else waits with.
pub static NO_REMOVALS: BTreeSet<i64> = BTreeSet::new();

/// The dedup key and the event time of a match.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentKey {
    /// All incidents of an entity are in one document.
    pub entity: String,
    /// The dedup key of the alert. It contains the outcome, after a colon.
    pub dedup_key: String,
    /// In seconds since 1970, 0 if the record has no readable time.
    pub event_time: i64,
    /// Whether event times apart from each other belong together. Otherwise the dedup key identifies the record.
    pub has_window: bool,
    /// Whether AWS made the call.
    pub by_aws: bool,
}

/// The question whether a match may be published.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    pub key: &'a IncidentKey,
    /// The event times of this entity's removals that are known, but not in the document yet.
    pub removals: &'a BTreeSet<i64>,
    /// Random for each match, and the same each time it asks.
    pub token: &'a str,
    pub now: i64,
    /// The dedup period of the match.
    pub period: Duration,
    /// The period that the flood bound counts in.
    pub flood_period: Duration,
}

#[derive(Debug, PartialEq)]
pub enum Decision {
    /// The incident is alerted.
    Suppress,
    /// The entity has had its alerts within this period. Store the document, if there is one.
    Flooded { document: Option<Document> },
    /// Another process has claimed it. Ask again after `until`, in seconds since 1970.
    Wait { until: i64 },
    /// Store the document. The claim holds once that succeeds.
    Claim { claim: Claim, document: Document },
    /// The claim is already stored: the response to an earlier write was lost.
    Claimed { claim: Claim },
}

/// The right to publish the alert of an incident until the lease ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    entity: String,
    dedup_key: String,
    start: i64,
    token: String,
    is_last: bool,
}

impl Claim {
    /// The key of the document.
    pub fn entity(&self) -> &str {
        &self.entity
    }

    pub fn dedup_key(&self) -> &str {
        &self.dedup_key
    }

    /// `eventTime` of the incident's first match, in seconds since 1970.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// Whether it reaches the flood bound: further incidents of this entity are not alerted within the period.
    pub fn is_last(&self) -> bool {
        self.is_last
    }
}
