//! Match + claim → alert: all that a person or a program is told about an incident.
//!
//! The JSON form keeps the keys of Panther's SNS destination with their meanings
//! (<https://docs.panther.com/alerts/destinations/sns>), so that what reads those alerts reads these.

mod place;
mod runbook;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    dedup::Claim,
    log_file::LogFile,
    related::Related,
    rule::{EntityType, Match, Outcome, Policy, Severity},
    untrusted::{Untrusted, fingerprint},
};

pub use runbook::Step;

/// What a person gets. Can only be made of a claim, so nothing is published that was not claimed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The rule's id.
    pub id: &'static str,
    pub created_at: String,
    pub severity: Severity,
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The entity in the AWS console.
    pub link: String,
    pub title: String,
    pub name: &'static str,
    /// The same for all copies of the alert.
    pub alert_id: String,
    pub alert_context: AlertContext,
    pub description: &'static str,
    pub runbook: String,
    pub tags: &'static [&'static str],
    /// Of this program.
    pub version: &'static str,
    /// Of this form: rises when a key is added, its first number when one changes its meaning.
    pub schema_version: &'static str,
    pub dedup_key: String,
    pub outcome: Outcome,
    pub account_id: String,
    pub region: Untrusted,
    pub partition: Untrusted,
    pub entity: Entity,
    pub policy: Option<Policy>,
    pub actor: Actor,
    pub source: Source,
    pub event_time: String,
    pub detected_at: String,
    pub detection_latency_seconds: i64,
    pub reports: &'static [&'static str],
    pub reference: &'static str,
    /// What else the identity did in the same log file; `None` where that is not known.
    pub related: Option<Related>,
    /// Whether the dedup table was away, so that the alert may be a copy.
    pub dedup_degraded: bool,
    /// Whether something was cut or left out for its size.
    pub truncated: bool,
    /// Whether it is the proof of life: a record of the account 000000000000.
    pub test: bool,

    #[serde(skip)]
    pub steps: Vec<Step>,
    #[serde(skip)]
    pub error_code: Option<Untrusted>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertContext {
    /// The entity's name.
    pub user_name: Untrusted,
    pub recipient_account_id: String,
    pub record: Box<RawValue>,
}

#[derive(Serialize)]
pub struct Entity {
    #[serde(rename = "type")]
    pub kind: EntityType,
    pub name: Untrusted,
    /// The actor's own where the actor is the entity; else made of account and name, without a path, which no
    /// record tells.
    pub arn: Untrusted,
}

/// Who made the call.
#[derive(Serialize)]
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
    /// Whether AWS made the call.
    pub aws_internal: bool,
}

/// Where the evidence lies.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub bucket: Option<Untrusted>,
    pub key: Option<Untrusted>,
    pub version_id: Option<Untrusted>,
    #[serde(rename = "eventID")]
    pub event_id: Option<Untrusted>,
    #[serde(rename = "requestID")]
    pub request_id: Option<Untrusted>,
}

/// An account that AWS gives nobody.
const PROOF_OF_LIFE_ACCOUNT: &str = "000000000000";

/// The last resort against a message that is too large.
const SHORT_BYTES: usize = 256;

impl Alert {
    /// `log_file` is where the record stood; `None` where EventBridge delivered the record by itself.
    pub fn new(
        matched: &Match,
        claim: &Claim,
        log_file: Option<&LogFile>,
        related: Option<Related>,
        dedup_degraded: bool,
        now: OffsetDateTime,
    ) -> Alert {
        let Match { rule, outcome, severity, entity, policy, record } = matched;
        let event_time = record.event_time.unwrap_or(now);
        let partition = place::partition(matched);
        let steps = runbook::steps(matched, &partition, event_time, now);
        let account_id = record.account_id().to_owned();
        let test = account_id == PROOF_OF_LIFE_ACCOUNT;
        let user = &record.user_identity;
        let mut alert = Alert {
            id: rule.id,
            created_at: rfc3339(now),
            severity: *severity,
            kind: "RULE",
            link: place::link(entity.kind, &entity.name, &partition),
            title: title(test, *outcome, entity.kind, &entity.name.visible(128), &account_id),
            name: rule.name,
            alert_id: fingerprint(&format!("{} {}", claim.dedup_key(), claim.start())),
            alert_context: AlertContext {
                user_name: entity.name.clone(),
                recipient_account_id: account_id.clone(),
                record: record.raw.clone(),
            },
            description: rule.description,
            runbook: runbook::text(&steps),
            tags: rule.tags,
            version: env!("CARGO_PKG_VERSION"),
            schema_version: "1.0",
            dedup_key: claim.dedup_key().to_owned(),
            outcome: *outcome,
            account_id,
            region: record.aws_region.clone().unwrap_or_else(|| "unknown".into()),
            entity: Entity {
                kind: entity.kind,
                name: entity.name.clone(),
                arn: place::entity_arn(record, entity.kind, &entity.name, &partition),
            },
            partition,
            policy: policy.clone(),
            actor: Actor {
                kind: user.kind.clone(),
                arn: user.arn.clone(),
                principal_id: user.principal_id.clone(),
                access_key_id: user.access_key_id.clone(),
                source_ip_address: record.source_ip_address.clone(),
                user_agent: record.user_agent.clone(),
                aws_internal: record.is_aws_internal(),
            },
            source: Source {
                bucket: log_file.and_then(|file| file.bucket.as_deref()).map(Untrusted::new),
                key: log_file.map(|file| Untrusted::new(&file.key)),
                version_id: log_file.and_then(|file| file.version.as_deref()).map(Untrusted::new),
                event_id: record.event_id.clone(),
                request_id: record.request_id.clone(),
            },
            event_time: rfc3339(event_time),
            detected_at: rfc3339(now),
            detection_latency_seconds: (now - event_time).whole_seconds().max(0),
            reports: rule.reports,
            reference: rule.reference,
            related,
            dedup_degraded,
            truncated: false,
            test,
            steps,
            error_code: record.error_code.clone(),
        };
        alert.truncated = alert.strings().into_iter().any(|text| text.is_cut());
        alert
    }

