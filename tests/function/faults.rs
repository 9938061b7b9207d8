//! A server fails once, or during the whole first delivery. Then it works again, all leases have expired, and the
//! delivery is redelivered, as the queue redelivers failed items.

use std::{
    fmt,
    iter::zip,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::support::{
    Function,
    errors::{DYNAMODB_400, DYNAMODB_500, DYNAMODB_503, SNS_400, SNS_500, SNS_503, XML_500, XML_503},
    event, failed_items, in_parallel,
    local_aws::Account,
    put_log_files,
    wire::{Fault, Wire},
};

/// When a fault ends: after one request, which the SDK retries, or not during the first delivery.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    Midway,
    Never,
}
use Ends::{Midway, Never};

/// The outcome of both deliveries. The alerts are counted at a subscriber.
#[derive(PartialEq)]
struct Outcome {
    /// Whether the first delivery returned to the queue.
    is_returned: bool,
    /// Whether the alert shows that the table was unavailable.
    degraded: bool,
    alerts_at_first: usize,
    alerts_in_all: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let item = if self.is_returned { "returned" } else { "done" };
        let degraded = if self.degraded { ", degraded" } else { "" };
        f.pad(&format!("{item}, {} + {}{degraded}", self.alerts_at_first, self.alerts_in_all - self.alerts_at_first))
    }
}

const fn outcome(is_returned: bool, degraded: bool, alerts_at_first: usize, alerts_in_all: usize) -> Outcome {
    Outcome { is_returned, degraded, alerts_at_first, alerts_in_all }
}

/// The fault has no effect.
const FINE: Outcome = outcome(false, false, 1, 1);
/// The redelivery is alerted.
const LATER: Outcome = outcome(true, false, 0, 1);
/// The table contains the claim although it was published without the table, so the redelivery is suppressed.
const UNSURE: Outcome = outcome(false, true, 1, 1);
/// Published without the table, which does not contain the incident. The redelivery causes a duplicate.
const DEGRADED: Outcome = outcome(false, true, 1, 2);

/// In the middle of an answer's body, after its head.
const MIDDLE: usize = 700;

struct Cell {
    operation: &'static str,
    what: &'static str,
    fault: Fault,
    ends: Ends,
    expected: Outcome,
}

const fn cell(operation: &'static str, what: &'static str, fault: Fault, ends: Ends, expected: Outcome) -> Cell {
    Cell { operation, what, fault, ends, expected }
}

const CELLS: [Cell; 56] = [
    cell("GetObject", "reset", Fault::Cut, Midway, FINE),
    cell("GetObject", "reset", Fault::Cut, Never, LATER),
    cell("GetObject", "500", Fault::Answer(500, XML_500), Midway, FINE),
    cell("GetObject", "500", Fault::Answer(500, XML_500), Never, LATER),
    cell("GetObject", "503 SlowDown", Fault::Answer(503, XML_503), Midway, FINE),
    cell("GetObject", "503 SlowDown", Fault::Answer(503, XML_503), Never, LATER),
    cell("GetObject", "429", Fault::Answer(429, XML_503), Midway, FINE),
    cell("GetObject", "429", Fault::Answer(429, XML_503), Never, LATER),
    cell("GetObject", "too slow", Fault::Hang, Midway, FINE),
    cell("GetObject", "too slow", Fault::Hang, Never, LATER),
    // The SDK does not retry once a body has begun.
    cell("GetObject", "body truncated", Fault::CutAnswer(MIDDLE), Midway, LATER),
    cell("GetObject", "body truncated", Fault::CutAnswer(MIDDLE), Never, LATER),
    cell("GetObject", "answer lost", Fault::CutAnswer(0), Midway, FINE),
    cell("GetObject", "answer lost", Fault::CutAnswer(0), Never, LATER),
    cell("GetItem", "reset", Fault::Cut, Midway, FINE),
    cell("GetItem", "reset", Fault::Cut, Never, DEGRADED),
    cell("GetItem", "500", Fault::Answer(500, DYNAMODB_500), Midway, FINE),
    cell("GetItem", "500", Fault::Answer(500, DYNAMODB_500), Never, DEGRADED),
    cell("GetItem", "503", Fault::Answer(503, DYNAMODB_503), Midway, FINE),
    cell("GetItem", "503", Fault::Answer(503, DYNAMODB_503), Never, DEGRADED),
    cell("GetItem", "throttled", Fault::Answer(400, DYNAMODB_400), Midway, FINE),
    cell("GetItem", "throttled", Fault::Answer(400, DYNAMODB_400), Never, DEGRADED),
    cell("GetItem", "too slow", Fault::Hang, Midway, FINE),
    cell("GetItem", "too slow", Fault::Hang, Never, DEGRADED),
    cell("GetItem", "answer lost", Fault::CutAnswer(0), Midway, FINE),
    cell("GetItem", "answer lost", Fault::CutAnswer(0), Never, DEGRADED),
    cell("GetItem", "answer truncated", Fault::CutAnswer(30), Midway, FINE),
    cell("GetItem", "answer truncated", Fault::CutAnswer(30), Never, DEGRADED),
    cell("PutItem", "reset", Fault::Cut, Midway, FINE),
    cell("PutItem", "reset", Fault::Cut, Never, DEGRADED),
    cell("PutItem", "500", Fault::Answer(500, DYNAMODB_500), Midway, FINE),
    cell("PutItem", "500", Fault::Answer(500, DYNAMODB_500), Never, DEGRADED),
    cell("PutItem", "503", Fault::Answer(503, DYNAMODB_503), Midway, FINE),
    cell("PutItem", "503", Fault::Answer(503, DYNAMODB_503), Never, DEGRADED),
    cell("PutItem", "throttled", Fault::Answer(400, DYNAMODB_400), Midway, FINE),
    cell("PutItem", "throttled", Fault::Answer(400, DYNAMODB_400), Never, DEGRADED),
    cell("PutItem", "too slow", Fault::Hang, Midway, FINE),
    cell("PutItem", "too slow", Fault::Hang, Never, DEGRADED),
    // The claim is recognized by its token.
    cell("PutItem", "answer lost", Fault::CutAnswer(0), Midway, FINE),
    cell("PutItem", "answer lost", Fault::CutAnswer(0), Never, UNSURE),
    cell("PutItem", "answer truncated", Fault::CutAnswer(30), Midway, FINE),
    cell("PutItem", "answer truncated", Fault::CutAnswer(30), Never, UNSURE),
    cell("Publish", "reset", Fault::Cut, Midway, FINE),
    cell("Publish", "reset", Fault::Cut, Never, LATER),
    cell("Publish", "500", Fault::Answer(500, SNS_500), Midway, FINE),
    cell("Publish", "500", Fault::Answer(500, SNS_500), Never, LATER),
    cell("Publish", "503", Fault::Answer(503, SNS_503), Midway, FINE),
    cell("Publish", "503", Fault::Answer(503, SNS_503), Never, LATER),
    cell("Publish", "throttled", Fault::Answer(400, SNS_400), Midway, FINE),
    cell("Publish", "throttled", Fault::Answer(400, SNS_400), Never, LATER),
    cell("Publish", "too slow", Fault::Hang, Midway, FINE),
    cell("Publish", "too slow", Fault::Hang, Never, LATER),
    // Each of the SDK's three attempts was published, so each lost answer adds an alert.
    cell("Publish", "answer lost", Fault::CutAnswer(0), Midway, outcome(false, false, 2, 2)),
    cell("Publish", "answer lost", Fault::CutAnswer(0), Never, outcome(true, false, 3, 4)),
    cell("Publish", "answer truncated", Fault::CutAnswer(30), Midway, outcome(false, false, 2, 2)),
    cell("Publish", "answer truncated", Fault::CutAnswer(30), Never, outcome(true, false, 3, 4)),
];

