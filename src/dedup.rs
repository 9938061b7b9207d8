//! Known incidents of an entity + a match + now → decision.
//!
//! The clock of an incident is `eventTime`, never the time of processing, so duplicates, retries and replays of a record
//! belong to the same incident as the record. Everything known about an entity is in one small document, which is changed
//! by compare-and-swap on its version. This module decides and does no I/O.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};

/// How long a claim excludes others: the time limits of a claim (3 s), related activity (2 s), a publish (10 s) and a
/// completion (3 s), and 7 s of clock skew.
pub const LEASE: Duration = Duration::from_secs(25);

/// 1,000 incidents take at most 330 KB. A DynamoDB item can have 400 KB.
const MAX_INCIDENTS: usize = 1000;
const MAX_REMOVALS: usize = 100;

/// At most this many incidents of an entity are alerted within one period, those of AWS's own calls excepted: attaching and
/// detaching in a loop must not cost an alert each time.
pub const FLOOD_BOUND: usize = 10;

/// A document is kept this long after its last change, so that a replay of a year's logs finds its incidents.
const KEPT_SECONDS: i64 = 400 * 24 * 60 * 60;

/// The known incidents of an entity. Times are in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The entity's key.
    pub dedup_key: String,
    /// 0 if the table has no document yet.
    pub version: u64,
    pub expires_at: i64,
    incidents: Vec<Incident>,
    /// The event times of removals beyond the flood bound, which end incidents although nothing was sent for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removals: Vec<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Incident {
    /// The dedup key.
    key: String,
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

/// What the matches of an incident have in common, and where this one is in time.
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
    pub removals: &'a [i64],
    /// Random for each match, and the same each time it asks.
    pub token: &'a str,
    pub now: i64,
    pub period: Duration,
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

impl Document {
    /// The document of an entity without known incidents.
    pub fn unknown(entity: &str) -> Document {
        Document { dedup_key: entity.into(), version: 0, expires_at: 0, incidents: Vec::new(), removals: Vec::new() }
    }

    /// Decides on a match by the incidents of its key that it belongs to.
    pub fn decide(&self, question: &Question) -> Decision {
        let same = || self.known(question.now).iter().filter(|incident| self.is_same(incident, question));
        if same().any(|incident| matches!(incident.state, State::Alerted { .. })) {
            return Decision::Suppress;
        }
        let claims = || {
            same().filter_map(|incident| match &incident.state {
                State::Claimed { owner, until } => Some((incident.start, owner, *until)),
                State::Alerted { .. } => None,
            })
        };
        let claim = |start| self.claim(question, start);
        if let Some((start, ..)) = claims().find(|(_, owner, _)| *owner == question.token) {
            return Decision::Claimed { claim: claim(start) };
        }
        if let Some((.., until)) = claims().find(|(.., until)| question.now < *until) {
            return Decision::Wait { until };
        }
        let start = match claims().next() {
            // An owner whose lease has ended crashed. Its start is kept, so that the alert keeps its id.
            Some((start, ..)) => start,
            None => match self.flood(question) {
                Some(decision) => return decision,
                None => question.key.event_time,
            },
        };
        let until = question.now + LEASE.as_secs() as i64;
        let state = State::Claimed { owner: question.token.into(), until };
        let incident = Incident { key: question.key.dedup_key.clone(), start, state };
        Decision::Claim { claim: claim(start), document: self.with(incident, question.now) }
    }

    /// The decision, if it rests on alerted incidents alone, which are final. Then a copy of the document need not be current.
    pub fn final_decision(&self, question: &Question) -> Option<Decision> {
        match self.decide(question) {
            decision @ (Decision::Suppress | Decision::Flooded { document: None }) => Some(decision),
            _ => None,
        }
    }

    /// The document after the claim's alert was published. `None` if another process has taken over the claim.
    pub fn completed(&self, claim: &Claim, now: i64) -> Option<Document> {
        let is_ours = |incident: &&Incident| {
            incident.key == claim.dedup_key
                && incident.start == claim.start
                && matches!(&incident.state, State::Claimed { owner, .. } if *owner == claim.token)
        };
        let incident = self.known(now).iter().find(is_ours)?;
        Some(self.with(Incident { state: State::Alerted { alerted_at: now }, ..incident.clone() }, now))
    }

    /// Whether the match belongs to the incident: less than one period before or after it, with no removal in between.
    fn is_same(&self, incident: &Incident, question: &Question) -> bool {
        let IncidentKey { dedup_key, event_time, has_window, .. } = question.key;
        let is_near = || incident.start.abs_diff(*event_time) < question.period.as_secs();
        incident.key == *dedup_key && (!has_window || is_near() && !self.is_removed_between(incident.start, question))
    }

