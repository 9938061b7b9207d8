//! Record or health event → match: what counts as a quarantine, or as a leak.
//!
//! A rule is a condition on parsed fields, its metadata, the needles that every matching record contains, and the cases
//! that show what it matches and what it does not. Each rule has its own file.

mod check;
mod denied;
mod enforced;
pub mod exposed;
mod facts;
mod outcome;
mod quarantined;
mod removed;
mod subject;

use std::{fmt, time::Duration as StdDuration};

use serde::Serialize;
use time::{Duration, OffsetDateTime};

pub use check::Check;
pub use exposed::Exposures;
pub use facts::{Actor, Entity, Evidence, Facts, Notice};
pub use outcome::{Grade, Outcome, Severity};
pub use subject::{EntityType, Policy};

use crate::{
    scan::{Needle, Needles},
    trail::record::Record,
    untrusted::{Untrusted, fingerprint},
};
use subject::Subject;

/// The clocks of AWS's services may differ from ours. A record from further in the future must not suppress a real one.
const MAX_AHEAD: Duration = Duration::minutes(5);

/// All rules on records. The first that accepts a record judges it. [`exposed::RULE`] is on events of AWS Health.
pub const ALL: [&Rule; 4] = [&quarantined::RULE, &removed::RULE, &denied::RULE, &enforced::RULE];

/// The rules that are switched on.
#[derive(Clone)]
pub struct Rules(Vec<&'static Rule>);

/// The rules that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionalRules {
    pub denied: bool,
    pub enforced: bool,
}

impl Default for OptionalRules {
    fn default() -> OptionalRules {
        OptionalRules { denied: true, enforced: true }
    }
}

/// The tags of every rule on an exposed key.
const EXPOSED_KEY_TAGS: &[&str] = &[
    "AWS",
    "Identity and Access Management",
    "Initial Access:Valid Accounts",
    "Credential Access:Unsecured Credentials",
];
/// Valid Accounts: Cloud Accounts, and Unsecured Credentials: Credentials In Files.
const EXPOSED_KEY_REPORTS: &[&str] = &["TA0001:T1078.004", "TA0006:T1552.001"];

/// A rule of the detector.
#[derive(Serialize)]
pub struct Rule {
    /// Never changes: people route on it, and it is part of every dedup key.
    pub id: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub tags: &'static [&'static str],
    /// MITRE ATT&CK, as `tactic:technique`.
    pub reports: &'static [&'static str],
    pub reference: &'static str,
    /// Every record that the condition accepts contains one of them.
    needles: &'static [Needle],
    /// Its own dedup period, whatever is configured.
    pub period_hours: Option<u32>,
    /// The alternative conditions. No record passes two of them.
    pub alternatives: &'static [Alternative],
}

/// One condition of a rule, and what a record, or other evidence, that passes it means.
#[derive(Serialize)]
#[serde(bound = "")]
pub struct Alternative<E: 'static = Record> {
    pub outcome: Outcome,
    pub severity: Grade,
    /// Distinguishes conditions with the same outcome.
    pub note: Option<&'static str>,
    pub checks: &'static [&'static Check<E>],
    #[serde(skip)]
    subject: fn(&E) -> Option<Subject>,
}

/// A record, or other evidence, that a rule accepted, reduced to its facts.
pub struct Match {
    pub rule: &'static Rule,
    pub outcome: Outcome,
    pub severity: Severity,
    pub policy: Option<Policy>,
    pub facts: Facts,
}

impl Rules {
    pub fn all() -> Rules {
        Rules::new(OptionalRules::default())
    }

    pub fn new(optional: OptionalRules) -> Rules {
        let is_on = |rule: &&Rule| {
            (optional.denied || rule.id != denied::RULE.id) && (optional.enforced || rule.id != enforced::RULE.id)
        };
        Rules(ALL.into_iter().filter(is_on).collect())
    }

    /// The match that a record makes, if a rule accepts it.
    pub fn judge(&self, record: Record) -> Option<Match> {
        let alternatives = self.0.iter().flat_map(|&rule| rule.alternatives.iter().map(move |each| (rule, each)));
        let (rule, alternative) = alternatives.into_iter().find(|(_, alternative)| alternative.accepts(&record))?;
        let subject = (alternative.subject)(&record)?;
        let severity = alternative.severity.of_call(record.is_aws_internal());
        let (facts, policy) = Facts::of_record(record, subject);
        Some(Match { rule, outcome: alternative.outcome, severity, policy, facts })
    }

    /// A text in every record that a rule accepts.
    pub fn needles(&self) -> Needles {
        Needles::new(self.each_needle())
    }

    /// The same, to be searched for together with others.
    pub fn each_needle(&self) -> impl Iterator<Item = Needle> {
        self.0.iter().flat_map(|rule| rule.needles).cloned()
    }
}

