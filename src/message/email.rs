//! The alert as plain text for a phone: the first 12 lines tell what happened, then what to do, then the evidence.

use std::fmt::Write;

use crate::{alert::Alert, rule::Outcome, untrusted::Untrusted};

/// Fits a phone turned sideways; what is cut here stands whole in the JSON.
const MOST_CHARS: usize = 200;

pub(super) fn text(alert: &Alert) -> String {
    let shown = |text: &Option<Untrusted>| text.as_ref().map_or("unknown".into(), |text| text.visible(MOST_CHARS));
    let (actor, source) = (&alert.actor, &alert.source);
    let (called_by, caller) = alert.called_by();
    let policy = alert.policy.as_ref().map_or("policy unknown".into(), |policy| policy.name.visible(128));
    let mut text = String::new();
    let mut line = |label: &str, value: &str| row(&mut text, label, value);

    line("Outcome", &format!("{} ({}), {policy}", alert.outcome, alert.severity));
    line("Entity", &format!("{} {}", alert.entity.kind, alert.entity.name.visible(128)));
    line("Account", &format!("{}, {}", alert.account_id, alert.region.visible(64)));
    line("Event time", &format!("{}, seen {} s later", alert.event_time, alert.detection_latency_seconds));
    line("Actor", &format!("{} {}", shown(&actor.kind), shown(&actor.arn)));
    line("Access key", &shown(&actor.access_key_id));
    line("From", &format!("{}, {}", shown(&actor.source_ip_address), shown(&actor.user_agent)));
    line(called_by, caller);
    line("Contained", &contained(alert));
    line("Console", &alert.link);

    let _ = write!(text, "\nWhat to do\n{}", alert.runbook);

    text.push('\n');
    let mut line = |label: &str, value: &str| row(&mut text, label, value);
    line(
        "Evidence",
        &match (&source.bucket, &source.key) {
            (Some(bucket), Some(key)) => format!("s3://{}/{}", bucket.visible(63), key.visible(1024)),
            (None, Some(path)) => format!("{}, a copy on a disk", path.visible(1024)),
            (_, None) => "delivered by EventBridge; the log file follows within minutes".into(),
        },
    );
    line("Event ID", &shown(&source.event_id));
    line("Alert ID", &alert.alert_id);
    line("Rule", alert.id);
    line("MITRE", &alert.reports.join(", "));
    line("Reference", alert.reference);
    line("Related", &related(alert));
    for call in alert.related.iter().flat_map(|related| &related.events) {
        let kind = &call.kind;
        let error = kind.error_code.as_ref().map_or(String::new(), |code| format!(", {}", code.visible(64)));
        let (source, name) = (kind.event_source.visible(64), kind.event_name.visible(64));
        let _ = writeln!(text, "   {} × {source} {name} ({}{error})", call.count, kind.aws_region.visible(32));
    }
    for (is_so, note) in [
        (alert.test, "This is a TEST: no account has the id 000000000000."),
        (alert.dedup_degraded, "The dedup table could not be used: this alert may be a copy."),
        (alert.truncated, "Something was cut for its size; the log file has it whole."),
    ] {
        if is_so {
            let _ = writeln!(text, "{note}");
        }
    }
    text
}

fn row(text: &mut String, label: &str, value: &str) {
    let _ = writeln!(text, "{:<13}{value}", format!("{label}:"));
}

/// How much else there is; the calls themselves stand at the end.
fn related(alert: &Alert) -> String {
    match &alert.related {
        None => "not known; search CloudTrail as in step 4".into(),
        Some(related) if related.event_count == 0 => "no other call of this identity in the same log file".into(),
        Some(related) => format!(
            "{} other calls of this identity in the same log file, {} of them failed, from {}",
            related.event_count,
            related.error_count,
            related.source_ip_addresses.iter().map(|address| address.visible(45)).collect::<Vec<_>>().join(", "),
        ),
    }
}

/// Which actions are denied is not told: AWS changes the list with each version.
fn contained(alert: &Alert) -> String {
    let code = alert.error_code.as_ref().map_or("no errorCode".into(), |code| code.visible(MOST_CHARS));
    match alert.outcome {
        Outcome::Quarantined => "in part: some actions are denied, the key still works for all others".into(),
        Outcome::Failed => format!("perhaps NOT: attaching the policy failed ({code})"),
        Outcome::Removed => "NO LONGER, unless the keys are off".into(),
        Outcome::Denied => format!("perhaps NOT: what looks like an attach was denied ({code})"),
    }
}