    /// A removal ends an incident, however soon the next one follows.
    fn is_removed_between(&self, start: i64, question: &Question) -> bool {
        let event_time = question.key.event_time;
        let between = start.min(event_time)..=start.max(event_time);
        // Duplicates have one time, even if the removal came within the same second.
        start != event_time
            && !is_removal(&question.key.dedup_key)
            && self.removals(question).any(|removal| between.contains(&removal))
    }

    /// The event times of all known removals.
    fn removals(&self, question: &Question) -> impl Iterator<Item = i64> {
        let known = self.known(question.now).iter().filter(|incident| is_removal(&incident.key));
        let flooded = if self.has_expired(question.now) { &[][..] } else { &self.removals };
        known.map(|incident| incident.start).chain(flooded.iter().copied()).chain(question.removals.iter().copied())
    }

    /// Decides on a match that would be one incident too many. Only alerts flood: a claim may yet be given up.
    fn flood(&self, question: &Question) -> Option<Decision> {
        if question.key.by_aws {
            return None;
        }
        let alerted = |incident: &Incident| matches!(incident.state, State::Alerted { .. });
        if self.neighbors(question, alerted) >= FLOOD_BOUND {
            return Some(Decision::Flooded { document: self.with_flooded(question) });
        }
        let until = |incident: &Incident| match incident.state {
            State::Claimed { until, .. } if question.now < until => Some(until),
            State::Claimed { .. } | State::Alerted { .. } => None,
        };
        if self.neighbors(question, |incident| alerted(incident) || until(incident).is_some()) < FLOOD_BOUND {
            return None;
        }
        let until = self.known(question.now).iter().filter_map(until).min()?;
        Some(Decision::Wait { until })
    }

    /// The document with a removal beyond the flood bound, if that ends an incident of AWS that nothing has ended yet.
    fn with_flooded(&self, question: &Question) -> Option<Document> {
        let IncidentKey { dedup_key, event_time, has_window, .. } = question.key;
        let ends = |incident: &Incident| {
            let since = incident.start + 1..=*event_time;
            !is_counted(&incident.key)
                && since.contains(event_time)
                && event_time.abs_diff(incident.start) < question.period.as_secs()
                && !self
                    .removals(&Question { removals: &[], ..question.clone() })
                    .any(|removal| since.contains(&removal))
        };
        if !is_removal(dedup_key) || !has_window || !self.known(question.now).iter().any(ends) {
            return None;
        }
        let mut removals = if self.has_expired(question.now) { Vec::new() } else { self.removals.clone() };
        removals.push(*event_time);
        removals.sort_unstable();
        removals.drain(..removals.len().saturating_sub(MAX_REMOVALS));
        Some(Document { version: self.version + 1, removals, ..self.clone() })
    }

    /// The most other incidents of this kind, those of AWS's own calls excepted, that any period around the match contains.
    fn neighbors(&self, question: &Question, is_of_kind: impl Fn(&Incident) -> bool) -> usize {
        let period = i64::try_from(question.period.as_secs()).unwrap_or(i64::MAX);
        let IncidentKey { dedup_key, event_time, .. } = question.key;
        let event_time = *event_time;
        // Records without a time are not near each other.
        let is_counted = |incident: &&Incident| {
            is_counted(&incident.key)
                && incident.start != 0
                && is_of_kind(incident)
                && (&incident.key, incident.start) != (dedup_key, event_time)
        };
        let starts: Vec<i64> =
            self.known(question.now).iter().filter(is_counted).map(|incident| incident.start).collect();
        let begins = starts.iter().copied().filter(|start| *start <= event_time).chain([event_time]);
        let periods = begins.filter(|begin| event_time - begin < period);
        let count = |begin: i64| starts.iter().filter(|start| **start >= begin && **start - begin < period).count();
        periods.map(count).max().unwrap_or(0)
    }

    fn claim(&self, question: &Question, start: i64) -> Claim {
        Claim {
            entity: self.dedup_key.clone(),
            dedup_key: question.key.dedup_key.clone(),
            start,
            token: question.token.into(),
            is_last: !question.key.by_aws && self.neighbors(question, |_| true) + 1 == FLOOD_BOUND,
        }
    }

    /// DynamoDB deletes expired items late, so an expired document counts as deleted.
    fn known(&self, now: i64) -> &[Incident] {
        if self.has_expired(now) { &[] } else { &self.incidents }
    }

