//! A match that waits for its claim.

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{dedup::Question, rule::Match, trail::log_file::LogFile};

/// A match with everything that its claim needs.
pub struct PendingMatch {
    pub matched: Match,
    pub event_time: OffsetDateTime,
    pub dedup_key: String,
    /// Identifies the claims of this match.
    pub token: String,
    /// The log file that contains the record. `None` if EventBridge delivered the record alone.
    pub log_file: Option<Arc<LogFile>>,
}

impl PendingMatch {
    /// A record without a readable time counts as of `undated`.
    pub fn new(matched: Match, log_file: Option<Arc<LogFile>>, undated: OffsetDateTime) -> PendingMatch {
        PendingMatch {
            event_time: matched.facts.event_time.unwrap_or(undated),
            dedup_key: matched.dedup_key(),
            token: Uuid::new_v4().to_string(),
            matched,
            log_file,
        }
    }

    /// The question to its dedup key's document.
    pub fn question(&self, period: Duration) -> Question<'_> {
        Question {
            dedup_key: &self.dedup_key,
            event_time: self.event_time.unix_timestamp(),
            token: &self.token,
            now: OffsetDateTime::now_utc().unix_timestamp(),
            period,
        }
    }

    /// The memory that it takes, about: the record as text and in fields.
    pub fn bytes(&self) -> usize {
        2 * self.matched.facts.evidence.raw.get().len() + 1024
    }

    /// Where the record comes from, for a log line.
    pub fn origin(&self) -> String {
        self.log_file.as_ref().map_or_else(|| "a record that EventBridge delivered".into(), |file| file.to_string())
    }
}
