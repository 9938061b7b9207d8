//! Match + claim → alert: everything that people and programs learn about an incident.
//!
//! The JSON form keeps the keys of Panther's SNS destination with their meanings
//! (<https://docs.panther.com/alerts/destinations/sns>), so that readers of those alerts can read these.

mod console;
mod runbook;

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::{
    dedup::{Claim, FLOOD_BOUND},
    json::bounded,
    related::Related,
    rule::{Actor, Entity, Evidence, Match, Outcome, Policy, Severity},
    trail::{log_file::LogFile, time::rfc3339},
    untrusted::{Untrusted, fingerprint},
};

pub use runbook::{SEARCH_STEP, Step};

/// The content of an alert. It can only be made from a claim, so only claimed matches are published.
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
    /// The same for all duplicates of the alert.
    pub alert_id: String,
    pub alert_context: AlertContext,
    pub description: String,
    pub runbook: String,
    pub tags: &'static [&'static str],
    /// Of this program.
    pub version: &'static str,
    /// Of this form. It rises when a key is added; the first number rises when a key changes its meaning.
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
    /// `None` if the record has no readable time.
    pub event_time: Option<String>,
    pub detected_at: String,
    pub detection_latency_seconds: Option<i64>,
    pub reports: &'static [&'static str],
    pub reference: &'static str,
    /// Other calls of the identity in the same log file. `None` if they are not known.
    pub related: Option<Related>,
    /// Whether the dedup table was unavailable, so that the alert may be a duplicate.
    pub dedup_degraded: bool,
    /// Whether something was cut or omitted, for its size or because many JSON parsers would refuse it.
    pub truncated: bool,
    /// Whether this is the proof of life, a record of the account 000000000000.
    pub test: bool,

    #[serde(skip)]
    pub steps: Vec<Step>,
    /// Whether further incidents of the entity are not alerted within the period.
    #[serde(skip)]
    pub is_last: bool,
    #[serde(skip)]
    pub call: Call,
    /// Only in a result that has one row for many matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurrences: Option<Occurrences>,
}

/// The call of the record.
pub struct Call {
    pub event_source: Option<Untrusted>,
    pub event_name: Option<Untrusted>,
    pub error_code: Option<Untrusted>,
}

/// The matches of one entity and rule.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Occurrences {
    pub count: u64,
    pub first_event_time: Option<String>,
    pub last_event_time: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertContext {
    /// The entity's name.
    pub user_name: Untrusted,
    pub recipient_account_id: String,
    pub record: Box<RawValue>,
}

/// Where the evidence is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub bucket: Option<Untrusted>,
    /// On a disk, the path.
    pub key: Option<Untrusted>,
    pub version_id: Option<Untrusted>,
    #[serde(rename = "eventID")]
    pub event_id: Option<Untrusted>,
    #[serde(rename = "requestID")]
    pub request_id: Option<Untrusted>,
    /// Without a bucket and a key, the record came from standard input or alone.
    #[serde(skip)]
    pub is_stdin: bool,
}

/// AWS assigns this account id to nobody.
const PROOF_OF_LIFE_ACCOUNT: &str = "000000000000";

/// Strings are cut to this length as the last resort against a message that is too large.
const SHORT_BYTES: usize = 256;

