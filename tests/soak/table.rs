//! The table that a run prints.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    faults::{self, Injected},
    gauge::quarters,
    incidents::Case,
    queue::{Ends, Message},
    verdict::Verdict,
    worker::Lives,
};

/// The deliveries of one kind.
#[derive(Default)]
pub struct Row {
    pub sent: usize,
    pub acknowledged: usize,
    pub dead: usize,
    receives: u32,
}

/// The deliveries by shape or by content.
pub fn rows(ends: &Ends, kind: impl Fn(&Message) -> &'static str) -> BTreeMap<&'static str, Row> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for (message, is_dead) in
        ends.acknowledged.iter().map(|message| (message, false)).chain(ends.dead.iter().map(|message| (message, true)))
    {
        let row = rows.entry(kind(message)).or_default();
        row.sent += 1;
        row.acknowledged += usize::from(!is_dead);
        row.dead += usize::from(is_dead);
        row.receives += message.receives;
    }
    rows
}

pub fn print_deliveries(title: &str, rows: &BTreeMap<&str, Row>) {
    println!("\n{title:<36}{:>8}{:>14}{:>13}{:>10}", "sent", "acknowledged", "dead-letter", "receives");
    for (name, Row { sent, acknowledged, dead, receives }) in rows {
        println!("{name:<36}{sent:>8}{acknowledged:>14}{dead:>13}{receives:>10}");
    }
    let sum = |value: fn(&Row) -> usize| rows.values().map(value).sum::<usize>();
    let receives: u32 = rows.values().map(|row| row.receives).sum();
    println!(
        "{:<36}{:>8}{:>14}{:>13}{receives:>10}",
        "all",
        sum(|row| row.sent),
        sum(|row| row.acknowledged),
        sum(|row| row.dead)
    );
}

pub fn print_faults(injected: &Injected) {
    println!("\n{:<36}{:>8}", "requests with a fault", "number");
    for kind in faults::kinds() {
        let number = injected.faults.get(&kind).copied().unwrap_or(0);
        println!("{:<36}{number:>8}", format!("{} {}", kind.0, kind.1));
    }
    for point in faults::kill_points() {
        let number = injected.kills.get(&point).copied().unwrap_or(0);
        println!("{:<36}{number:>8}", format!("killed {} {}", if point.1 { "after" } else { "before" }, point.0));
    }
}

pub fn print_incidents(cases: &[Case], verdict: &Verdict) {
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in cases {
        let kind = kinds.entry(case.kind).or_default();
        kind.0 += 1;
        kind.1 += case.incidents.len();
    }
    println!("\n{:<36}{:>8}{:>14}", "cases", "number", "incidents");
    for (kind, (cases, incidents)) in kinds {
        println!("{kind:<36}{cases:>8}{incidents:>14}");
    }
    let Verdict { known, alerted, received, duplicates, degraded, .. } = verdict;
    println!("\n{:<36}{:>8}", "alerts", "number");
    for (name, number) in [
        ("known incidents", known),
        ("incidents with an alert", alerted),
        ("alerts received", received),
        ("of these, duplicates", duplicates),
        ("of these, without the dedup table", degraded),
    ] {
        println!("{name:<36}{number:>8}");
    }
}

pub fn print_functions(functions: &[(&str, &Lives)]) {
    println!("\n{:<36}{:>26}{:>26}", "functions", functions[0].0, functions[1].0);
    let line = |name: &str, value: &dyn Fn(&Lives) -> String| {
        println!("{name:<36}{:>26}{:>26}", value(functions[0].1), value(functions[1].1));
    };
    line("invocations", &|lives| lives.invocations.to_string());
    line("killed", &|lives| lives.kills.to_string());
    line("ended while idle", &|lives| lives.restarts.to_string());
    for metric in ["FilesScanned", "FilesFailed", "MatchesPublished", "MatchesSuppressed", "MatchesFailed"] {
        line(metric, &|lives| lives.metrics.get(metric).copied().unwrap_or(0).to_string());
    }
    let joined = |quarters: [usize; 4]| quarters.map(|value| value.to_string()).join(" ");
    line("most KiB resident, by quarter", &|lives| joined(quarters(&lives.samples, |sample| sample.resident_kib)));
    line("most file descriptors, by quarter", &|lives| joined(quarters(&lives.samples, |sample| sample.descriptors)));
}

pub fn minutes(elapsed: Duration) -> String {
    format!("{}:{:02} minutes", elapsed.as_secs() / 60, elapsed.as_secs() % 60)
}
