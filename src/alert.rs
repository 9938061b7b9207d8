//! Match + claim → alert: everything that people and programs learn about an incident.
//!
//! The JSON form keeps the keys of Panther's SNS destination with their meanings
//! (<https://docs.panther.com/alerts/destinations/sns>), so that readers of those alerts can read these.

mod console;
mod runbook;
mod size;
mod source;

use std::{borrow::Cow, fmt::Write};

use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::{
    dedup::{Claim, FLOOD_BOUND},
    json::bounded,
    related::Related,
    rule::{Actor, Entity, EntityType, Evidence, Match, Outcome, Policy, Severity},
    trail::{log_file::LogFile, time::rfc3339},
    untrusted::{Untrusted, fingerprint},
};

pub use runbook::{SEARCH_STEP, Step};
pub use source::{Leak, Source};

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
    /// Shared by the alerts of CloudTrail and AWS Health about one entity.
    pub incident_key: String,
    pub outcome: Outcome,
    pub account_id: String,
    pub region: Untrusted,
    pub partition: Untrusted,
    pub entity: Entity,
    pub policy: Option<Policy>,
    pub actor: Actor,
    pub source: Source,
    /// Where the credentials were found. `None` if the evidence does not contain it, which a record of CloudTrail never does.
    pub leak: Option<Leak>,
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
    /// AWS Health's code and the affected entity. `None` for a record.
    #[serde(skip)]
    pub reported: Option<Reported>,
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

/// What AWS Health reports.
pub struct Reported {
    pub event_type_code: Untrusted,
    /// `None` if the event is about the account as a whole.
    pub affected: Option<Untrusted>,
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

/// The codes of AWS Health that are known are shorter.
const MAX_CODE_CHARS: usize = 128;

/// AWS assigns this account id to nobody.
const PROOF_OF_LIFE_ACCOUNT: &str = "000000000000";

impl Alert {
    /// `log_file` contains the record. `None` means that EventBridge delivered the evidence.
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
        let record = bounded(&facts.evidence.raw);
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
            description: description(matched, claim, now),
            runbook: runbook::text(&steps),
            tags: rule.tags,
            version: env!("CARGO_PKG_VERSION"),
            schema_version: "1.2",
            dedup_key: claim.dedup_key().to_owned(),
            incident_key: matched.incident_key(),
            outcome: *outcome,
            account_id: facts.account_id.clone(),
            region: facts.region.clone(),
            partition: facts.partition.clone(),
            entity: facts.entity.clone(),
            policy: policy.clone(),
            actor: facts.actor.clone(),
            source: Source::of(&facts.evidence, log_file),
            leak: Leak::of(&facts.evidence),
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
            reported: facts.evidence.notice.as_ref().map(|notice| Reported {
                event_type_code: notice.event_type_code.clone(),
                affected: notice.affected.clone(),
            }),
            occurrences: None,
        };
        alert.truncated = is_bounded || alert.strings().into_iter().any(|text| text.is_cut());
        alert
    }

    /// The title, with the entity's name as the format shows it.
    pub fn title_with(&self, name: &str) -> String {
        let key = self.actor.access_key_id.as_ref();
        marked(self.test, self.outcome.title(self.entity.kind, name, &self.account_id, key))
    }

    /// Who made the call. It can only be known whether it was AWS. Responders attach the same policy by hand.
    pub fn caller(&self) -> &'static str {
        match (self.outcome, self.actor.aws_internal) {
            (Outcome::Exposed, _) => "nobody: AWS Health reports a leak, not a call",
            (_, Some(true)) => "AWS",
            (_, None) => "unknown; until 2020, AWS called from public addresses",
            (Outcome::Enforced, _) => "the holder of the credentials: the attacker, or a workload that still uses them",
            (Outcome::Removed, _) => "the actor, not AWS: a responder who is done, an administrator, or the attacker",
            (Outcome::Quarantined | Outcome::Failed | Outcome::Denied, _) => {
                "the actor, not AWS: a responder who contains a leaked key, or a test or the attacker; ask the actor"
            }
        }
    }

    /// Which other alert of the same leak may be sent.
    pub fn other_channel(&self) -> Option<&'static str> {
        other_channel(self.outcome, self.entity.kind)
    }

    /// The title in at most `max` characters of ASCII.
    pub fn ascii_title(&self, max: usize) -> String {
        self.title_with(&self.entity.name.ascii(max.saturating_sub(self.title_with("").len())))
    }
}

impl Call {
    fn of(evidence: &Evidence) -> Call {
        let Evidence { event_source, event_name, error_code, .. } = evidence;
        Call { event_source: event_source.clone(), event_name: event_name.clone(), error_code: error_code.clone() }
    }
}

/// What the rule means, with the code of AWS Health. The tenth alert of a flood announces that further ones are not sent.
fn description(matched: &Match, claim: &Claim, now: OffsetDateTime) -> String {
    let mut text = matched.rule.description.to_owned();
    if let Some(notice) = &matched.facts.evidence.notice {
        let _ = write!(text, " The code of AWS Health is {}.", notice.event_type_code.unlinked(MAX_CODE_CHARS));
    }
    if let Some(sentence) = other_channel(matched.outcome, matched.facts.entity.kind) {
        let _ = write!(text, " {sentence}");
    }
    if claim.is_last() {
        let (which, except) = match matched.usable_time(now) {
            Some(_) => ("", ", except for calls that AWS makes"),
            None => (", outcome and caller without a usable time", ""),
        };
        let _ = write!(
            text,
            " This is alert {FLOOD_BOUND} of this entity{which} within the dedup period. Further ones are counted in the \
             function's log and metrics but not sent{except}."
        );
    }
    text
}

/// Neither channel suppresses the other, so a reader may get two alerts of one leak.
fn other_channel(outcome: Outcome, kind: EntityType) -> Option<&'static str> {
    match (outcome, kind) {
        (Outcome::Exposed, EntityType::User) => {
            Some("If AWS also quarantines the user, an alert from CloudTrail follows, with the same incident key.")
        }
        (Outcome::Exposed, EntityType::Root) => {
            Some("AWS quarantines only users, so no alert from CloudTrail follows.")
        }
        (Outcome::Exposed, _) => Some(
            "If AWS quarantines a user for this leak, an alert from CloudTrail follows, which names the user. AWS never \
             quarantines root.",
        ),
        (Outcome::Quarantined | Outcome::Failed | Outcome::Denied, EntityType::User) => Some(
            "AWS Health may also report this leak, and where the key was found. Its alert has the same incident key.",
        ),
        _ => None,
    }
}

fn marked(test: bool, title: String) -> String {
    if test { format!("TEST {title}") } else { title }
}
