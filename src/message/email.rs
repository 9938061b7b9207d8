//! The alert as plain text that fits a phone: first what happened, then what to do, then the evidence.

use std::fmt::Write;

use crate::{
    alert::{Alert, Reported, SEARCH_STEP},
    rule::{EntityType, Outcome},
    untrusted::Untrusted,
};

/// Longer values are cut here. The JSON alert has them whole.
const MAX_CHARS: usize = 200;
/// A URL that is cut leads elsewhere, so most are shown whole.
const MAX_URL_CHARS: usize = 600;

pub(super) fn text(alert: &Alert) -> String {
    let mut text = Rows::default();
    let what = match &alert.reported {
        Some(reported) => reported.event_type_code.unlinked(128),
        None => alert.policy.as_ref().map_or("policy unknown".into(), |policy| policy.name.unlinked(128)),
    };
    text.row("Outcome", &format!("{} ({}), {what}", alert.outcome, alert.severity));
    text.row("Entity", &entity(alert));
    text.row("Account", &format!("{}, {}", alert.account_id, alert.region.unlinked(64)));
    text.row("Event time", &event_time(alert));
    match &alert.reported {
        Some(reported) => leak(&mut text, alert, reported),
        None => call(&mut text, alert),
    }
    text.row("Contained", &contained(alert));
    text.row("Console", &alert.link);
    text.row("Incident", &Untrusted::new(&*alert.incident_key).unlinked(1024));
    if let Some(sentence) = alert.other_channel() {
        text.row("See also", sentence);
    }

    let _ = write!(text.0, "\nWhat to do\n{}\n", alert.runbook);

    text.row("Evidence", &evidence(alert));
    text.row("Event ID", &shown(&alert.source.event_id));
    text.row("Alert ID", &alert.alert_id);
    text.row("Rule", alert.id);
    text.row("MITRE", &alert.reports.join(", "));
    text.row("Reference", alert.reference);
    if alert.reported.is_none() {
        text.row("Related", &related(alert));
    }
    for call in alert.related.iter().flat_map(|related| &related.events) {
        let kind = &call.kind;
        let error = kind.error_code.as_ref().map_or(String::new(), |code| format!(", {}", code.unlinked(64)));
        let service = kind.event_source.unlinked(64);
        let name = kind.event_name.unlinked(64);
        let _ = writeln!(text.0, "   {} × {service} {name} ({}{error})", call.count, kind.aws_region.unlinked(32));
    }
    let whole = if alert.reported.is_some() { "The AWS Health Dashboard" } else { "The log file" };
    for (applies, note) in [
        (alert.test, "This is a TEST. No account has the id 000000000000.".to_owned()),
        (
            alert.is_last,
            "This entity has reached its alerts for this period. Further ones are counted, not sent.".into(),
        ),
        (alert.dedup_degraded, "The dedup table was unavailable. This alert may be a duplicate.".into()),
        (alert.truncated, format!("Some values were cut for their size. {whole} has them whole.")),
    ] {
        if applies {
            let _ = writeln!(text.0, "{note}");
        }
    }
    text.0
}

fn shown(text: &Option<Untrusted>) -> String {
    text.as_ref().map_or("unknown".into(), |text| text.unlinked(MAX_CHARS))
}

fn entity(alert: &Alert) -> String {
    match (alert.outcome, alert.entity.kind) {
        (Outcome::Exposed, EntityType::Root) => "root".into(),
        (Outcome::Exposed, EntityType::Unknown) => "root or unknown: AWS Health names no user".into(),
        (_, kind) => format!("{kind} {}", alert.entity.name.unlinked(128)),
    }
}

/// The call of a record.
fn call(text: &mut Rows, alert: &Alert) {
    let actor = &alert.actor;
    text.row("Actor", &format!("{} {}", shown(&actor.kind), shown(&actor.arn)));
    text.row("Access key", &shown(&actor.access_key_id));
    text.row("Source IP", &shown(&actor.source_ip_address));
    text.row("User agent", &actor.user_agent.as_ref().map_or("unknown".into(), |text| text.unlinked_text(MAX_CHARS)));
    if alert.outcome == Outcome::Enforced {
        text.row("Tried", &tried(alert));
    }
    text.row("Called by", alert.caller());
}

