//! Record → match: what counts as a quarantine.
//!
//! A rule is a condition on parsed fields, its metadata, the needles that every record it can match must hold,
//! and the cases that show what it matches and what it does not: one file per rule.

mod check;
mod denied;
mod quarantined;
mod removed;

use std::fmt;

use serde::Serialize;

pub use check::{Alternative, Check};

use crate::{
    record::Record,
    scan::{NeedleError, Needles},
    untrusted::Untrusted,
};

/// All rules there are. No two of them accept the same record.
pub const ALL: [&Rule; 3] = [&quarantined::RULE, &removed::RULE, &denied::RULE];

/// The rules that are switched on.
pub struct Rules(Vec<&'static Rule>);

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
    /// Every record that the condition accepts holds one of them.
    needles: &'static [&'static str],
    /// The ways to match it; no record goes two of them.
    pub alternatives: &'static [Alternative],
}

/// What a condition found in a record.
struct Finding {
    outcome: Outcome,
    severity: Severity,
    entity: EntityType,
    policy: Option<Policy>,
    /// The entity's name, where the parameters of the call do not tell it.
    name: Option<Untrusted>,
}

/// A record, and what a rule says of it.
pub struct Match {
    pub rule: &'static Rule,
    pub outcome: Outcome,
    pub severity: Severity,
    pub entity: Entity,
    pub policy: Option<Policy>,
    pub record: Record,
}

/// What became of the entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The quarantine policy is attached.
    Quarantined,
    /// Attaching it failed: the key is exposed, and perhaps not contained.
    Failed,
    /// The quarantine was taken off.
    Removed,
    /// AWS was denied a call that looks like an attach: exposed perhaps, and not contained.
    Denied,
}

/// Sorted from the mildest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    Medium,
    High,
    Critical,
}

/// The user, group or role that the policy is for.
pub struct Entity {
    pub kind: EntityType,
    pub name: Untrusted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityType {
    User,
    Group,
    Role,
}

/// The quarantine policy: a managed one by its ARN, an inline one (AWS's form before 2020) by its name.
#[derive(Clone, Serialize)]
pub struct Policy {
    pub name: Untrusted,
    pub arn: Option<Untrusted>,
}

impl Rules {
    /// `denied_attempts` switches the low-confidence rule on.
    pub fn new(denied_attempts: bool) -> Rules {
        let is_on = |rule: &&Rule| denied_attempts || rule.id != denied::RULE.id;
        Rules(ALL.into_iter().filter(is_on).collect())
    }

    /// Judges a record: the rule that accepts it makes the match.
    pub fn judge(&self, record: Record) -> Option<Match> {
        let (rule, finding) = self.0.iter().find_map(|rule| Some((rule, rule.finding(&record)?)))?;
        let Finding { outcome, severity, entity: kind, policy, name } = finding;
        let name = name.or_else(|| kind.name(&record).cloned()).unwrap_or_else(|| "unknown".into());
        Some(Match { rule, outcome, severity, entity: Entity { kind, name }, policy, record })
    }

    /// What every record holds that a rule can accept.
    ///
    /// # Errors
    /// A rule's needle is none.
    pub fn needles(&self) -> Result<Needles, NeedleError> {
        Needles::new(self.0.iter().flat_map(|rule| rule.needles).copied())
    }
}

impl Rule {
    fn finding(&self, record: &Record) -> Option<Finding> {
        self.alternatives.iter().find(|way| way.accepts(record)).and_then(|way| (way.finding)(record))
    }
}

/// Of a call that names its entity and its policy.
fn finding(
    record: &Record,
    verb: &str,
    outcome: Outcome,
    severity: Severity,
    policy: fn(&Record) -> Option<Policy>,
) -> Option<Finding> {
    let entity = EntityType::of_call(record, verb)?;
    Some(Finding { outcome, severity, entity, policy: Some(policy(record)?), name: None })
}

impl Match {
    /// What all matches of one incident share. The policy's version is not part of it: V2 and V3 attached
    /// together are one incident. Each removal is an incident of its own, of which only copies fall together.
    /// Printable ASCII of bounded length, whatever the record holds.
    pub fn dedup_key(&self) -> String {
        let name = match self.entity.name.iam_name() {
            Some(name) => name.to_owned(),
            None => format!("sha256:{}", self.entity.name.fingerprint()),
        };
        let (rule, account, kind, outcome) = (self.rule.id, self.record.account_id(), self.entity.kind, self.outcome);
        let key = format!("{rule}:{account}:{kind}:{name}:{outcome}");
        match &self.record.request_id {
            Some(id) if outcome == Outcome::Removed => match id.identifier() {
                Some(id) => format!("{key}:{id}"),
                None => format!("{key}:sha256:{}", id.fingerprint()),
            },
            _ => key,
        }
    }