    fn has_expired(&self, now: i64) -> bool {
        self.expires_at <= now
    }

    fn with(&self, incident: Incident, now: i64) -> Document {
        let is_other = |known: &&Incident| (&known.key, known.start) != (&incident.key, incident.start);
        let mut incidents: Vec<Incident> = self.known(now).iter().filter(is_other).cloned().collect();
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
            removals: if self.has_expired(now) { Vec::new() } else { self.removals.clone() },
        }
    }
}

/// Whether a dedup key is of a removal. Names in it have no colon.
fn is_removal(dedup_key: &str) -> bool {
    dedup_key.contains(":removed")
}

/// Whether an incident counts toward the flood bound: anyone can prompt it.
fn is_counted(dedup_key: &str) -> bool {
    is_removal(dedup_key) || dedup_key.contains(":by-hand")
}

/// The documents that this process has seen. Decisions use them while the table is unavailable, and alerted incidents in them
/// are final.
#[derive(Default)]
pub struct Memory(HashMap<String, Document>);

/// Beyond this number all documents are forgotten, which can duplicate an alert but never lose one.
const MAX_DOCUMENTS: usize = 1000;

impl Memory {
    pub fn load(&self, entity: &str) -> Document {
        self.0.get(entity).cloned().unwrap_or_else(|| Document::unknown(entity))
    }

