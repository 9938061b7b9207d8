//! A match that waits for its claim.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    dedup::{IncidentKey, Question},
    rule::{Match, Outcome},
    trail::log_file::LogFile,
};

/// A match with everything that its claim needs.
pub struct PendingMatch {
    pub matched: Match,
    pub key: IncidentKey,
    /// Identifies the claims of this match.
    pub token: String,
    /// The log file that contains the record. `None` if EventBridge delivered the record, or an event of AWS Health.
    pub log_file: Option<Arc<LogFile>>,
}

/// A text that no other match has: random for the process, and counted in it.
fn token() -> String {
    static PROCESS: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", *PROCESS, NEXT.fetch_add(1, Ordering::Relaxed))
}

impl PendingMatch {
    pub fn new(matched: Match, log_file: Option<Arc<LogFile>>) -> PendingMatch {
        let now = OffsetDateTime::now_utc();
        let key = IncidentKey {
            entity: matched.entity_key(),
            dedup_key: matched.dedup_key(now),
            event_time: matched.facts.event_time.map_or(0, OffsetDateTime::unix_timestamp),
            has_window: matched.has_window(now),
            by_aws: matched.is_by_aws(),
        };
        PendingMatch { key, token: token(), matched, log_file }
    }

    /// The question to its entity's document. `removals` are those that wait in this process, `period` is the configured one.
    pub fn question<'a>(&'a self, removals: &'a BTreeSet<i64>, period: Duration) -> Question<'a> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        Question {
            key: &self.key,
            removals,
            token: &self.token,
            now,
            period: self.matched.period(period),
            flood_period: period,
        }
    }

    /// Whether it is a removal, which ends the incidents of its entity.
    pub fn is_removal(&self) -> bool {
        self.matched.outcome == Outcome::Removed && self.key.has_window
    }

    /// The memory that it takes, about: the record as text and in fields.
    pub fn bytes(&self) -> usize {
        2 * self.matched.facts.evidence.raw.len() + 1024
    }

    /// Where the evidence comes from, for a log line.
    pub fn origin(&self) -> String {
        match (&self.log_file, &self.matched.facts.evidence.notice) {
            (Some(file), _) => file.to_string(),
            (None, Some(_)) => "an event of AWS Health".into(),
            (None, None) => "a record that EventBridge delivered".into(),
        }
    }
}
