//! The function is killed at each request of the pipeline, the delivery is redelivered, and the alerts are counted.

use std::iter::zip;

use crate::support::{
    Function, TIMEOUT, event, failed_items, in_parallel,
    local_aws::Account,
    put_log_files,
    wire::{Fault, Wire},
};

#[derive(Clone, Copy)]
struct Cell {
    request: &'static str,
    /// Its number among the requests of the operation. The first GetItem and PutItem are of the claim, the second of the
    /// completion.
    number: usize,
    after: bool,
    /// Two if the function died between the publish and its completion.
    alerts: usize,
}

/// The steps of a match. A log file is read before them.
const STEPS: [Cell; 12] = [
    Cell { request: "GetItem", number: 1, after: false, alerts: 1 },
    Cell { request: "GetItem", number: 1, after: true, alerts: 1 },
    Cell { request: "PutItem", number: 1, after: false, alerts: 1 },
    Cell { request: "PutItem", number: 1, after: true, alerts: 1 },
    Cell { request: "Publish", number: 1, after: false, alerts: 1 },
    Cell { request: "Publish", number: 1, after: true, alerts: 2 },
    Cell { request: "GetItem", number: 2, after: false, alerts: 2 },
    Cell { request: "GetItem", number: 2, after: true, alerts: 2 },
    Cell { request: "PutItem", number: 2, after: false, alerts: 2 },
    Cell { request: "PutItem", number: 2, after: true, alerts: 1 },
    Cell { request: "Answer", number: 1, after: false, alerts: 1 },
    Cell { request: "Answer", number: 1, after: true, alerts: 1 },
];

const READS: [Cell; 2] = [
    Cell { request: "GetObject", number: 1, after: false, alerts: 1 },
    Cell { request: "GetObject", number: 1, after: true, alerts: 1 },
];

async fn crash(payload: &str, cell: &Cell) -> usize {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let &Cell { request, number, after, .. } = cell;
    let wire = Wire::new(&account.endpoint, move |seen| match after {
        _ if (seen.operation.as_str(), seen.number) != (request, number) => Fault::None,
        false => Fault::KillBefore,
        true => Fault::KillAfter,
    });
    let delivery = event(payload, &account);
    let mut function = Function::start_on(&account, &wire);
    let answer = function.invoke_within(&delivery, TIMEOUT);
    assert!(answer.is_none() || (request, after) == ("Answer", true), "the function should have died");
    function.wait();

    // The queue redelivers it after six minutes, when all leases have expired.
    account.end_leases().await;
    let mut function = Function::start(&account);
    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    let alerts = account.new_alerts().await;
    // Duplicates have the same id, so that readers can recognize them.
    assert!(alerts.iter().all(|alert| alert["alertId"] == alerts[0]["alertId"]));
    alerts.len()
}

/// Kills the function at each cell, and compares the number of alerts.
fn crash_at(payload: &str, cells: &[Cell]) {
    let seen = in_parallel(cells, async |cell: &Cell| crash(payload, cell).await);
    println!("{:<32}{:>9}{:>6}   {payload}", "the function dies", "expected", "seen");
    for (cell, seen) in zip(cells, &seen) {
        let what = match (cell.request, cell.number) {
            ("GetItem", 1) => "get document",
            ("PutItem", 1) => "put claim",
            ("GetItem" | "PutItem", _) => "complete",
            ("GetObject", _) => "get object",
            ("Publish", _) => "publish",
            _ => "answer",
        };
        let when = if cell.after { "after" } else { "before" };
        println!("{:<32}{:>9}{:>6}", format!("{when} {what} ({})", cell.request), cell.alerts, seen);
    }
    assert!(zip(cells, &seen).all(|(cell, &seen)| cell.alerts == seen));
}

#[test]
fn a_crash_at_any_request_loses_no_alert() {
    crash_at("sqs-s3-object-created", &[&READS[..], &STEPS].concat());
}

#[test]
fn a_crash_at_any_request_loses_no_alert_of_aws_health() {
    crash_at("sqs-eventbridge-health", &STEPS);
}

#[test]
fn two_functions_on_the_same_deliveries_alert_once() {
    let rounds: Vec<usize> = (0..24).collect();
    let alerts = in_parallel(&rounds, async |_: &usize| {
        let account = Account::new().await;
        put_log_files(&account, &["quarantined", "panther-seed", "failed"]).await;
        let batch = event("sqs-batch", &account);
        put_log_files(&account, &["clean", "near-misses"]).await;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let answer = Function::start(&account).invoke(&batch).unwrap();
                    assert!(failed_items(&answer).is_empty());
                });
            }
        });
        account.new_alerts().await.len()
    });
    assert_eq!(alerts, vec![3; rounds.len()]);
}