    /// The title with the entity's name as the format shows it.
    pub fn title_with(&self, name: &str) -> String {
        title(self.test, self.outcome, self.entity.kind, name, &self.account_id)
    }

    /// Who made the call: a label, and whether it was AWS.
    pub fn called_by(&self) -> (&'static str, &'static str) {
        let label = if self.outcome == Outcome::Removed { "Removed by" } else { "Attached by" };
        (label, if self.actor.aws_internal { "AWS" } else { "not by AWS: a person or a test" })
    }

    /// The title for where only so many characters of ASCII fit.
    pub fn ascii_title(&self, most: usize) -> String {
        self.title_with(&self.entity.name.ascii(most.saturating_sub(self.title_with("").len())))
    }

    /// Leaves out the next part that can be done without; `false` when nothing is left to leave out.
    pub fn trim(&mut self) -> bool {
        self.truncated = true;
        if self.related.take().is_some() {
            return true;
        }
        let record = &mut self.alert_context.record;
        if let Some(trimmed) = without(record, "responseElements").or_else(|| without(record, "requestParameters")) {
            *record = trimmed;
        } else if record.get() != "null" {
            *record = RawValue::NULL.to_owned();
        } else if self.strings().iter().any(|text| text.is_longer_than(SHORT_BYTES)) {
            self.strings().into_iter().for_each(|text| text.cut(SHORT_BYTES));
        } else {
            return false;
        }
        true
    }

    /// All that a log had a say in, but for the record itself.
    fn strings(&mut self) -> Vec<&mut Untrusted> {
        let (actor, source) = (&mut self.actor, &mut self.source);
        let optional = [
            &mut actor.kind,
            &mut actor.arn,
            &mut actor.principal_id,
            &mut actor.access_key_id,
            &mut actor.source_ip_address,
            &mut actor.user_agent,
            &mut source.bucket,
            &mut source.key,
            &mut source.version_id,
            &mut source.event_id,
            &mut source.request_id,
        ];
        let policy = self.policy.iter_mut().flat_map(|policy| [Some(&mut policy.name), policy.arn.as_mut()]).flatten();
        let entity = [&mut self.entity.name, &mut self.entity.arn, &mut self.alert_context.user_name];
        let mut strings: Vec<&mut Untrusted> = optional.into_iter().flatten().collect();
        strings.extend(policy);
        strings.extend(entity);
        strings.extend([&mut self.region, &mut self.partition]);
        strings
    }
}

fn title(test: bool, outcome: Outcome, kind: EntityType, name: &str, account: &str) -> String {
    let test = if test { "TEST " } else { "" };
    test.to_owned() + &outcome.title(kind, name, account)
}

/// The record with that field `null`; `None` if it is already, or is not there.
fn without(record: &RawValue, field: &str) -> Option<Box<RawValue>> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(record.get()).ok()?;
    let value = fields.get_mut(field).filter(|value| value.get() != "null")?;
    *value = RawValue::NULL;
    serde_json::value::to_raw_value(&fields).ok()
}

/// As the alert spells times.
pub fn rfc3339(time: OffsetDateTime) -> String {
    // Fails for no time that CloudTrail can write: for years past 9999.
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_else(|_| time.unix_timestamp().to_string())
}
