//! Matches → incidents, by the function's own decisions, in the order of event time.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    time::Duration,
};

use quarantine_alert::{
    alert::Occurrences,
    config::DedupPeriod,
    dedup::{Claim, Decision, Document, NO_REMOVALS},
    engine::pending::PendingMatch,
    trail::time::rfc3339,
};
use time::OffsetDateTime;

use crate::matches::RowKey;

/// The first match of an incident.
pub struct FirstMatch {
    pub pending: PendingMatch,
    pub claim: Claim,
}

/// Sorts matches by event time, and duplicates of a record by their log file, so that every run gives the same result.
pub fn sort(matches: &mut [PendingMatch]) {
    matches.sort_by_cached_key(|pending| (pending.key.event_time, pending.origin()));
}

/// Groups sorted matches, and returns those that the function would have alerted. `documents` are the known incidents, by
/// entity.
pub fn group(
    matches: Vec<PendingMatch>,
    period: Duration,
    mut documents: HashMap<String, Document>,
) -> Vec<FirstMatch> {
    let mut incidents = Vec::new();
    for pending in matches {
        let known = documents.entry(pending.key.entity.clone()).or_insert_with_key(|key| Document::unknown(key));
        if let Decision::Claim { claim, document } = known.decide(&pending.question(&NO_REMOVALS, period)) {
            let now = OffsetDateTime::now_utc().unix_timestamp();
            *known = document.completed(&claim, now).unwrap_or(document);
            incidents.push(FirstMatch { pending, claim });
        }
    }
    incidents
}

/// The incidents of sorted matches, the newest first: it is asked about first. Where occurrences are counted, an incident is one
/// row, at its first match.
pub fn newest_first(matches: Vec<PendingMatch>, occurrences: &HashMap<RowKey, Occurrences>) -> Vec<FirstMatch> {
    let mut incidents = group(matches, DedupPeriod::default().duration(), HashMap::new());
    let mut rows = HashSet::new();
    incidents.retain(|incident| {
        let row = RowKey::of(&incident.pending);
        !occurrences.contains_key(&row) || rows.insert(row)
    });
    incidents.reverse();
    incidents.sort_by_cached_key(|incident| {
        let last = occurrences.get(&RowKey::of(&incident.pending)).and_then(|seen| seen.last_event_time.clone());
        Reverse(last.or(incident.pending.matched.facts.event_time.map(rfc3339)))
    });
    incidents
}