impl<E> Alternative<E> {
    pub fn accepts(&self, evidence: &E) -> bool {
        self.checks.iter().all(|check| check.passes(evidence))
    }
}

impl Match {
    /// The key that all matches of one incident share: rule, entity and outcome, and the caller where an attach by others must not
    /// suppress AWS's own. Each removal is an incident of its own. The policy's version is not part of it: V2 and V3 attached
    /// together are one incident. A record whose time cannot be used is identified by its event id.
    ///
    /// Printable ASCII of bounded length, whatever the record contains.
    pub fn dedup_key(&self, now: OffsetDateTime) -> String {
        let Facts { actor, evidence, .. } = &self.facts;
        if let Some(notice) = &evidence.notice {
            return self.communication(notice);
        }
        let record = || match &evidence.event_id {
            Some(id) => safe(id.identifier(), id),
            None => format!("sha256:{}", fingerprint(&evidence.raw)),
        };
        let mut key = format!("{}:{}:{}", self.rule.id, self.incident_key(), self.outcome);
        match (self.outcome, &evidence.request_id) {
            // Nobody else's attach may suppress AWS's own.
            (Outcome::Quarantined | Outcome::Failed, _) if !actor.is_aws() => key += ":by-hand",
            (Outcome::Removed, Some(id)) => key = format!("{key}:{}", safe(id.identifier(), id)),
            (Outcome::Removed, None) => return format!("{key}:{}", record()),
            _ => {}
        }
        match self.usable_time(now) {
            Some(_) => key,
            None => format!("{key}:{}", record()),
        }
    }

    /// The key of the document that has all incidents which this one depends on: those of its entity, whatever their rule and
    /// outcome. A communication of AWS Health depends on no other: an update may name the user that an earlier one did not.
    pub fn entity_key(&self) -> String {
        match &self.facts.evidence.notice {
            Some(notice) => self.communication(notice),
            None => format!("{}:{}", quarantined::RULE.id, self.incident_key()),
        }
    }

    /// What a communication of AWS Health is about. Its updates, backup copies and pages have it too.
    fn communication(&self, notice: &Notice) -> String {
        let Facts { account_id, actor, evidence, .. } = &self.facts;
        let id = [&notice.communication_id, &notice.event_arn, &evidence.event_id].into_iter().flatten().next();
        let id = id.map_or_else(|| format!("sha256:{}", fingerprint(&evidence.raw)), |id| safe(id.identifier(), id));
        let affected = notice.affected.as_ref().or(actor.access_key_id.as_ref());
        let affected = affected.map_or("account".into(), |value| safe(value.identifier(), value));
        format!("{}:{account_id}:communication:{id}:{}:{affected}", self.rule.id, self.outcome)
    }

    /// The event time, if the record has one that can be used for deduplication.
    pub fn usable_time(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.facts.event_time.filter(|time| *time <= now + MAX_AHEAD)
    }

    /// Whether matches of one dedup key that are apart in time may be two incidents. Otherwise the key alone identifies the
    /// incident.
    pub fn has_window(&self, now: OffsetDateTime) -> bool {
        self.facts.evidence.notice.is_none() && self.usable_time(now).is_some()
    }

    /// Whether AWS itself made the call, or reported the leak.
    pub fn is_by_aws(&self) -> bool {
        self.facts.actor.is_aws() || self.facts.evidence.notice.is_some()
    }

    /// The account and the entity, which the alerts of all channels about one leak share. Printable ASCII of bounded length.
    pub fn incident_key(&self) -> String {
        let Facts { account_id, entity, .. } = &self.facts;
        format!("{account_id}:{}:{}", entity.kind, safe(entity.name.iam_name(), &entity.name))
    }

    /// Whether it is published before others: there may not be time for all of them.
    pub fn is_urgent(&self) -> bool {
        self.severity == Severity::Critical || self.is_by_aws()
    }

    /// The dedup period of its incidents.
    pub fn period(&self, configured: StdDuration) -> StdDuration {
        self.rule.period_hours.map_or(configured, |hours| StdDuration::from_secs(u64::from(hours) * 3600))
    }

    /// A one-line summary, with the entity's name as the format shows it.
    pub fn title(&self, name: &str) -> String {
        let Facts { account_id, entity, actor, .. } = &self.facts;
        self.outcome.title(entity.kind, name, account_id, actor.access_key_id.as_ref())
    }
}

/// A value in a key: itself if it is safe, else its fingerprint.
fn safe(value: Option<&str>, untrusted: &Untrusted) -> String {
    value.map_or_else(|| format!("sha256:{}", untrusted.fingerprint()), str::to_owned)
}

/// Outcome, severity and note.
impl<E> fmt::Display for Alternative<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.outcome, self.severity)?;
        self.note.map_or(Ok(()), |note| write!(f, " ({note})"))
    }
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
