//! Known incidents of a dedup key + a match + now → decision.
//!
//! The clock of an incident is `eventTime`, never the time of processing, so duplicates, retries and replays of a record
//! belong to the same incident as the record. The incidents of a dedup key are in one small document, which is changed by
//! compare-and-swap on its version. This module decides and does no I/O.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};

/// How long a claim excludes others: the time limits of a claim (3 s), related activity (2 s), a publish (10 s) and a
/// completion (3 s), and 7 s of clock skew.
pub const LEASE: Duration = Duration::from_secs(25);

/// 1,000 incidents take about 80 KB. A DynamoDB item can have 400 KB.
const MAX_INCIDENTS: usize = 1000;

/// A document is kept this long after its last change, so that a replay of a year's logs finds its incidents.
const KEPT_SECONDS: i64 = 400 * 24 * 60 * 60;

/// The known incidents of a dedup key. Times are in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub dedup_key: String,
    /// 0 if the table has no document yet.
    pub version: u64,
    pub expires_at: i64,
    incidents: Vec<Incident>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Incident {
    /// `eventTime` of the first match that was claimed.
    start: i64,
    #[serde(flatten)]
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum State {
    Alerted { alerted_at: i64 },
    Claimed { owner: String, until: i64 },
}

/// The question whether a match may be published.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    pub dedup_key: &'a str,
    /// `eventTime` of the match.
    pub event_time: i64,
    /// Random for each match, and the same each time it asks.
    pub token: &'a str,
    pub now: i64,
    pub period: Duration,
}

#[derive(Debug, PartialEq)]
pub enum Decision {
    /// The incident is alerted.
    Suppress,
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
    dedup_key: String,
    start: i64,
    token: String,
}

impl Claim {
    pub fn dedup_key(&self) -> &str {
        &self.dedup_key
    }

    /// `eventTime` of the incident's first match, in seconds since 1970.
    pub fn start(&self) -> i64 {
        self.start
    }
}

impl Document {
    /// The document of a dedup key without known incidents.
    pub fn unknown(dedup_key: &str) -> Document {
        Document { dedup_key: dedup_key.into(), version: 0, expires_at: 0, incidents: Vec::new() }
    }

    /// Decides on a match by the incidents less than one period before or after it.
    pub fn decide(&self, question: &Question) -> Decision {
        let period = i64::try_from(question.period.as_secs()).unwrap_or(i64::MAX);
        let near = || {
            let is_near = |incident: &&Incident| incident.start.abs_diff(question.event_time) < period.unsigned_abs();
            self.known(question.now).iter().filter(is_near)
        };
        let claim = |start| Claim { dedup_key: question.dedup_key.into(), start, token: question.token.into() };
        if near().any(|incident| matches!(incident.state, State::Alerted { .. })) {
            return Decision::Suppress;
        }
        let claims = || {
            near().filter_map(|incident| match &incident.state {
                State::Claimed { owner, until } => Some((incident.start, owner, *until)),
                State::Alerted { .. } => None,
            })
        };
        if let Some((start, ..)) = claims().find(|(_, owner, _)| *owner == question.token) {
            return Decision::Claimed { claim: claim(start) };
        }
        if let Some((.., until)) = claims().find(|(.., until)| question.now < *until) {
            return Decision::Wait { until };
        }
        // An owner whose lease has ended crashed. Its start is kept, so that the alert keeps its id.
        let start = claims().next().map_or(question.event_time, |(start, ..)| start);
        let until = question.now + LEASE.as_secs() as i64;
        let state = State::Claimed { owner: question.token.into(), until };
        Decision::Claim { claim: claim(start), document: self.with(Incident { start, state }, question.now) }
    }

    /// The document after the claim's alert was published. `None` if another process has taken over the claim.
    pub fn completed(&self, claim: &Claim, now: i64) -> Option<Document> {
        let is_ours = |incident: &&Incident| {
            incident.start == claim.start
                && matches!(&incident.state, State::Claimed { owner, .. } if *owner == claim.token)
        };
        let incident = self.known(now).iter().find(is_ours)?;
        Some(self.with(Incident { start: incident.start, state: State::Alerted { alerted_at: now } }, now))
    }

    /// DynamoDB deletes expired items late, so an expired document counts as deleted.
    fn known(&self, now: i64) -> &[Incident] {
        if self.expires_at <= now { &[] } else { &self.incidents }
    }

    fn with(&self, incident: Incident, now: i64) -> Document {
        let mut incidents: Vec<Incident> =
            self.known(now).iter().filter(|known| known.start != incident.start).cloned().collect();
        if incidents.len() >= MAX_INCIDENTS {
            // Forgetting an alerted incident can duplicate an alert. Forgetting a claim could lose one.
            let alerted = incidents.iter().enumerate().filter_map(|(at, incident)| match incident.state {
                State::Alerted { alerted_at } => Some((alerted_at, at)),
                State::Claimed { .. } => None,
            });
            if let Some((_, oldest)) = alerted.min() {
                incidents.swap_remove(oldest);
            }
        }
        incidents.push(incident);
        incidents.sort_by_key(|incident| incident.start);
        Document {
            dedup_key: self.dedup_key.clone(),
            version: self.version + 1,
            expires_at: now + KEPT_SECONDS,
            incidents,
        }
    }
}