impl Alert {
    /// `log_file` contains the record. `None` means that EventBridge delivered the record alone.
    pub fn new(
        matched: &Match,
        claim: &Claim,
        log_file: Option<&LogFile>,
        related: Option<Related>,
        dedup_degraded: bool,
        now: OffsetDateTime,
    ) -> Alert {
        let Match { rule, outcome, severity, policy, facts } = matched;
        let steps = runbook::steps(matched, log_file);
        let test = facts.account_id == PROOF_OF_LIFE_ACCOUNT;
        let record = bounded(facts.evidence.raw.get());
        let is_bounded = matches!(record, Cow::Owned(_));
        let mut alert = Alert {
            id: rule.id,
            created_at: rfc3339(now),
            severity: *severity,
            kind: "RULE",
            link: console::link(facts.entity.kind, &facts.entity.name, &facts.partition),
            title: marked(test, matched.title(&facts.entity.name.unlinked(128))),
            name: rule.name,
            alert_id: fingerprint(&format!("{} {}", claim.dedup_key(), claim.start())),
            alert_context: AlertContext {
                user_name: facts.entity.name.clone(),
                recipient_account_id: facts.recipient_account_id.clone(),
                record: RawValue::from_string(record.into_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            },
            description: description(rule.description, claim),
            runbook: runbook::text(&steps),
            tags: rule.tags,
            version: env!("CARGO_PKG_VERSION"),
            schema_version: "1.1",
            dedup_key: claim.dedup_key().to_owned(),
            outcome: *outcome,
            account_id: facts.account_id.clone(),
            region: facts.region.clone(),
            partition: facts.partition.clone(),
            entity: facts.entity.clone(),
            policy: policy.clone(),
            actor: facts.actor.clone(),
            source: Source::of(&facts.evidence, log_file),
            event_time: facts.event_time.map(rfc3339),
            detected_at: rfc3339(now),
            detection_latency_seconds: facts.event_time.map(|time| (now - time).whole_seconds().max(0)),
            reports: rule.reports,
            reference: rule.reference,
            related,
            dedup_degraded,
            truncated: false,
            test,
            steps,
            is_last: claim.is_last(),
            call: Call::of(&facts.evidence),
            occurrences: None,
        };
        alert.truncated = is_bounded || alert.strings().into_iter().any(|text| text.is_cut());
        alert
    }

    /// The title, with the entity's name as the format shows it.
    pub fn title_with(&self, name: &str) -> String {
        marked(self.test, self.outcome.title(self.entity.kind, name, &self.account_id))
    }

    /// Who made the call. It can only be known whether it was AWS. Responders attach the same policy by hand.
    pub fn caller(&self) -> &'static str {
        match (self.outcome, self.actor.aws_internal) {
            (_, Some(true)) => "AWS",
            (_, None) => "unknown; until 2020, AWS called from public addresses",
            (Outcome::Enforced, _) => "the holder of the credentials: the attacker, or a workload that still uses them",
            (Outcome::Removed, _) => "the actor, not AWS: a responder who is done, an administrator, or the attacker",
            (Outcome::Quarantined | Outcome::Failed | Outcome::Denied, _) => {
                "the actor, not AWS: a responder who contains a leaked key, or a test or the attacker; ask the actor"
            }
        }
    }

    /// The title in at most `max` characters of ASCII.
    pub fn ascii_title(&self, max: usize) -> String {
        self.title_with(&self.entity.name.ascii(max.saturating_sub(self.title_with("").len())))
    }

    /// Omits the next part that the alert can do without. `false` if there is none left.
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

    /// Every string that comes from a log, except the record itself.
    fn strings(&mut self) -> Vec<&mut Untrusted> {
        let actor = &mut self.actor;
        let source = &mut self.source;
        let call = &mut self.call;
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
            &mut call.event_source,
            &mut call.event_name,
            &mut call.error_code,
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

impl Call {
    fn of(evidence: &Evidence) -> Call {
        let Evidence { event_source, event_name, error_code, .. } = evidence;
        Call { event_source: event_source.clone(), event_name: event_name.clone(), error_code: error_code.clone() }
    }
}

impl Source {
    fn of(evidence: &Evidence, log_file: Option<&LogFile>) -> Source {
        let (bucket, key, version_id) = match log_file {
            Some(LogFile::S3(object)) => {
                let version = object.version.as_deref().map(Untrusted::new);
                (Some(Untrusted::new(&object.bucket)), Some(Untrusted::new(&object.key)), version)
            }
            Some(LogFile::Disk(path)) => (None, Some(Untrusted::new(path.to_string_lossy())), None),
            Some(LogFile::Stdin) | None => (None, None, None),
        };
        let is_stdin = matches!(log_file, Some(LogFile::Stdin));
        let Evidence { event_id, request_id, .. } = evidence;
        Source { bucket, key, version_id, event_id: event_id.clone(), request_id: request_id.clone(), is_stdin }
    }
}

/// The tenth alert of a flood announces that further ones are not sent.
fn description(rule: &str, claim: &Claim) -> String {
    if !claim.is_last() {
        return rule.to_owned();
    }
    format!(
        "{rule} This is alert {FLOOD_BOUND} of this entity within the dedup period. Further ones are counted in the \
         function's log and metrics but not sent, except for calls that AWS makes."
    )
}

fn marked(test: bool, title: String) -> String {
    if test { format!("TEST {title}") } else { title }
}

/// The record with this field set to `null`. `None` if it has no such field, or it is `null` already.
fn without(record: &RawValue, field: &str) -> Option<Box<RawValue>> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(record.get()).ok()?;
    let value = fields.get_mut(field).filter(|value| value.get() != "null")?;
    *value = RawValue::NULL;
    serde_json::value::to_raw_value(&fields).ok()
}