/// What AWS Health reports.
fn leak(text: &mut Rows, alert: &Alert, reported: &Reported) {
    let key = &alert.actor.access_key_id;
    text.row("Access key", &shown(key));
    if let Some(affected) = reported.affected.as_ref().filter(|affected| Some(*affected) != key.as_ref()) {
        text.row("Affected", &affected.unlinked(MAX_CHARS));
    }
    let place = alert.leak.as_ref().map(|leak| leak.url.defanged_url(MAX_URL_CHARS));
    text.row("Leaked at", &place.unwrap_or_else(|| "AWS Health does not report where".into()));
    text.row("Reported by", "AWS Health");
}

#[derive(Default)]
struct Rows(String);

impl Rows {
    fn row(&mut self, label: &str, value: &str) {
        let _ = writeln!(self.0, "{:<13}{value}", format!("{label}:"));
    }
}

fn event_time(alert: &Alert) -> String {
    match (&alert.event_time, alert.detection_latency_seconds) {
        (Some(time), Some(latency)) => format!("{time}, detected {latency} s later"),
        _ => "unknown; the record has no readable time".into(),
    }
}

/// The call that the policy denied.
fn tried(alert: &Alert) -> String {
    let shown = |text: &Option<Untrusted>| text.as_ref().map_or("unknown".into(), |text| text.unlinked(64));
    let call = &alert.call;
    format!("{} {} ({})", shown(&call.event_source), shown(&call.event_name), shown(&call.error_code))
}

fn evidence(alert: &Alert) -> String {
    if alert.reported.is_some() {
        let [event, communication] = [&alert.source.event_arn, &alert.source.communication_id].map(shown);
        return format!("AWS Health event {event}, communication {communication}");
    }
    match (&alert.source.bucket, &alert.source.key) {
        // The path must be right when it is copied. Clients do not make links of it.
        (Some(bucket), Some(key)) => {
            let is_url = key.test(|key| key.contains("://") || key.to_ascii_lowercase().contains("www."));
            let key = if is_url { key.unlinked(1024) } else { key.visible(1024) };
            // A delivery may name any bucket. Its end and the key must not make a URL together.
            let bucket = bucket.bucket_name().map_or_else(|| bucket.unlinked(63).replace(':', "?"), str::to_owned);
            format!("s3://{bucket}/{key}")
        }
        (None, Some(path)) => format!("{}, a file on a disk", path.unlinked(1024)),
        (_, None) if alert.source.is_stdin => "read from standard input".into(),
        (_, None) => "delivered by EventBridge; the log file follows within minutes".into(),
    }
}

/// The number of related calls. The calls themselves are at the end.
fn related(alert: &Alert) -> String {
    match &alert.related {
        None => format!("unknown; search CloudTrail as in step {SEARCH_STEP}"),
        Some(related) if related.event_count == 0 => "no other call of this identity in the same log file".into(),
        Some(related) => {
            let calls = if related.event_count == 1 { "call" } else { "calls" };
            let addresses: Vec<String> =
                related.source_ip_addresses.iter().map(|address| address.unlinked(45)).collect();
            let from = if addresses.is_empty() { "no recorded address".into() } else { addresses.join(", ") };
            format!(
                "{} other {calls} of this identity in the same log file, {} failed, from {from}",
                related.event_count, related.error_count
            )
        }
    }
}

/// It does not name the denied actions: AWS changes the list with each version.
fn contained(alert: &Alert) -> String {
    let code = alert.call.error_code.as_ref().map_or("no errorCode".into(), |code| code.unlinked(MAX_CHARS));
    match alert.outcome {
        Outcome::Quarantined => "partly: some actions are denied, but the key works for all others".into(),
        Outcome::Failed => format!("possibly NOT: attaching the policy failed ({code})"),
        Outcome::Removed => "NO LONGER, unless the access keys are inactive".into(),
        Outcome::Denied => format!("possibly NOT: a call that looks like the attach was denied ({code})"),
        Outcome::Enforced => "partly: the policy denied this call, but the key works for others".into(),
        Outcome::Exposed if alert.entity.kind == EntityType::User => {
            "not known: AWS may have quarantined the user, which denies some actions; the key works for all others"
                .into()
        }
        Outcome::Exposed if alert.entity.kind == EntityType::Root => {
            "NO: AWS quarantines only users, and no policy of the account limits root".into()
        }
        Outcome::Exposed => {
            "possibly NOT: nothing contains root, and a quarantine of a user denies only some actions".into()
        }
    }
}
