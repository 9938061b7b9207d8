//! Matches of a rule that every call of a key may pass: they are counted, and only the first and the last of each hour are
//! kept.
//!
//! That is enough to decide on all of them. If the first and the last of an hour belong to alerted incidents, so does each in
//! between: it is less than a period from the start of one of these incidents.

use std::collections::{
    HashMap,
    hash_map::Entry::{Occupied, Vacant},
};

use quarantine_alert::{alert::Occurrences, engine::pending::PendingMatch, trail::time::rfc3339};
use time::OffsetDateTime;

const HOUR: i64 = 3600;

#[derive(Default)]
pub struct Thinned {
    /// By dedup key and hour.
    kept: HashMap<(String, i64), Kept>,
    seen: HashMap<String, Seen>,
}

/// The first and the last match of an hour.
struct Kept {
    first: PendingMatch,
    last: Option<PendingMatch>,
}

/// The matches of one dedup key.
struct Seen {
    count: u64,
    first: Option<OffsetDateTime>,
    last: Option<OffsetDateTime>,
}

impl Thinned {
    /// Returns the bytes of the match that is not kept.
    pub fn add(&mut self, pending: PendingMatch) -> usize {
        let time = pending.matched.facts.event_time;
        let seen = self.seen.entry(pending.key.dedup_key.clone()).or_insert(Seen { count: 0, first: time, last: time });
        seen.count += 1;
        seen.first = [seen.first, time].into_iter().flatten().min();
        seen.last = [seen.last, time].into_iter().flatten().max();
        match self.kept.entry((pending.key.dedup_key.clone(), pending.key.event_time / HOUR)) {
            Vacant(entry) => {
                entry.insert(Kept { first: pending, last: None });
                0
            }
            Occupied(mut entry) => entry.get_mut().add(pending),
        }
    }

    pub fn count(&self) -> u64 {
        self.seen.values().map(|seen| seen.count).sum()
    }

    pub fn finish(self) -> (Vec<PendingMatch>, HashMap<String, Occurrences>) {
        let kept = self.kept.into_values().flat_map(|kept| [Some(kept.first), kept.last]).flatten();
        let occurrences = |seen: Seen| Occurrences {
            count: seen.count,
            first_event_time: seen.first.map(rfc3339),
            last_event_time: seen.last.map(rfc3339),
        };
        (kept.collect(), self.seen.into_iter().map(|(key, seen)| (key, occurrences(seen))).collect())
    }
}

impl Kept {
    /// Returns the bytes of the match that is not kept. Among matches of one second, the first by its log file is kept, so
    /// that every run gives the same result.
    fn add(&mut self, pending: PendingMatch) -> usize {
        let rank = |pending: &PendingMatch| (pending.key.event_time, pending.origin());
        let mut other = pending;
        if rank(&other) < rank(&self.first) {
            std::mem::swap(&mut self.first, &mut other);
        }
        match &mut self.last {
            None => {
                self.last = Some(other);
                return 0;
            }
            Some(last) if rank(last) < rank(&other) => std::mem::swap(last, &mut other),
            Some(_) => {}
        }
        other.bytes()
    }
}
