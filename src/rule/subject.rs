//! The entity and the policy that a record is about.

use std::fmt;

use serde::Serialize;

use crate::{trail::record::Record, untrusted::Untrusted};

/// The entity and the policy of a matching record.
pub(super) struct Subject {
    pub kind: EntityType,
    pub name: Untrusted,
    pub policy: Option<Policy>,
    /// The entity's account, if it is not that of the record.
    pub account_id: Option<String>,
}

/// The type of an IAM entity, or root. `Unknown` if the evidence does not show whose credentials they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityType {
    User,
    Group,
    Role,
    Root,
    Unknown,
}

/// The quarantine policy: a managed one by its ARN, an inline one (AWS's form before 2020) by its name.
#[derive(Clone, Serialize)]
pub struct Policy {
    pub name: Untrusted,
    pub arn: Option<Untrusted>,
}

impl Subject {
    /// Of a call that names a managed quarantine policy.
    pub fn with_managed_policy(record: &Record) -> Option<Subject> {
        Subject::of_call(record, Policy::managed(record)?)
    }

    /// Of a call that names an inline quarantine policy.
    pub fn with_inline_policy(record: &Record) -> Option<Subject> {
        Subject::of_call(record, Policy::inline(record)?)
    }

    fn of_call(record: &Record, policy: Policy) -> Option<Subject> {
        let kind = EntityType::of_any_call(record)?;
        let parameters = record.request_parameters.as_ref()?;
        let name = match kind {
            EntityType::User => parameters.user_name.clone(),
            EntityType::Group => parameters.group_name.clone(),
            EntityType::Role => parameters.role_name.clone(),
            EntityType::Root | EntityType::Unknown => None,
        };
        Some(Subject { kind, name: name.unwrap_or_else(|| "unknown".into()), policy: Some(policy), account_id: None })
    }
}

impl EntityType {
    const NOUNS: [(EntityType, &str); 3] =
        [(EntityType::User, "UserPolicy"), (EntityType::Group, "GroupPolicy"), (EntityType::Role, "RolePolicy")];

    /// The entity type that an IAM policy call with this verb is about, such as the user of `AttachUserPolicy`.
    pub(super) fn of_call(record: &Record, verb: &str) -> Option<EntityType> {
        let is_of = |noun: &str| {
            let is_call = |name: &str| name.strip_prefix(verb) == Some(noun);
            record.event_name.as_ref().is_some_and(|name| name.test(is_call))
        };
        EntityType::NOUNS.into_iter().find(|(_, noun)| is_of(noun)).map(|(kind, _)| kind)
    }

    /// For a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            EntityType::User => "user",
            EntityType::Group => "group",
            EntityType::Role => "role",
            EntityType::Root => "root user",
            EntityType::Unknown => "identity",
        }
    }

    /// [`EntityType::of_call`] for any verb that the rules know.
    fn of_any_call(record: &Record) -> Option<EntityType> {
        ["Attach", "Put", "Detach", "Delete"].into_iter().find_map(|verb| EntityType::of_call(record, verb))
    }
}

impl Policy {
    /// The managed policy of a call, if it is one of the quarantine family: an ARN of the account `aws`. Only AWS can
    /// create policies there, so every suffix of the name is AWS's next version.
    ///
    /// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html>
    pub(super) fn managed(record: &Record) -> Option<Policy> {
        Policy::of_family(record.request_parameters.as_ref()?.policy_arn.clone()?)
    }

    /// The policy of an ARN, if it is one of the quarantine family.
    pub(super) fn of_family(arn: Untrusted) -> Option<Policy> {
        let name = arn.part(|arn| {
            let mut parts = arn.splitn(6, ':');
            let is_aws = parts.next() == Some("arn")
                && parts.next().is_some_and(|partition| !partition.is_empty())
                && parts.by_ref().take(3).eq(["iam", "", "aws"]);
            let path_and_name = parts.next()?.strip_prefix("policy/")?;
            let name = path_and_name.rsplit('/').next()?;
            (is_aws && name.starts_with("AWSCompromisedKeyQuarantine")).then_some(name)
        })?;
        Some(Policy { name, arn: Some(arn) })
    }

    /// The inline policy of a call, if it has one of the names that AWS used before 2020. Customers choose the names of
    /// their inline policies, so only these count.
    pub(super) fn inline(record: &Record) -> Option<Policy> {
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
impl fmt::Display for EntityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EntityType::User => "user",
            EntityType::Group => "group",
            EntityType::Role => "role",
            EntityType::Root => "root",
            EntityType::Unknown => "unknown",
        })
    }
}
