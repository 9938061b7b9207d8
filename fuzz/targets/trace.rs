//! Any records through a trace: nothing is counted twice or lost, every parent stands before its children, and the order of the
//! log files makes no difference.

#![no_main]

use std::{
    collections::{BTreeSet, HashSet},
    io,
};

use libfuzzer_sys::fuzz_target;
use quarantine_alert::{
    trace::{
        call::{Call, replaced_by},
        calls::Calls,
        edges::Edge,
        identities::Identities,
        identity::{Caller, Identity},
        left_behind::Undoing,
        report::Report,
    },
    trail::record::Record,
};
use quarantine_alert_fuzz::choice;
use serde_json::Value;

const ROOTS: [&str; 4] = [
    "AKIAIOSFODNN7EXAMPLE",
    "arn:aws:iam::123456789012:user/ci-deploy",
    "arn:aws:iam::123456789012:role/deploy-admin",
    "arn:aws:sts::123456789012:assumed-role/deploy-admin/build-42",
];

struct Traced {
    report: Value,
    /// Calls with copies, and those that an addendum replaced.
    found: usize,
    has_replaced: bool,
}

fn traced(records: &[(usize, Record)], roots: &[Identity], depth: usize) -> Traced {
    let edges: Vec<Edge> = records.iter().filter_map(|(_, record)| Edge::of(record)).collect();
    let replaced: HashSet<_> = records.iter().filter_map(|(_, record)| replaced_by(record)).collect();
    let identities = Identities::follow(roots.to_vec(), &edges, &replaced, depth);
    for (at, traced) in identities.list.iter().enumerate() {
        match &traced.parent {
            Some((parent, _)) => assert!(*parent < at, "a child stands before its parent"),
            None => assert!(roots.contains(&traced.identity)),
        }
    }
    // The second read searches for them.
    let _ = identities.needles().count();
    let mut calls = Calls::new(|| Err(io::ErrorKind::Unsupported.into()));
    let mut undoing = Vec::new();
    for (number, record) in records {
        if record.event_id.as_ref().is_some_and(|id| replaced.contains(id)) {
            continue;
        }
        if let Some(owner) = identities.owner(&Caller::of(record), record.event_time) {
            let call = Call::of(record, owner).expect("a record is an object");
            calls.add(call, &format!("file {number}")).expect("few calls are in memory");
        }
        undoing.extend(Undoing::of(record));
    }
    let found = calls.found;
    let timeline = calls.finish().expect("few calls are in memory");
    let report = Report::new(&identities, &timeline, undoing, None).expect("few calls are in memory");
    let report = serde_json::to_value(&report).expect("a report is JSON");
    Traced { report, found, has_replaced: !replaced.is_empty() }
}

fn sum(rows: &Value, name: &str) -> u64 {
    rows.as_array().into_iter().flatten().filter_map(|row| row[name].as_u64()).sum()
}

/// Whether a command has only values that are safe to paste.
fn is_safe(command: &str) -> bool {
    let (command, note) = command.split_once("  # ").unwrap_or((command, ""));
    command.starts_with("aws ")
        && command.split('\'').step_by(2).all(|outside| {
            !outside.contains(['$', '`', ';', '&', '|', '<', '>', '\n', '\\', '"']) || outside.contains("{\"")
        })
        && !note.contains('\n')
}

fuzz_target!(|data: &[u8]| {
    let (choices, rest) = choice(data);
    let roots: Vec<&str> =
        ROOTS.into_iter().enumerate().filter(|(at, _)| choices >> at & 1 == 1).map(|(_, root)| root).collect();
    let roots = if roots.is_empty() { ROOTS[0].to_owned() } else { roots.join(",") };
    let roots = Identity::parse_list(&roots).expect("they are identities");
    let depth = match choices >> 4 & 3 {
        3 => usize::MAX,
        depth => usize::from(depth),
    };
    let lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').take(64).collect();
    let records = || lines.iter().enumerate().filter_map(|(number, line)| Some((number, Record::parse(line).ok()?)));
    let forward: Vec<_> = records().collect();
    let Traced { report, found, has_replaced } = traced(&forward, &roots, depth);

    let calls = report["summary"]["calls"].as_u64().expect("a number");
    let summary = |name: &str| report["summary"][name].as_u64().expect("a number");
    assert_eq!(["succeeded", "dryRun", "denied", "failed"].iter().map(|name| summary(name)).sum::<u64>(), calls);
    for rows in ["identities", "accounts", "regions", "services", "apis", "sourceIPAddresses", "userAgents"] {
        assert_eq!(sum(&report[rows], "calls"), calls, "{rows}");
        assert_eq!(sum(&report[rows], "denied"), summary("denied"), "{rows}");
    }
    assert!(sum(&report["errors"], "count") <= calls);
    assert_eq!(calls + summary("duplicates"), found as u64);
    let ids: BTreeSet<String> =
        report["identities"].as_array().expect("a list").iter().map(|row| row["id"].to_string()).collect();
    for row in report["leftBehind"].as_array().expect("a list") {
        assert!(ids.contains(&row["by"].to_string()));
        assert!(row["undo"].as_str().is_none_or(is_safe), "{}", row["undo"]);
    }

    // A key without its edges: the calls of a plain parse.
    if depth == 0 && choices & 15 <= 1 && !has_replaced {
        let with_key = forward.iter().filter(|(_, record)| {
            serde_json::from_str::<Value>(&record.raw)
                .is_ok_and(|record| record["userIdentity"]["accessKeyId"] == ROOTS[0])
        });
        let is_plain = |(_, record): &&(usize, Record)| serde_json::from_str::<Value>(&record.raw).is_ok();
        if forward.iter().all(|record| is_plain(&record)) {
            let mut seen = BTreeSet::new();
            let expected = with_key
                .filter(|(_, record)| record.event_id.as_ref().is_none_or(|id| seen.insert(id.clone())))
                .count();
            assert_eq!(calls, expected as u64);
        }
    }

    let mut backward: Vec<_> = records().collect();
    backward.reverse();
    assert!(traced(&backward, &roots, depth).report == report, "the order of the log files matters");
});
