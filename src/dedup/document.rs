//! The known incidents of one entity, and the decision on one of its matches.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{
    Claim, Decision, FLOOD_BOUND, IncidentKey, LEASE, Question,
    kind::{is_bounded, is_counted, is_removal, kind},
};

/// 1,000 incidents take at most 390 KB. A DynamoDB item can have 400 KB.
pub(super) const MAX_INCIDENTS: usize = 1000;
const MAX_REMOVALS: usize = 100;
/// A claim is larger than an alert. More claims than these were given up: at most five functions run at once.
pub(super) const MAX_CLAIMS: usize = 500;

/// A document is kept this long after its last change, so that a replay of a year's logs finds its incidents.
const KEPT_SECONDS: i64 = 400 * 24 * 60 * 60;

/// The known incidents of an entity. Times are in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The entity's key.
    pub dedup_key: String,
    /// 0 if the table has no document yet.
    #[serde(deserialize_with = "version")]
    pub version: u64,
    pub expires_at: i64,
    pub(super) incidents: Vec<Incident>,
    /// The event times of removals that end incidents, but are not among the incidents: those beyond the flood bound, for which
    /// nothing was sent, and those that a full document has forgotten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removals: Vec<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Incident {
    /// The dedup key.
    pub(super) key: String,
    /// `eventTime` of the first match that was claimed.
    start: i64,
    /// Whether the dedup key identifies the record, since its time cannot be used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    untimed: bool,
    #[serde(flatten)]
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum State {
    Alerted { alerted_at: i64 },
    Claimed { owner: String, until: i64 },
}

/// Each change adds one to it, so that no document of this program gets here. Another must not make the next version overflow.
const MAX_VERSION: u64 = 1 << 53;

fn version<'de, D: Deserializer<'de>>(json: D) -> Result<u64, D::Error> {
    match u64::deserialize(json)? {
        version if version > MAX_VERSION => Err(D::Error::custom(format!("its version {version} is out of range"))),
        version => Ok(version),
    }
}

impl Incident {
    fn is_alerted(&self) -> bool {
        matches!(self.state, State::Alerted { .. })
    }

    /// Whether it was alerted less than a period ago, or is not alerted yet.
    fn is_recent(&self, now: i64, period: Duration) -> bool {
        match self.state {
            State::Alerted { alerted_at } => now.abs_diff(alerted_at) < period.as_secs(),
            State::Claimed { .. } => true,
        }
    }