async fn fail(cell: &Cell) -> Outcome {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let &Cell { operation, fault, ends, .. } = cell;
    let works = Arc::new(AtomicBool::new(false));
    let works_again = works.clone();
    let wire = Wire::new(&account.endpoint, move |seen| {
        let fails = seen.operation == operation && (ends == Never || seen.number == 1) && !works.load(Ordering::SeqCst);
        if fails { fault } else { Fault::None }
    });
    let delivery = event("sqs-s3-object-created", &account);
    let mut function = Function::start_on(&account, &wire);
    let is_returned = !failed_items(&function.invoke(&delivery).unwrap()).is_empty();
    let at_first = account.new_alerts().await;

    works_again.store(true, Ordering::SeqCst);
    account.end_leases().await;
    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty(), "the redelivery failed");
    let later = account.new_alerts().await;
    // A transient failure does not need a person.
    let log = function.log();
    assert!(log.iter().all(|line| line.level() != "ERROR"), "{log:#?}");
    Outcome {
        is_returned,
        degraded: at_first.iter().any(|alert| alert["dedupDegraded"] == true),
        alerts_at_first: at_first.len(),
        alerts_in_all: at_first.len() + later.len(),
    }
}

#[test]
fn no_fault_loses_an_alert() {
    let seen = in_parallel(&CELLS, fail);
    println!("{:<11}{:<18}{:<8}{:<26}seen (item, alerts at first + after the redelivery)", "", "", "ends", "expected");
    for (Cell { operation, what, ends, expected, .. }, seen) in zip(&CELLS, &seen) {
        println!("{operation:<11}{what:<18}{:<8}{expected:<26}{seen}", format!("{ends:?}").to_lowercase());
    }
    assert!(zip(&CELLS, &seen).all(|(cell, seen)| cell.expected == *seen));
}

#[test]
fn a_refused_connection_loses_no_alert() {
    const CELLS: [(&str, Outcome); 3] =
        [("AWS_ENDPOINT_URL_S3", LATER), ("AWS_ENDPOINT_URL_DYNAMODB", DEGRADED), ("AWS_ENDPOINT_URL_SNS", LATER)];
    let seen = in_parallel(&CELLS, async |(variable, _)| {
        let account = Account::new().await;
        put_log_files(&account, &["quarantined"]).await;
        let delivery = event("sqs-s3-object-created", &account);
        // Nothing listens there: the port was free a moment ago.
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let variables = [(*variable, format!("http://{closed}"))];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = Function::start_with(&account, &account.endpoint, &variables).invoke(&delivery).unwrap();
        let at_first = account.new_alerts().await;
        account.end_leases().await;
        assert!(failed_items(&Function::start(&account).invoke(&delivery).unwrap()).is_empty());
        Outcome {
            is_returned: !failed_items(&answer).is_empty(),
            degraded: at_first.iter().any(|alert| alert["dedupDegraded"] == true),
            alerts_at_first: at_first.len(),
            alerts_in_all: at_first.len() + account.new_alerts().await.len(),
        }
    });
    for ((variable, expected), seen) in zip(&CELLS, &seen) {
        println!("refused: {variable:<27}{expected:<26}{seen}");
        assert!(expected == seen);
    }
}