    /// The decision on a match, if it is final and this version of its document, or an earlier one, is known.
    pub fn final_decision(&self, question: &Question, version: u64) -> Option<Decision> {
        let document = self.0.get(&question.key.entity).filter(|document| document.version <= version)?;
        document.final_decision(question)
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
    const QUARANTINED: &str = "rule:1:user:alice:quarantined";
    const BY_HAND: &str = "rule:1:user:alice:quarantined:by-hand";

    fn key(dedup_key: &str, event_time: i64) -> IncidentKey {
        let by_aws = !is_counted(dedup_key);
        IncidentKey { entity: "e".into(), dedup_key: dedup_key.into(), event_time, has_window: true, by_aws }
    }

    fn removal(event_time: i64) -> IncidentKey {
        key(&format!("removed-rule:1:user:alice:removed:r-{event_time}"), event_time)
    }

    fn question<'a>(key: &'a IncidentKey, token: &'a str, now: i64) -> Question<'a> {
        Question { key, removals: &[], token, now, period: Duration::from_secs(3600) }
    }

    fn claimed(decision: Decision) -> (Claim, Document) {
        match decision {
            Decision::Claim { claim, document } => (claim, document),
            other => panic!("{other:?}"),
        }
    }

    /// The document once a match is alerted, too.
    fn alert(document: &Document, key: &IncidentKey) -> Document {
        let (claim, document) = claimed(document.decide(&question(key, "a", NOW)));
        document.completed(&claim, NOW).unwrap()
    }

    fn alerted(keys: &[IncidentKey]) -> Document {
        keys.iter().fold(Document::unknown("e"), |document, key| alert(&document, key))
    }

    fn decide(document: &Document, key: &IncidentKey) -> Decision {
        document.decide(&question(key, "b", NOW))
    }

    #[test]
    fn an_alerted_incident_suppresses_for_less_than_one_period_on_either_side() {
        // 10:07 alerts, 11:06 is suppressed, 11:07 alerts.
        let document = alerted(&[key(QUARANTINED, NOW)]);
        for minutes in [-59, 0, 59] {
            assert_eq!(decide(&document, &key(QUARANTINED, NOW + minutes * MINUTE)), Decision::Suppress, "{minutes}");
        }
        for minutes in [-60, 60] {
            let (claim, _) = claimed(decide(&document, &key(QUARANTINED, NOW + minutes * MINUTE)));
            assert_eq!(claim.start(), NOW + minutes * MINUTE);
        }
    }

    #[test]
    fn an_attach_by_others_does_not_suppress_that_of_aws() {
        let document = alerted(&[key(BY_HAND, NOW)]);
        claimed(decide(&document, &key(QUARANTINED, NOW)));
    }

    #[test]
    fn a_removal_ends_an_incident_however_soon_the_next_one_follows() {
        let quarantined = key(QUARANTINED, NOW);
        let document = alerted(&[quarantined.clone(), removal(NOW + 10 * MINUTE)]);
        let again = key(QUARANTINED, NOW + 30 * MINUTE);
        claimed(decide(&document, &again));
        // Not for duplicates of the first, nor for what happened between it and its removal.
        assert_eq!(decide(&document, &quarantined), Decision::Suppress);
        assert_eq!(decide(&document, &key(QUARANTINED, NOW + 9 * MINUTE)), Decision::Suppress);
        // Nor does a removal of the same second make a duplicate an incident.
        let document = alerted(&[quarantined.clone(), removal(NOW)]);
        assert_eq!(decide(&document, &quarantined), Decision::Suppress);
        claimed(decide(&document, &again));
    }

    #[test]
    fn a_removal_that_waits_in_this_process_counts_as_known() {
        let document = alerted(&[key(QUARANTINED, NOW)]);
        let again = key(QUARANTINED, NOW + 30 * MINUTE);
        assert_eq!(decide(&document, &again), Decision::Suppress);
        let removals = [NOW + 10 * MINUTE];
        claimed(document.decide(&Question { removals: &removals, ..question(&again, "b", NOW) }));
    }

    #[test]
    fn attaching_and_detaching_in_a_loop_alerts_ten_times_a_period_and_aws_still_does() {
        let mut document = Document::unknown("e");
        let mut decisions = Vec::new();
        for n in 0..30 {
            let at = NOW + n * MINUTE;
            let key = if n % 2 == 0 { key(BY_HAND, at) } else { removal(at) };
            match decide(&document, &key) {
                Decision::Claim { claim, document: with_claim } => {
                    document = with_claim.completed(&claim, NOW).unwrap();
                    decisions.push(claim.is_last());
                }
                other => assert_eq!(other, Decision::Flooded { document: None }),
            }
        }
        // The tenth announces that no more follow.
        assert_eq!(decisions, [&[false; 9][..], &[true]].concat());
        claimed(decide(&document, &key(QUARANTINED, NOW + 20 * MINUTE)));
        claimed(decide(&document, &removal(NOW + 70 * MINUTE)));
        // In any order of arrival: a period that begins before the loop and ends within it is full, too.
        assert_eq!(decide(&document, &removal(NOW - 50 * MINUTE)), Decision::Flooded { document: None });
        claimed(decide(&document, &removal(NOW - 60 * MINUTE)));
    }

    #[test]
    fn a_removal_beyond_the_flood_bound_still_ends_an_incident_of_aws() {
        let removals: Vec<IncidentKey> = (0..10).map(|n| removal(NOW + n)).collect();
        let document = alert(&alerted(&removals), &key(QUARANTINED, NOW + 20 * MINUTE));
        let again = key(QUARANTINED, NOW + 25 * MINUTE);
        assert_eq!(decide(&document, &again), Decision::Suppress);
        let Decision::Flooded { document: Some(document) } = decide(&document, &removal(NOW + 21 * MINUTE)) else {
            panic!("it was forgotten");
        };
        let document = alert(&document, &again);
        assert_eq!(decide(&document, &key(QUARANTINED, NOW + 20 * MINUTE)), Decision::Suppress);
        // The first to end it is enough.
        assert_eq!(decide(&document, &removal(NOW + 22 * MINUTE)), Decision::Flooded { document: None });
    }

    #[test]
    fn only_alerts_flood() {
        let mut document = alerted(&(0..8).map(|n| removal(NOW + n)).collect::<Vec<_>>());
        let (ninth, with_claim) = claimed(document.decide(&question(&removal(NOW + 8), "ninth", NOW)));
        assert!(!ninth.is_last());
        document = with_claim;
        let (tenth, with_claim) = claimed(document.decide(&question(&removal(NOW + 9), "tenth", NOW)));
        assert!(tenth.is_last());
        document = with_claim;
        // The claims may yet fail, so one more waits for them, and is next if they do.
        let until = NOW + LEASE.as_secs() as i64;
        assert_eq!(document.decide(&question(&removal(NOW + 10), "b", NOW)), Decision::Wait { until });
        claimed(document.decide(&question(&removal(NOW + 10), "b", until)));
        // Who takes over the tenth announces the bound, and who takes over the ninth does not count it twice.
        let again = claimed(document.decide(&question(&removal(NOW + 9), "b", until))).0;
        assert!(again.is_last());
    }

    #[test]
    fn a_key_without_a_window_identifies_its_record_at_any_time() {
        let undated = IncidentKey { has_window: false, event_time: 0, ..key("rule:1:user:alice:quarantined:e-1", 0) };
        let document = alerted(std::slice::from_ref(&undated));
        assert_eq!(decide(&document, &undated), Decision::Suppress);
        let ahead = IncidentKey { event_time: NOW + 55 * MINUTE, ..undated.clone() };
        assert_eq!(decide(&document, &ahead), Decision::Suppress);
        claimed(decide(&document, &IncidentKey { dedup_key: "rule:1:user:alice:quarantined:e-2".into(), ..undated }));
        claimed(decide(&document, &key(QUARANTINED, NOW)));
    }

    #[test]
    fn a_write_with_a_lost_response_is_recognized_by_its_token() {
        let key = key(QUARANTINED, NOW);
        let (claim, document) = claimed(Document::unknown("e").decide(&question(&key, "a", NOW)));
        assert_eq!(document.decide(&question(&key, "a", NOW + 1)), Decision::Claimed { claim });
    }

    #[test]
    fn others_wait_for_a_live_lease_and_take_over_an_expired_one_with_its_start() {
        let (_, document) = claimed(Document::unknown("e").decide(&question(&key(QUARANTINED, NOW), "a", NOW)));
        let later = key(QUARANTINED, NOW + MINUTE);
        assert_eq!(document.decide(&question(&later, "b", NOW + 24)), Decision::Wait { until: NOW + 25 });
        let (claim, document) = claimed(document.decide(&question(&later, "b", NOW + 25)));
        assert_eq!((claim.start(), document.version), (NOW, 2));
    }

    #[test]
    fn an_owner_cannot_complete_a_claim_that_was_taken_over() {
        let key = key(QUARANTINED, NOW);
        let (old, document) = claimed(Document::unknown("e").decide(&question(&key, "a", NOW)));
        let (new, document) = claimed(document.decide(&question(&key, "b", NOW + 25)));
        assert_eq!(document.completed(&old, NOW + 26), None);
        let document = document.completed(&new, NOW + 26).unwrap();
        assert_eq!(document.decide(&question(&key, "c", NOW + 27)), Decision::Suppress);
    }

    #[test]
    fn an_expired_document_counts_as_empty_but_keeps_its_version() {
        let key = key(QUARANTINED, NOW);
        let document = alerted(std::slice::from_ref(&key));
        let (_, renewed) = claimed(document.decide(&question(&key, "b", document.expires_at)));
        assert_eq!((renewed.version, renewed.incidents.len()), (document.version + 1, 1));
    }

    #[test]
    fn a_full_document_forgets_the_oldest_alert_and_never_a_claim() {
        let mut document = Document::unknown("e");
        let (claim, first) = claimed(document.decide(&question(&key(QUARANTINED, 0), "first", NOW)));
        document = first;
        for n in 1..=1200 {
            let (claim, with_claim) = claimed(document.decide(&question(&key(QUARANTINED, n * 3600), "a", NOW + n)));
            document = with_claim.completed(&claim, NOW + n).unwrap();
        }
        assert_eq!(document.incidents.len(), MAX_INCIDENTS);
        assert!(document.completed(&claim, NOW + 2000).is_some());
        let is_known = |n: i64| decide(&document, &key(QUARANTINED, n * 3600)) == Decision::Suppress;
        assert!(!is_known(1) && !is_known(201) && is_known(202) && is_known(1200));
    }

    #[test]
    fn memory_is_bounded_and_knows_what_is_alerted() {
        let mut memory = Memory::default();
        let key = key(QUARANTINED, NOW);
        let (claim, document) = claimed(Document::unknown("e").decide(&question(&key, "a", NOW)));
        memory.store(document.clone());
        assert_eq!(memory.final_decision(&question(&key, "b", NOW), 1), None, "a claim is not final");
        memory.store(document.completed(&claim, NOW).unwrap());
        assert_eq!(memory.final_decision(&question(&key, "b", NOW), 2), Some(Decision::Suppress));
        // What this process did without the table may hide what others did.
        assert_eq!(memory.final_decision(&question(&key, "b", NOW), 1), None);
        (0..2500).for_each(|n| memory.store(Document::unknown(&n.to_string())));
        assert!(memory.0.len() <= MAX_DOCUMENTS);
    }

    #[test]
    fn the_stored_form_of_a_document_is_stable() {
        let later = key(QUARANTINED, NOW + 3600);
        let (_, document) = claimed(alerted(&[key(QUARANTINED, NOW)]).decide(&question(&later, "t", NOW)));
        assert_eq!(
            serde_json::to_value(&document).unwrap(),
            serde_json::json!({
                "dedup_key": "e", "version": 3, "expires_at": NOW + 400 * 86_400,
                "incidents": [
                    { "key": QUARANTINED, "start": NOW, "alerted_at": NOW },
                    { "key": QUARANTINED, "start": NOW + 3600, "owner": "t", "until": NOW + 25 },
                ],
            })
        );
    }
}