    /// Whether it goes first where not all alerts can go out at once.
    pub fn is_urgent(&self) -> bool {
        self.severity == Severity::Critical || self.record.is_aws_internal()
    }
}

impl Outcome {
    /// What happened, in one line.
    pub fn title(self, kind: EntityType, name: &str, account: &str) -> String {
        match self {
            Outcome::Quarantined => format!("IAM {kind} {name} quarantined in account {account}"),
            Outcome::Failed => format!("Quarantine of IAM {kind} {name} FAILED in account {account}"),
            Outcome::Removed => format!("Quarantine of IAM {kind} {name} REMOVED in account {account}"),
            Outcome::Denied => format!("Quarantine of IAM {kind} {name} perhaps denied in account {account}"),
        }
    }
}

impl EntityType {
    const ALL: [EntityType; 3] = [EntityType::User, EntityType::Group, EntityType::Role];

    /// The entity type that an IAM policy call is about, such as `AttachUserPolicy` for the verb `Attach`.
    fn of_call(record: &Record, verb: &str) -> Option<EntityType> {
        let name = record.event_name.as_ref()?;
        let is_of = |kind: &EntityType| {
            let noun = match kind {
                EntityType::User => "User",
                EntityType::Group => "Group",
                EntityType::Role => "Role",
            };
            name.test(|name| name.strip_prefix(verb).and_then(|rest| rest.strip_suffix("Policy")) == Some(noun))
        };
        Self::ALL.into_iter().find(is_of)
    }

    fn name(self, record: &Record) -> Option<&Untrusted> {
        let parameters = record.request_parameters.as_ref()?;
        match self {
            EntityType::User => &parameters.user_name,
            EntityType::Group => &parameters.group_name,
            EntityType::Role => &parameters.role_name,
        }
        .as_ref()
    }
}

impl Policy {
    /// The managed policy of a call, if it is of the quarantine family: an ARN of the account `aws`, in which only
    /// AWS can create policies, so every suffix of the name is AWS's next version.
    ///
    /// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html>
    fn managed(record: &Record) -> Option<Policy> {
        let arn = record.request_parameters.as_ref()?.policy_arn.as_ref()?;
        let name = arn.part(|arn| {
            let mut parts = arn.splitn(6, ':');
            let is_aws = parts.next() == Some("arn")
                && parts.next().is_some_and(|partition| !partition.is_empty())
                && parts.by_ref().take(3).eq(["iam", "", "aws"]);
            let path_and_name = parts.next()?.strip_prefix("policy/")?;
            let name = path_and_name.rsplit('/').next()?;
            (is_aws && name.starts_with("AWSCompromisedKeyQuarantine")).then_some(name)
        })?;
        Some(Policy { name, arn: Some(arn.clone()) })
    }

    /// The inline policy of a call, if it bears one of the names that AWS used before 2020. Any customer can
    /// choose the name of an inline policy, so only these count.
    fn inline(record: &Record) -> Option<Policy> {
        let name = record.request_parameters.as_ref()?.policy_name.as_ref()?;
        let is_quarantine = name.test(|name| {
            let version = name.strip_prefix("AWSCompromisedKeyQuarantine");
            let is_version = |version: &str| {
                version.is_empty()
                    || version
                        .strip_prefix('V')
                        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
            };
            version.is_some_and(is_version) || name == "AWSExposedCredentialPolicy_DO_NOT_REMOVE"
        });
        is_quarantine.then(|| Policy { name: name.clone(), arn: None })
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

/// As the alert spells it.
impl fmt::Display for EntityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EntityType::User => "user",
            EntityType::Group => "group",
            EntityType::Role => "role",
        })
    }
}

#[cfg(test)]
mod cases;
