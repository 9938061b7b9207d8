//! The result of a trace in at most five sentences.

use std::fmt::Write as _;

use quarantine_alert::{trace::report::Time, trail::time::rfc3339, untrusted::Untrusted};

use super::{Trace, work::Work};
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
            "; the quarantine came at {time}, after {} and before {}",
            plural(before, "call"),
            plural(after, "call")
        );
    }
    sentences.push(outcome + ".");
    let came = report.identities.iter().filter(|row| row.parent.is_some()).count();
    sentences.push(match came {
        0 => "It created or assumed no other identity.".into(),
        _ => format!("It created or assumed {}.", plural(came, "other identity")),
    });
    let Work { to_undo, own, removed } = Work::of(report);
    sentences.push(match report.left_behind.len() {
        0 => "This program knows of nothing that it left behind.".into(),
        _ => format!(
            "It left {} to undo; {} had been removed again by the end of these log files.",
            plural(to_undo.len(), "thing"),
            own.len() + removed.len(),
        ),
    });
    sentences.push(unseen(trace));
    sentences
}

/// Names the calls that the trace may have missed.
fn unseen(trace: &Trace) -> String {
    let coverage = &trace.coverage;
    let mut parts = Vec::new();
    match (&coverage.first_delivery, &coverage.last_delivery) {
        (Some(first), Some(last)) => parts.push(format!("calls outside the log files delivered {first} to {last}")),
        _ => parts.push("calls outside these log files".into()),
    }
    if !coverage.data_events_seen {
        parts.push("reads of objects and other data events (these log files have none)".into());
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
