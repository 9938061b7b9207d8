//! A match in line.

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{dedup::Question, log_file::LogFile, rule::Match};

/// A match with what its claim is made of.
pub struct Turn {
    /// The number of the item that it belongs to.
    pub item: usize,
    pub matched: Match,
    pub event_time: OffsetDateTime,
    pub dedup_key: String,
    /// Marks the claims of this match.
    pub token: String,
    /// Where its record stood; `None` where EventBridge delivered the record by itself.
    pub log_file: Option<Arc<LogFile>>,
}

impl Turn {
    pub fn new(item: usize, matched: Match, log_file: Option<Arc<LogFile>>) -> Turn {
        Turn {
            item,
            event_time: matched.record.event_time.unwrap_or_else(OffsetDateTime::now_utc),
            dedup_key: matched.dedup_key(),
            token: Uuid::new_v4().to_string(),
            matched,
            log_file,
        }
    }

    /// What is asked of its dedup key's document, now.
    pub fn question(&self, period: Duration) -> Question<'_> {
        Question {
            dedup_key: &self.dedup_key,
            event_time: self.event_time.unix_timestamp(),
            token: &self.token,
            now: OffsetDateTime::now_utc().unix_timestamp(),
            period,
        }
    }

    /// What it takes in memory: the record, as text and in fields.
    pub fn bytes(&self) -> usize {
        2 * self.matched.record.raw.get().len() + 1024
    }

    /// Where its record stood, for a log line.
    pub fn place(&self) -> String {
        self.log_file.as_ref().map_or_else(|| "a record that EventBridge delivered".into(), |file| file.to_string())
    }
}
