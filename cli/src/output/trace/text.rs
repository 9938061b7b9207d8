//! A trace for a person: the verdict, the identities, what was left behind, then the most frequent values.

use std::fmt::Write as _;

use quarantine_alert::trace::{
    identities::Identities,
    report::{AccessedRow, IdentityRow, LeftRow, Report, ValueRow},
};

use super::{
    Trace,
    verdict::{period, shown, verdict},
    work::{Work, by_hand, deactivations},
};
use crate::{output::trace::tree::branches, progress::plural};

/// The table shows at most this many rows of each kind. JSON has all of them.
const TOP: usize = 10;

pub fn text(trace: &Trace, identities: &Identities) -> String {
    let report = &trace.report;
    let mut text = verdict(trace).join("\n");
    text.push_str("\n\nIDENTITIES\n");
    for branch in branches(identities) {
        let _ = writeln!(text, "{}{}", branch.lines, identity(&report.identities[branch.at]));
    }
    section(&mut text, "DEACTIVATE FIRST", &deactivations(report), usize::MAX, Clone::clone);
    let Work { to_undo, own, removed } = Work::of(report);
    section(&mut text, "UNDO, in this order", &to_undo, usize::MAX, |row| left(report, row));
    let removal = |row: &&LeftRow| {
        let at = row.removed_at.map_or(String::new(), |at| at.to_string());
        format!("{} {}  removed {at} by {}", row.kind, row.id.visible(200), shown(row.removed_by.as_ref(), 150))
    };
    section(&mut text, "REMOVED SINCE", &removed, TOP, removal);
    section(&mut text, "NOTHING TO UNDO: these only removed what it had made itself", &own, TOP, |row| {
        format!("{} {}", row.kind, row.id.visible(200))
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

fn left(report: &Report, row: &LeftRow) -> String {
    let region = shown(row.region.as_ref(), 32);
    let time = row.event_time.map_or("at an unknown time".into(), |time| time.to_string());
    let undo = row.undo.clone().unwrap_or_else(|| by_hand(report, row));
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
