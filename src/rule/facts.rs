//! The facts of a match that an alert shows, whatever kind of evidence they come from.

use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{EntityType, Policy, Subject};
use crate::{trail::record::Record, untrusted::Untrusted};

/// The normalized facts of a match.
pub struct Facts {
    /// The entity's account: 12 digits, or `unknown`.
    pub account_id: String,
    /// The account of the record.
    pub recipient_account_id: String,
    pub region: Untrusted,
    /// `aws`, `aws-us-gov`, `aws-cn` …
    pub partition: Untrusted,
    /// When it happened. `None` if the evidence has no readable time.
    pub event_time: Option<OffsetDateTime>,
    pub entity: Entity,
    pub actor: Actor,
    pub evidence: Evidence,
}

/// Whose credentials are exposed.
#[derive(Clone, Serialize)]
pub struct Entity {
    #[serde(rename = "type")]
    pub kind: EntityType,
    pub name: Untrusted,
    /// The actor's own ARN if the actor is the entity, or that of the user or role behind the actor's session. Otherwise it is made
    /// of account and name, without a path, which no record contains.
    pub arn: Untrusted,
    /// Whether the entity made the call itself, as it does when AWS quarantines a user.
    #[serde(skip)]
    pub is_actor: bool,
}

/// Who made the call.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    #[serde(rename = "type")]
    pub kind: Option<Untrusted>,
    pub arn: Option<Untrusted>,
    pub principal_id: Option<Untrusted>,
    pub access_key_id: Option<Untrusted>,
    #[serde(rename = "sourceIPAddress")]
    pub source_ip_address: Option<Untrusted>,
    pub user_agent: Option<Untrusted>,
    /// Whether AWS made the call. `None` if the record cannot show it.
    pub aws_internal: Option<bool>,
}

impl Actor {
    /// Whether AWS is known to have made the call.
    pub fn is_aws(&self) -> bool {
        self.aws_internal == Some(true)
    }
}

/// The evidence of a match.
pub struct Evidence {
    pub event_id: Option<Untrusted>,
    pub request_id: Option<Untrusted>,
    pub event_source: Option<Untrusted>,
    pub event_name: Option<Untrusted>,
    pub error_code: Option<Untrusted>,
    /// As it was logged.
    pub raw: Box<RawValue>,
}

impl Facts {
    /// The facts of a CloudTrail record that is about this subject.
    pub(super) fn of_record(record: Record, subject: Subject) -> (Facts, Option<Policy>) {
        let Subject { kind, name, policy, account_id } = subject;
        let recipient_account_id = record.account_id().to_owned();
        let account_id = account_id.unwrap_or_else(|| recipient_account_id.clone());
        let partition = partition(&record, policy.as_ref());
        let own_arn = own_arn(&record, kind, &name, &account_id);
        let is_actor = own_arn.is_some();
        let arn = own_arn
            .or_else(|| issuer_arn(&record, kind, &name, &account_id))
            .unwrap_or_else(|| made_arn(&account_id, kind, &name, &partition));
        // Before 2020, AWS put an inline policy, from one of its public addresses.
        let is_inline = policy.as_ref().is_some_and(|policy| policy.arn.is_none());
        let aws_internal = match record.is_aws_internal() {
            false if is_inline => None,
            is_aws => Some(is_aws),
        };
        let user = record.user_identity;
        let facts = Facts {
            account_id,
            recipient_account_id,
            region: record.aws_region.unwrap_or_else(|| "unknown".into()),
            partition,
            event_time: record.event_time,
            entity: Entity { kind, name, arn, is_actor },
            actor: Actor {
                kind: user.kind,
                arn: user.arn,
                principal_id: user.principal_id,
                access_key_id: user.access_key_id,
                source_ip_address: record.source_ip_address,
                user_agent: record.user_agent,
                aws_internal,
            },
            evidence: Evidence {
                event_id: record.event_id,
                request_id: record.request_id,
                event_source: record.event_source,
                event_name: record.event_name,
                error_code: record.error_code,
                raw: record.raw,
            },
        };
        (facts, policy)
    }
}

/// From the policy's ARN, else the actor's, else the region. In a failed call, the policy's ARN is any text of the caller.
fn partition(record: &Record, policy: Option<&Policy>) -> Untrusted {
    let of_arn = |arn: &Untrusted| arn.part(|arn| arn.split(':').nth(1).filter(|partition| !partition.is_empty()));
    let policy = policy.filter(|_| record.error_code.is_none()).and_then(|policy| policy.arn.as_ref());
    let actor = record.user_identity.arn.as_ref();
    let of_region = || {
        let region = record.aws_region.as_ref();
        let is_in = |prefix: &str| region.is_some_and(|region| region.test(|region| region.starts_with(prefix)));
        let partitions = [("us-gov-", "aws-us-gov"), ("cn-", "aws-cn"), ("eusc-", "aws-eusc")];
        partitions.into_iter().find(|(prefix, _)| is_in(prefix)).map_or("aws", |(_, partition)| partition)
    };
    policy.and_then(of_arn).or_else(|| actor.and_then(of_arn)).unwrap_or_else(|| of_region().into())
}

/// The actor's ARN if the actor is the entity.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns>
fn own_arn(record: &Record, kind: EntityType, name: &Untrusted, account_id: &str) -> Option<Untrusted> {
    record.user_identity.arn.clone().filter(|arn| is_of_entity(arn, account_id, kind, name))
}

/// The ARN of the user or role behind the actor's session, if that is the entity.
fn issuer_arn(record: &Record, kind: EntityType, name: &Untrusted, account_id: &str) -> Option<Untrusted> {
    let arn = record.user_identity.session_issuer.as_ref()?.arn.clone()?;
    Some(arn).filter(|arn| is_of_entity(arn, account_id, kind, name))
}

/// Whether an ARN is that of an entity in this account.
fn is_of_entity(arn: &Untrusted, account_id: &str, kind: EntityType, name: &Untrusted) -> bool {
    let Some(name) = name.iam_name() else { return false };
    arn.test(|arn| {
        let mut parts = arn.splitn(6, ':').skip(4);
        parts.next() == Some(account_id)
            && parts.next().is_some_and(|resource| {
                resource.starts_with(&format!("{kind}/")) && resource.ends_with(&format!("/{name}"))
            })
    })
}

/// An ARN made of account and name.
fn made_arn(account_id: &str, kind: EntityType, name: &Untrusted, partition: &Untrusted) -> Untrusted {
    let partition = partition.identifier().unwrap_or("aws");
    name.prefixed(&format!("arn:{partition}:iam::{account_id}:{kind}/"))
}
