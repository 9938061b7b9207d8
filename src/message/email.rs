//! The alert as plain text that fits a phone: first what happened, then what to do, then the evidence.

use std::fmt::Write;

use crate::{
    alert::{Alert, SEARCH_STEP},
    rule::Outcome,
    untrusted::Untrusted,
};

/// Longer values are cut here. The JSON alert has them whole.
const MAX_CHARS: usize = 200;

pub(super) fn text(alert: &Alert) -> String {
    let shown = |text: &Option<Untrusted>| text.as_ref().map_or("unknown".into(), |text| text.unlinked(MAX_CHARS));
    let actor = &alert.actor;
    let policy = alert.policy.as_ref().map_or("policy unknown".into(), |policy| policy.name.unlinked(128));
    let mut text = Rows::default();
    text.row("Outcome", &format!("{} ({}), {policy}", alert.outcome, alert.severity));
    text.row("Entity", &format!("{} {}", alert.entity.kind, alert.entity.name.unlinked(128)));
    text.row("Account", &format!("{}, {}", alert.account_id, alert.region.unlinked(64)));
    text.row("Event time", &event_time(alert));
    text.row("Actor", &format!("{} {}", shown(&actor.kind), shown(&actor.arn)));
    text.row("Access key", &shown(&actor.access_key_id));
    text.row("Source IP", &shown(&actor.source_ip_address));
    text.row("User agent", &actor.user_agent.as_ref().map_or("unknown".into(), |text| text.unlinked_text(MAX_CHARS)));
    if alert.outcome == Outcome::Enforced {
        text.row("Tried", &tried(alert));
    }
    text.row("Called by", alert.caller());
    text.row("Contained", &contained(alert));
    text.row("Console", &alert.link);

    let _ = write!(text.0, "\nWhat to do\n{}\n", alert.runbook);

    text.row("Evidence", &evidence(alert));
    text.row("Event ID", &shown(&alert.source.event_id));
    text.row("Alert ID", &alert.alert_id);
    text.row("Rule", alert.id);
    text.row("MITRE", &alert.reports.join(", "));
    text.row("Reference", alert.reference);
    text.row("Related", &related(alert));
    for call in alert.related.iter().flat_map(|related| &related.events) {
        let kind = &call.kind;
        let error = kind.error_code.as_ref().map_or(String::new(), |code| format!(", {}", code.unlinked(64)));
        let service = kind.event_source.unlinked(64);
        let name = kind.event_name.unlinked(64);
        let _ = writeln!(text.0, "   {} × {service} {name} ({}{error})", call.count, kind.aws_region.unlinked(32));
    }
    for (applies, note) in [
        (alert.test, "This is a TEST. No account has the id 000000000000."),
        (alert.is_last, "This entity has reached its alerts for this period. Further ones are counted, not sent."),
        (alert.dedup_degraded, "The dedup table was unavailable. This alert may be a duplicate."),
        (alert.truncated, "Some values were cut for their size. The log file has them whole."),
    ] {
        if applies {
            let _ = writeln!(text.0, "{note}");
        }
    }
    text.0
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
    }
}
