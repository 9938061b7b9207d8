//! Matches of a rule that every call of a key may pass: they are counted, and only the first and the last of each hour are
//! kept.
//!
//! That is enough to decide on all of them, unless there was a removal within the hour. If the first and the last of an hour
//! belong to alerted incidents, so does each in between: it is less than a period from the start of one of these incidents.

use std::{
    cmp::Ordering,
    collections::{
        HashMap, HashSet,
        hash_map::Entry::{Occupied, Vacant},
    },
    mem,
};

use quarantine_alert::{alert::Occurrences, engine::pending::PendingMatch, rule::Outcome, trail::time::rfc3339};
use time::OffsetDateTime;

const HOUR: i64 = 3600;

/// Copies of a record are counted once, among this many of an entity.
const MAX_IDS: usize = 1_000_000;

#[derive(Default)]
pub struct Thinned {
    /// By dedup key and hour.
    kept: HashMap<(String, i64), Kept>,
    seen: HashMap<RowKey, Seen>,
}

/// All matches with one key are one row, whatever their time.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RowKey {
    entity: String,
    outcome: Outcome,
}

/// The first and the last match of an hour.
struct Kept {
    first: PendingMatch,
    last: Option<PendingMatch>,
}

/// The records of one row.
#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    count: u64,
    first: Option<OffsetDateTime>,
    last: Option<OffsetDateTime>,
}

impl RowKey {
    pub fn of(pending: &PendingMatch) -> RowKey {
        RowKey { entity: pending.key.entity.clone(), outcome: pending.matched.outcome }
    }
}

impl Thinned {
    /// Returns the bytes of the match that is not kept.
    pub fn add(&mut self, pending: PendingMatch) -> usize {
        self.seen.entry(RowKey::of(&pending)).or_default().add(&pending);
        match self.kept.entry((pending.key.dedup_key.clone(), pending.key.event_time / HOUR)) {
            Vacant(entry) => {
                entry.insert(Kept { first: pending, last: None });
                0
            }
            Occupied(mut entry) => entry.get_mut().add(pending),
        }
    }

    /// The number of different records.
    pub fn count(&self) -> u64 {
        self.seen.values().map(|seen| seen.count).sum()
    }

    pub fn finish(self) -> (Vec<PendingMatch>, HashMap<RowKey, Occurrences>) {
        let kept = self.kept.into_values().flat_map(|kept| [Some(kept.first), kept.last]).flatten();
        let occurrences = |seen: Seen| Occurrences {
            count: seen.count,
            first_event_time: seen.first.map(rfc3339),
            last_event_time: seen.last.map(rfc3339),
        };
        (kept.collect(), self.seen.into_iter().map(|(key, seen)| (key, occurrences(seen))).collect())
    }
}

impl Seen {
    fn add(&mut self, pending: &PendingMatch) {
        let id = pending.matched.facts.evidence.event_id.as_ref().map(|id| id.fingerprint());
        let is_copy = id.as_ref().is_some_and(|id| self.ids.contains(id));
        if is_copy {
            return;
        }
        if self.ids.len() < MAX_IDS {
            self.ids.extend(id);
        }
        let time = pending.matched.facts.event_time;
        self.count += 1;
        self.first = [self.first, time].into_iter().flatten().min();
        self.last = [self.last, time].into_iter().flatten().max();
    }
}

impl Kept {
    /// Returns the bytes of the match that is not kept. Among matches of one second, the first by its log file is kept, so
    /// that every run gives the same result.
    fn add(&mut self, pending: PendingMatch) -> usize {
        let order = |a: &PendingMatch, b: &PendingMatch| {
            a.key.event_time.cmp(&b.key.event_time).then_with(|| a.origin().cmp(&b.origin()))
        };
        let mut other = pending;
        if order(&other, &self.first) == Ordering::Less {
            mem::swap(&mut self.first, &mut other);
        }
        match &mut self.last {
            None => {
                self.last = Some(other);
                return 0;
            }
            Some(last) if order(last, &other) == Ordering::Less => mem::swap(last, &mut other),
            Some(_) => {}
        }
        other.bytes()
    }
}