    /// Until when another process may alert it, in seconds since 1970. `None` if it is alerted or its claim was given up.
    fn lease(&self, now: i64) -> Option<i64> {
        match self.state {
            State::Claimed { until, .. } if now < until => Some(until),
            State::Claimed { .. } | State::Alerted { .. } => None,
        }
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
        if same().any(Incident::is_alerted) {
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
        // An owner whose lease has ended crashed. Its start is kept, so that the alert keeps its id.
        let start = claims().next().map_or(question.key.event_time, |(start, ..)| start);
        if let Some(decision) = self.flood(question, start) {
            return decision;
        }
        let until = question.now + LEASE.as_secs() as i64;
        let state = State::Claimed { owner: question.token.into(), until };
        let incident =
            Incident { key: question.key.dedup_key.clone(), start, untimed: !question.key.has_window, state };
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
            && (question.removals.range(between.clone()).next().is_some()
                || self.removals(question.now).any(|removal| between.contains(&removal)))
    }

    /// The event times of the removals in the document.
    fn removals(&self, now: i64) -> impl Iterator<Item = i64> {
        let known = self.known(now).iter().filter(|incident| is_removal(&incident.key) && !incident.untimed);
        let flooded = if self.has_expired(now) { &[][..] } else { &self.removals };
        known.map(|incident| incident.start).chain(flooded.iter().copied())
    }

    /// Decides on a match that would be one incident too many. Only alerts flood: a claim may yet be given up.
    fn flood(&self, question: &Question, start: i64) -> Option<Decision> {
        if !is_bounded(question.key) {
            return None;
        }
        if self.neighbors(question, start, Incident::is_alerted) >= FLOOD_BOUND {
            return Some(Decision::Flooded { document: self.with_flooded(question) });
        }
        let lease = |incident: &Incident| incident.lease(question.now);
        if self.neighbors(question, start, |incident| incident.is_alerted() || lease(incident).is_some()) < FLOOD_BOUND
        {
            return None;
        }
        let until = self.known(question.now).iter().filter_map(lease).min()?;
        Some(Decision::Wait { until })
    }

    /// The document with a removal beyond the flood bound, if that ends an incident of AWS that nothing has ended yet.
    fn with_flooded(&self, question: &Question) -> Option<Document> {
        let IncidentKey { dedup_key, event_time, has_window, .. } = question.key;
        let ends = |incident: &Incident| {
            let since = incident.start..=*event_time;
            !is_counted(&incident.key)
                && !since.is_empty()
                && event_time.abs_diff(incident.start) < question.flood_period.as_secs()
                && !self.removals(question.now).any(|removal| since.contains(&removal))
        };
        if !is_removal(dedup_key) || !has_window || !self.known(question.now).iter().any(ends) {
            return None;
        }
        let mut removals = self.removals.clone();
        remember(&mut removals, *event_time);
        Some(Document { version: self.version + 1, removals, ..self.clone() })
    }

    /// The number of other incidents in these states that count toward the flood bound together with the match.
    fn neighbors(&self, question: &Question, own_start: i64, is_in_state: impl Fn(&Incident) -> bool) -> usize {
        let IncidentKey { dedup_key, has_window, .. } = question.key;
        let others = self.known(question.now).iter().filter(|incident| {
            is_in_state(incident)
                && incident.untimed != *has_window
                && (&incident.key, incident.start) != (dedup_key, own_start)
        });
        if *has_window {
            let counted = others.filter(|incident| is_counted(&incident.key)).map(|incident| incident.start);
            return most_in_a_period(&counted.collect::<Vec<_>>(), own_start, question.flood_period);
        }
        // These records have no time, so the times of their alerts count. Each outcome and caller has a bound of its own.
        let is_alike = |incident: &&Incident| kind(&incident.key) == kind(dedup_key);
        others.filter(is_alike).filter(|incident| incident.is_recent(question.now, question.flood_period)).count()
    }

    fn claim(&self, question: &Question, start: i64) -> Claim {
        let counts = |incident: &Incident| incident.is_alerted() || incident.lease(question.now).is_some();
        Claim {
            entity: self.dedup_key.clone(),
            dedup_key: question.key.dedup_key.clone(),
            start,
            token: question.token.into(),
            is_last: is_bounded(question.key) && self.neighbors(question, start, counts) + 1 == FLOOD_BOUND,
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
        let mut removals = if self.has_expired(now) { Vec::new() } else { self.removals.clone() };
        let abandoned = incidents.iter().enumerate().filter_map(|(at, incident)| match incident.state {
            State::Claimed { until, .. } if until <= now => Some((until, at)),
            State::Claimed { .. } | State::Alerted { .. } => None,
        });
        // Its owner crashed, so its match returns from the queue and claims anew.
        if abandoned.clone().count() >= MAX_CLAIMS
            && let Some((_, oldest)) = abandoned.min()
        {
            incidents.swap_remove(oldest);
        }
        if incidents.len() >= MAX_INCIDENTS {
            // Forgetting an alerted incident can duplicate an alert. Forgetting a claim could lose one.
            let alerted = incidents.iter().enumerate().filter_map(|(at, incident)| match incident.state {
                State::Alerted { alerted_at } => Some((alerted_at, at)),
                State::Claimed { .. } => None,
            });
            if let Some((_, oldest)) = alerted.min() {
                let forgotten = incidents.swap_remove(oldest);
                // Forgetting when a removal was could suppress the quarantine after it.
                if is_removal(&forgotten.key) && !forgotten.untimed {
                    remember(&mut removals, forgotten.start);
                }
            }
        }
        incidents.push(incident);
        incidents.sort_by_key(|incident| incident.start);
        Document {
            dedup_key: self.dedup_key.clone(),
            version: self.version + 1,
            expires_at: now + KEPT_SECONDS,
            incidents,
            removals,
        }
    }
}

/// Adds the time of a removal to the newest ones.
fn remember(removals: &mut Vec<i64>, event_time: i64) {
    removals.push(event_time);
    removals.sort_unstable();
    removals.drain(..removals.len().saturating_sub(MAX_REMOVALS));
}

/// The most of these starts that any period around a start contains.
fn most_in_a_period(starts: &[i64], own_start: i64, period: Duration) -> usize {
    let period = period.as_secs();
    let begins = starts.iter().copied().filter(|start| *start <= own_start).chain([own_start]);
    let periods = begins.filter(|begin| own_start.abs_diff(*begin) < period);
    let count = |begin: i64| starts.iter().filter(|start| **start >= begin && start.abs_diff(begin) < period).count();
    periods.map(count).max().unwrap_or(0)
}