/// The documents that this process has seen. Decisions use them while the table is unavailable.
#[derive(Default)]
pub struct Memory(HashMap<String, Document>);

/// Beyond this number all documents are forgotten, which can duplicate an alert but never lose one.
const MAX_DOCUMENTS: usize = 1000;

impl Memory {
    pub fn load(&self, dedup_key: &str) -> Document {
        self.0.get(dedup_key).cloned().unwrap_or_else(|| Document::unknown(dedup_key))
    }

    /// A newer known document stays: a table that can be read but not written falls behind.
    pub fn store(&mut self, document: Document) {
        if self.0.get(&document.dedup_key).is_some_and(|known| known.version > document.version) {
            return;
        }
        if self.0.len() >= MAX_DOCUMENTS && !self.0.contains_key(&document.dedup_key) {
            self.0.clear();
        }
        self.0.insert(document.dedup_key.clone(), document);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;
    const NOW: i64 = 1_700_000_000;

    fn question(event_time: i64, token: &str, now: i64) -> Question<'_> {
        Question { dedup_key: "k", event_time, token, now, period: Duration::from_secs(3600) }
    }

    fn claimed(decision: Decision) -> (Claim, Document) {
        match decision {
            Decision::Claim { claim, document } => (claim, document),
            other => panic!("{other:?}"),
        }
    }

    /// A document with an alerted match of that time.
    fn alerted(event_time: i64) -> Document {
        let (claim, document) = claimed(Document::unknown("k").decide(&question(event_time, "a", NOW)));
        document.completed(&claim, NOW).unwrap()
    }

    #[test]
    fn an_alerted_incident_suppresses_for_less_than_one_period_on_either_side() {
        // 10:07 alerts, 11:06 is suppressed, 11:07 alerts.
        let document = alerted(NOW);
        for minutes in [-59, 0, 59] {
            assert_eq!(document.decide(&question(NOW + minutes * MINUTE, "b", NOW)), Decision::Suppress, "{minutes}");
        }
        for minutes in [-60, 60] {
            let (claim, _) = claimed(document.decide(&question(NOW + minutes * MINUTE, "b", NOW)));
            assert_eq!(claim.start(), NOW + minutes * MINUTE);
        }
    }

    #[test]
    fn a_write_with_a_lost_response_is_recognized_by_its_token() {
        let (claim, document) = claimed(Document::unknown("k").decide(&question(NOW, "a", NOW)));
        assert_eq!(document.decide(&question(NOW, "a", NOW + 1)), Decision::Claimed { claim });
    }

    #[test]
    fn others_wait_for_a_live_lease_and_take_over_an_expired_one_with_its_start() {
        let (_, document) = claimed(Document::unknown("k").decide(&question(NOW, "a", NOW)));
        assert_eq!(document.decide(&question(NOW + MINUTE, "b", NOW + 24)), Decision::Wait { until: NOW + 25 });
        let (claim, document) = claimed(document.decide(&question(NOW + MINUTE, "b", NOW + 25)));
        assert_eq!((claim.start(), document.version), (NOW, 2));
    }

    #[test]
    fn an_owner_cannot_complete_a_claim_that_was_taken_over() {
        let (old, document) = claimed(Document::unknown("k").decide(&question(NOW, "a", NOW)));
        let (new, document) = claimed(document.decide(&question(NOW, "b", NOW + 25)));
        assert_eq!(document.completed(&old, NOW + 26), None);
        assert_eq!(
            document.completed(&new, NOW + 26).unwrap().decide(&question(NOW, "c", NOW + 27)),
            Decision::Suppress
        );
    }

    #[test]
    fn an_expired_document_counts_as_empty_but_keeps_its_version() {
        let document = alerted(NOW);
        let (_, renewed) = claimed(document.decide(&question(NOW, "b", document.expires_at)));
        assert_eq!((renewed.version, renewed.incidents.len()), (document.version + 1, 1));
    }

    #[test]
    fn a_full_document_forgets_the_oldest_alert_and_never_a_claim() {
        let mut document = Document::unknown("k");
        let (claim, first) = claimed(document.decide(&question(0, "first", NOW)));
        document = first;
        for n in 1..=1200 {
            let (claim, with_claim) = claimed(document.decide(&question(n * 3600, "a", NOW + n)));
            document = with_claim.completed(&claim, NOW + n).unwrap();
        }
        assert_eq!(document.incidents.len(), MAX_INCIDENTS);
        assert!(document.completed(&claim, NOW + 2000).is_some());
        let is_known = |n: i64| document.decide(&question(n * 3600, "b", NOW)) == Decision::Suppress;
        assert!(!is_known(1) && !is_known(201) && is_known(202) && is_known(1200));
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = Memory::default();
        (0..2500).for_each(|n| memory.store(Document::unknown(&n.to_string())));
        assert!(memory.0.len() <= MAX_DOCUMENTS);
    }

    #[test]
    fn the_stored_form_of_a_document_is_stable() {
        let (_, document) = claimed(alerted(NOW).decide(&question(NOW + 3600, "t", NOW)));
        assert_eq!(
            serde_json::to_value(&document).unwrap(),
            serde_json::json!({
                "dedup_key": "k", "version": 3, "expires_at": NOW + 400 * 86_400,
                "incidents": [{ "start": NOW, "alerted_at": NOW }, { "start": NOW + 3600, "owner": "t", "until": NOW + 25 }],
            })
        );
    }
}
