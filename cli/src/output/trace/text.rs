//! A trace for a person: the verdict, the identities, what was left behind, then the most frequent values.

use std::fmt::Write as _;

use quarantine_alert::{
    trace::{
        identities::Identities,
        report::{AccessedRow, IdentityRow, LeftRow, Time, ValueRow},
    },
    trail::time::rfc3339,
    untrusted::Untrusted,
};

use super::Trace;
use crate::progress::plural;

/// The table shows at most this many rows of each kind. JSON has all of them.
const TOP: usize = 10;

pub fn text(trace: &Trace, identities: &Identities) -> String {
    let report = &trace.report;
    let mut text = verdict(trace).join("\n");
    text.push_str("\n\nIDENTITIES\n");
    tree(&mut text, identities, &report.identities);
    let (there, removed): (Vec<_>, Vec<_>) = report.left_behind.iter().partition(|row| row.removed_at.is_none());
    // A policy is attached to a user after the user is created, and must be detached before the user can be deleted.
    let newest_first: Vec<_> = there.into_iter().rev().collect();
    section(&mut text, "LEFT BEHIND, the newest first: undo in this order", &newest_first, usize::MAX, |row| left(row));
    section(&mut text, "LEFT BEHIND, AND REMOVED SINCE", &removed, TOP, |row| {
        let at = row.removed_at.map_or(String::new(), |at| at.to_string());
        format!("{} {}  removed {at} by {}", row.kind, row.id.visible(200), shown(row.removed_by.as_ref(), 150))
    });
    let values = |row: &ValueRow| {
        let value = shown(row.value.as_ref(), 100);
        format!(
            "{value}  {}{}  {}",
            plural(row.count.calls, "call"),
            denied(row.count.denied),
            period(row.count.first_event_time, row.count.last_event_time)
        )
    };
    section(&mut text, "ADDRESSES", &report.source_ip_addresses, TOP, values);
    section(&mut text, "USER AGENTS", &report.user_agents, TOP, values);
    section(&mut text, "SERVICES", &report.services, TOP, |row| {
        format!("{}  {}{}", row.event_source.visible(64), plural(row.calls, "call"), denied(row.denied))
    });
    // Secrets are few, and matter more than the most frequent objects.
    let is_object = |row: &&AccessedRow| row.event_source.test(|source| source == "s3.amazonaws.com");
    let (objects, secrets): (Vec<_>, Vec<_>) = report.accessed.iter().partition(is_object);
    section(&mut text, "READ OR SHARED", &[secrets, objects].concat(), TOP, |row| {
        format!("{}  {}  {}", row.resource.visible(150), row.event_name.visible(64), plural(row.calls, "call"))
    });
    section(&mut text, "ERRORS", &report.errors, TOP, |row| {
        let api = format!("{} {}", row.event_source.visible(64), row.event_name.visible(64));
        format!("{}  {api}  {}", row.error_code.visible(64), plural(row.count, "time"))
    });
    text
}

/// At most five sentences.
fn verdict(trace: &Trace) -> Vec<String> {
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
        plural(report.source_ip_addresses.len(), "source address").replace("addresss", "addresses"),
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
        _ => format!("{} came from it.", plural(came, "identity").replace("identitys", "identities")),
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

fn tree(text: &mut String, identities: &Identities, rows: &[IdentityRow]) {
    let children = identities.children();
    let roots = (0..rows.len()).filter(|&at| identities.list[at].parent.is_none());
    // Each with the box characters of its parents, so that any depth is drawn without recursion.
    let mut waiting: Vec<(usize, String, bool, bool)> = roots.map(|at| (at, String::new(), true, true)).collect();
    waiting.reverse();
    while let Some((at, indent, is_last, is_root)) = waiting.pop() {
        let branch = if is_root {
            ""
        } else if is_last {
            "└─ "
        } else {
            "├─ "
        };
        let _ = writeln!(text, "{indent}{branch}{}", identity(&rows[at]));
        let indent = if is_root { indent } else { format!("{indent}{}", if is_last { "   " } else { "│  " }) };
        let below = children.get(&at).map_or(&[][..], Vec::as_slice);
        let below =
            below.iter().enumerate().map(|(place, &child)| (child, indent.clone(), place + 1 == below.len(), false));
        waiting.extend(below.collect::<Vec<_>>().into_iter().rev());
    }
}

fn identity(row: &IdentityRow) -> String {
    let id = row.id.visible(150);
    let via = row.via.as_ref().map_or(String::new(), |via| {
        let time = via.event_time.map_or(String::new(), |time| format!(" {time}"));
        format!(" ({}{time})", via.event_name.visible(64))
    });
    let arn =
        row.arn.as_ref().filter(|arn| **arn != row.id).map_or(String::new(), |arn| format!(" {}", arn.visible(150)));
    format!("{} {id}{arn}{via}: {}{}", row.kind, plural(row.count.calls, "call"), denied(row.count.denied))
}

fn left(row: &LeftRow) -> String {
    let region = shown(row.region.as_ref(), 32);
    let time = row.event_time.map_or("at an unknown time".into(), |time| time.to_string());
    let event = shown(row.event_id.as_ref(), 64);
    let undo = row.undo.clone().unwrap_or_else(|| format!("no single command; see the record with event ID {event}"));
    let made = format!("{} {}  ({}, {region}, {time})", row.kind, row.id.visible(200), row.account_id.visible(16));
    format!("{made}\n    by {}\n    undo: {undo}", row.by.visible(150))
}

fn section<T>(text: &mut String, title: &str, rows: &[T], most: usize, line: impl Fn(&T) -> String) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for row in rows.iter().take(most) {
        let _ = writeln!(text, "  {}", line(row));
    }
    if rows.len() > most {
        let _ = writeln!(text, "  and {} more, in --format json", rows.len() - most);
    }
}

fn denied(denied: u64) -> String {
    if denied == 0 { String::new() } else { format!(", {denied} denied") }
}

fn period(first: Option<Time>, last: Option<Time>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if first == last => format!("at {first}"),
        (Some(first), Some(last)) => format!("from {first} to {last}"),
        _ => "at unknown times".into(),
    }
}

fn shown(text: Option<&Untrusted>, max: usize) -> String {
    text.map_or("unknown".into(), |text| text.visible(max))
}
