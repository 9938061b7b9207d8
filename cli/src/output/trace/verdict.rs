//! What a trace found, in at most five sentences.

use std::fmt::Write as _;

use quarantine_alert::{
    trace::report::{LeftRow, Time},
    trail::time::rfc3339,
    untrusted::Untrusted,
};

use super::Trace;
use crate::progress::plural;

/// At most five sentences.
pub fn verdict(trace: &Trace) -> Vec<String> {
    let report = &trace.report;
    let summary = &report.summary;
    if summary.calls == 0 {
        let unread = trace.coverage.unread.first();
        let partial = unread.map_or(String::new(), |first| format!(" NOT EVERYTHING WAS READ: {first}."));
        return vec![format!("These identities made no call that was found.{partial} {}", unseen(trace))];
    }
    let mut sentences = vec![format!(
        "Active {}: {} in {}, {} and {}, from {}.",
        period(summary.first_event_time, summary.last_event_time),
        plural(summary.calls, "call"),
        plural(report.accounts.len(), "account"),
        plural(report.regions.len(), "region"),
        plural(report.services.len(), "service"),
        plural(report.source_ip_addresses.len(), "source address"),
    )];
    let share = |part: u64| format!("{:.0} %", part as f64 * 100.0 / summary.calls as f64);
    let others = share(summary.failed + summary.dry_run);
    let mut outcome = format!(
        "{} succeeded, {} were denied, and {others} failed or were dry runs",
        share(summary.succeeded),
        share(summary.denied)
    );
    if let (Some(moment), Some(before), Some(after)) =
        (trace.quarantined, summary.before_quarantine, summary.after_quarantine)
    {
        let time = rfc3339(moment);
        let _ = write!(
            outcome,
            "; the quarantine came {time}, after {} and before {}",
            plural(before, "call"),
            plural(after, "call")
        );
    }
    sentences.push(outcome + ".");
    let came = report.identities.iter().filter(|row| row.parent.is_some()).count();
    sentences.push(match came {
        0 => "No other identity came from it.".into(),
        _ => format!("{} came from it.", plural(came, "identity")),
    });
    let there = report.left_behind.iter().filter(|row| row.removed_at.is_none()).count();
    sentences.push(match report.left_behind.len() {
        0 => "It left nothing behind that this program knows.".into(),
        all => format!("It left {} behind, {there} of which nobody has removed.", plural(all, "thing")),
    });
    sentences.push(unseen(trace));
    sentences
}

/// Names the calls that the trace may have missed.
fn unseen(trace: &Trace) -> String {
    let coverage = &trace.coverage;
    let mut parts = Vec::new();
    match (&coverage.first_delivery, &coverage.last_delivery) {
        (Some(first), Some(last)) => parts.push(format!("calls outside of the log files delivered {first} to {last}")),
        _ => parts.push("calls outside of these log files".into()),
    }
    if !coverage.data_events_seen {
        parts.push("reads of data (the log files have no data events)".into());
    }
    if trace.is_filtered {
        parts.push("what the filters left out, and what came from that".into());
    }
    if coverage.partial {
        parts.push("files that could not be read".into());
    }
    let (last, others) = parts.split_last().map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
    match others {
        [] => format!("Not seen: {last}."),
        others => format!("Not seen: {}, and {last}.", others.join(", ")),
    }
}

pub fn period(first: Option<Time>, last: Option<Time>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if first == last => format!("at {first}"),
        (Some(first), Some(last)) => format!("from {first} to {last}"),
        _ => "at unknown times".into(),
    }
}

pub fn shown(text: Option<&Untrusted>, max: usize) -> String {
    text.map_or("unknown".into(), |text| text.visible(max))
}

/// What to do about a thing that no command undoes.
pub fn without_command(row: &LeftRow) -> String {
    let event = shown(row.event_id.as_ref(), 64);
    if row.kind.contains("session") {
        format!(
            "no command ends it; in the IAM console, open its role or user and revoke the sessions (event ID {event})"
        )
    } else {
        format!("no single command; see the record with event ID {event}")
    }
}
