//! Matches → incidents, as the function groups them: by `dedup`, in the order of event time.

use std::{collections::HashMap, time::Duration};

use quarantine_alert::{
    dedup::{Claim, Decision, Document},
    handler::turn::Turn,
};
use time::OffsetDateTime;

/// The first match of an incident.
pub struct Incident {
    pub turn: Turn,
    pub claim: Claim,
}

/// Sorts matches as they happened; copies of a record by where they stood, so that every run says the same.
pub fn sort(turns: &mut [Turn]) {
    turns.sort_by_cached_key(|turn| (turn.event_time, turn.place()));
}

/// Groups sorted matches: each that the function would have alerted begins an incident. `documents` are what is
/// known already, by dedup key.
pub fn group(turns: Vec<Turn>, period: Duration, mut documents: HashMap<String, Document>) -> Vec<Incident> {
    let mut incidents = Vec::new();
    for turn in turns {
        let known = documents.entry(turn.dedup_key.clone()).or_insert_with_key(|key| Document::unknown(key));
        if let Decision::Claim { claim, document } = known.decide(&turn.question(period)) {
            let now = OffsetDateTime::now_utc().unix_timestamp();
            *known = document.completed(&claim, now).unwrap_or(document);
            incidents.push(Incident { turn, claim });
        }
    }
    incidents
}
