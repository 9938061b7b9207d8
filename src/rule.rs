//! Record → match: what counts as a quarantine.
//!
//! A rule is a condition on parsed fields, its metadata, the needles that every matching record contains, and the cases
//! that show what it matches and what it does not. Each rule has its own file.

mod check;
mod denied;
mod enforced;
mod facts;
mod quarantined;
mod removed;
mod subject;

use std::{fmt, time::Duration as StdDuration};

use serde::{Serialize, Serializer};
use time::{Duration, OffsetDateTime};

pub use check::Check;
pub use facts::{Actor, Entity, Evidence, Facts};
pub use subject::{EntityType, Policy};

use crate::{
    scan::{Needle, Needles},
    trail::record::Record,
    untrusted::{Untrusted, fingerprint},
};
use subject::Subject;

/// The clocks of AWS's services may differ from ours. A record from further in the future must not suppress a real one.
const MAX_AHEAD: Duration = Duration::minutes(5);

/// All rules. The first that accepts a record judges it.
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

/// One condition of a rule, and what a record that passes it means.
#[derive(Serialize)]
pub struct Alternative {
    pub outcome: Outcome,
    pub severity: Grade,
    /// Distinguishes conditions with the same outcome.
    pub note: Option<&'static str>,
    pub checks: &'static [&'static Check],
    #[serde(skip)]
    subject: fn(&Record) -> Option<Subject>,
}

/// A record that a rule accepted, reduced to its facts.
pub struct Match {
    pub rule: &'static Rule,
    pub outcome: Outcome,
    pub severity: Severity,
    pub policy: Option<Policy>,
    pub facts: Facts,
}

/// What happened to the entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The quarantine policy is attached.
    Quarantined,
    /// Attaching it failed: the key is exposed, and may not be contained.
    Failed,
    /// The quarantine policy is detached.
    Removed,
    /// AWS was denied a call that looks like an attach: the key may be exposed, and is not contained.
    Denied,
    /// The quarantine policy denied a call: the credentials are in use.
    Enforced,
}

/// In ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    Medium,
    High,
    Critical,
}

/// How the severity follows from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    Always(Severity),
    ByCaller { aws: Severity, others: Severity },
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

impl Alternative {
    pub fn accepts(&self, record: &Record) -> bool {
        self.checks.iter().all(|check| check.passes(record))
    }
}

impl Grade {
    fn of_call(self, is_aws_internal: bool) -> Severity {
        match self {
            Grade::Always(severity) => severity,
            Grade::ByCaller { aws, others } => {
                if is_aws_internal {
                    aws
                } else {
                    others
                }
            }
        }
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
        let record = || match &evidence.event_id {
            Some(id) => safe(id.identifier(), id),
            None => format!("sha256:{}", fingerprint(evidence.raw.get())),
        };
        let mut key = format!("{}:{}:{}", self.rule.id, self.entity(), self.outcome);
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

    /// The key that all incidents of one entity share, whatever their rule and outcome.
    pub fn entity_key(&self) -> String {
        format!("{}:{}", quarantined::RULE.id, self.entity())
    }

    /// The event time, if the record has one that can be used for deduplication.
    pub fn usable_time(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.facts.event_time.filter(|time| *time <= now + MAX_AHEAD)
    }

    fn entity(&self) -> String {
        let Facts { account_id, entity, .. } = &self.facts;
        format!("{account_id}:{}:{}", entity.kind, safe(entity.name.iam_name(), &entity.name))
    }

    /// Whether it is published before others: there may not be time for all of them.
    pub fn is_urgent(&self) -> bool {
        self.severity == Severity::Critical || self.facts.actor.is_aws()
    }

    /// The dedup period of its incidents.
    pub fn period(&self, configured: StdDuration) -> StdDuration {
        self.rule.period_hours.map_or(configured, |hours| StdDuration::from_secs(u64::from(hours) * 3600))
    }

    /// A one-line summary, with the entity's name as the format shows it.
    pub fn title(&self, name: &str) -> String {
        self.outcome.title(self.facts.entity.kind, name, &self.facts.account_id)
    }
}

/// A value in a key: itself if it is safe, else its fingerprint.
fn safe(value: Option<&str>, untrusted: &Untrusted) -> String {
    value.map_or_else(|| format!("sha256:{}", untrusted.fingerprint()), str::to_owned)
}

impl Outcome {
    /// A one-line summary.
    pub fn title(self, kind: EntityType, name: &str, account: &str) -> String {
        match self {
            Outcome::Quarantined => format!("IAM {kind} {name} quarantined in account {account}"),
            Outcome::Failed => format!("Quarantine of IAM {kind} {name} FAILED in account {account}"),
            Outcome::Removed => format!("Quarantine of IAM {kind} {name} REMOVED in account {account}"),
            Outcome::Denied => format!("Quarantine of IAM {kind} {name} possibly denied in account {account}"),
            Outcome::Enforced => format!("Quarantined IAM {} {name} STILL IN USE in account {account}", kind.noun()),
        }
    }
}

/// Outcome, severity and note.
impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.outcome, self.severity)?;
        self.note.map_or(Ok(()), |note| write!(f, " ({note})"))
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grade::Always(severity) => severity.fmt(f),
            Grade::ByCaller { aws, others } => write!(f, "{aws} if AWS made the call, else {others}"),
        }
    }
}

impl Serialize for Grade {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// As the alert spells it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Quarantined => "quarantined",
            Outcome::Failed => "failed",
            Outcome::Removed => "removed",
            Outcome::Denied => "denied",
            Outcome::Enforced => "enforced",
        })
    }
}

/// As the alert spells it.
impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Medium => "MEDIUM",
            Severity::High => "HIGH",
            Severity::Critical => "CRITICAL",
        })
    }
}

#[cfg(test)]
mod cases;
