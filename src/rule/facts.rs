//! The facts of a match that an alert shows, whatever kind of evidence they come from.

use serde::Serialize;
use time::OffsetDateTime;

use super::{EntityType, Policy, Subject};
use crate::{
    health::HealthEvent,
    trail::{partition::partition, record::Record},
    untrusted::{EXACT_BYTES, Untrusted},
};

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
    /// Whether the actor's access key is the entity's own, as it is when AWS quarantines a user.
    #[serde(skip)]
    pub owns_key: bool,
}

/// Who made the call. An event of AWS Health is about no call: it has the exposed access key only.
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
    /// What an event of AWS Health contains besides. `None` for a record.
    pub notice: Option<Notice>,
    /// As it was logged or delivered.
    pub raw: Box<str>,
}

/// The communication of AWS Health that reports a leak.
pub struct Notice {
    pub event_type_code: Untrusted,
    pub event_arn: Option<Untrusted>,
    pub communication_id: Option<Untrusted>,
    /// An access key, an ARN, or another id. `None` if the event is about the account as a whole.
    pub affected: Option<Untrusted>,
    /// Where the credentials were found. The attacker may have chosen it.
    pub exposed_url: Option<Untrusted>,
}

impl Facts {
    /// The facts of a CloudTrail record that is about this subject.
    pub(super) fn of_record(record: Record, subject: Subject) -> (Facts, Option<Policy>) {
        let Subject { kind, name, policy, account_id } = subject;
        let recipient_account_id = record.account_id().to_owned();
        let account_id = account_id.unwrap_or_else(|| recipient_account_id.clone());
        let partition = partition_of_call(&record, policy.as_ref());
        let own_arn = own_arn(&record, kind, &name, &account_id);
        let owns_key = own_arn.is_some();
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
            entity: Entity { kind, name, arn, owns_key },
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
                notice: None,
                raw: record.raw,
            },
        };
        (facts, policy)
    }

    /// The facts of an event of AWS Health that is about this subject and affects this entity of AWS's.
    pub(super) fn of_health_event(event: &HealthEvent, subject: Subject, affected: Option<&Untrusted>) -> Facts {
        // An event has one copy of its strings for each affected entity.
        let bounded = |text: &Option<Untrusted>| text.as_ref().map(|text| text.shortened(MAX_KEPT_BYTES));
        let account_id = event.account_id().to_owned();
        let partition = partition_of(event);
        let Subject { kind, name, .. } = subject;
        let is_key = |text: &&Untrusted| text.access_key_id().is_some();
        let access_key_id = affected.filter(is_key).or_else(|| event.public_key.as_ref().filter(is_key)).cloned();
        Facts {
            recipient_account_id: account_id.clone(),
            region: bounded(&event.region).unwrap_or_else(|| "unknown".into()),
            event_time: event.time,
            entity: Entity { kind, arn: made_arn(&account_id, kind, &name, &partition), name, owns_key: true },
            account_id,
            partition,
            actor: Actor {
                kind: None,
                arn: None,
                principal_id: None,
                access_key_id,
                source_ip_address: None,
                user_agent: None,
                aws_internal: None,
            },
            evidence: Evidence {
                event_id: bounded(&event.id),
                request_id: None,
                event_source: None,
                event_name: None,
                error_code: None,
                notice: Some(Notice {
                    event_type_code: event.event_type_code.shortened(MAX_KEPT_BYTES),
                    event_arn: bounded(&event.event_arn),
                    communication_id: bounded(&event.communication_id),
                    affected: affected.map(|value| value.shortened(MAX_KEPT_BYTES)),
                    exposed_url: bounded(&event.exposed_url),
                }),
                raw: event.raw.clone(),
            },
        }
    }
}

/// More than an alert shows, so that it is still known to be cut.
pub(super) const MAX_KEPT_BYTES: usize = EXACT_BYTES + 4;

/// From the event's ARN, else the Region.
fn partition_of(event: &HealthEvent) -> Untrusted {
    let of_arn = event.event_arn.as_ref().and_then(partition_of_arn).filter(|name| name.identifier().is_some());
    of_arn.unwrap_or_else(|| partition(event.region.as_ref()).into())
}

/// From the policy's ARN, else the actor's, else the region. In a failed call, the policy's ARN is any text of the caller.
fn partition_of_call(record: &Record, policy: Option<&Policy>) -> Untrusted {
    let policy = policy.filter(|_| record.error_code.is_none()).and_then(|policy| policy.arn.as_ref());
    let of_arn = policy.and_then(partition_of_arn).or_else(|| partition_of_arn(record.user_identity.arn.as_ref()?));
    of_arn.unwrap_or_else(|| partition(record.aws_region.as_ref()).into())
}

fn partition_of_arn(arn: &Untrusted) -> Option<Untrusted> {
    arn.part(|arn| arn.split(':').nth(1).filter(|partition| !partition.is_empty()))
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
    if kind == EntityType::Root {
        return Untrusted::new(format!("arn:{partition}:iam::{account_id}:root"));
    }
    name.prefixed(&format!("arn:{partition}:iam::{account_id}:{kind}/"))
}
