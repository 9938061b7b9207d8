//! The soak: the built function, twice at once, against local servers for about eight minutes. `make soak` runs it.
//!
//! Thousands of deliveries of every shape come from a queue that redelivers what fails. Servers fail, answers are lost, and one of
//! the two functions is killed at every step. The other one is never ended, which shows whether its memory grows. At
//! the end, the alerts must be those of the known set.
//!
//! `SEED` repeats the deliveries of a run; `DELIVERIES` makes it shorter. A short run injects fewer faults, and asserts less of them.

// A test may panic and print its tables. No test binary uses all of the common support.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, dead_code)]

mod author;
mod deliveries;
mod faults;
mod gauge;
mod health;
mod incidents;
mod log_files;
mod queue;
mod random;
mod shapes;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod verdict;
mod worker;

use std::{
    collections::BTreeSet,
    env,
    sync::Arc,
    thread,
    time::{Instant, SystemTime},
};

use deliveries::Deliveries;
use faults::{Faults, Injected};
use gauge::{is_flat, quarters};
use incidents::cases;
use queue::{Ends, Queue};
use random::Random;
use support::local_aws::Account;
use tokio::runtime::Runtime;
use verdict::Verdict;
use worker::{Lives, Worker};

const DELIVERIES: usize = 20_000;
/// One case for this many deliveries. Alerts are half a second apart, so more would only take longer.
const DELIVERIES_PER_CASE: usize = 50;
/// A full run injects each fault, and kills at each request, at least this many times.
const MIN_FAULTS: usize = 3;
/// It delivers each shape, and restarts an idle function, at least this many times.
const MIN_SHAPES: usize = 5;
const MIN_RESTARTS: usize = 20;
/// What the function that is never killed may need more in the last quarter than in the first. Both are less than a leak
/// of 2 KiB at each invocation, or of a descriptor at every hundredth, would take. The connections of a batch may still be
/// open when it is answered.
const TOLERANCE_KIB: usize = 4096;
const TOLERANCE_DESCRIPTORS: usize = 10;

#[test]
#[ignore = "takes eight minutes; run `make soak`"]
fn thousands_of_deliveries_with_faults_and_kills_alert_the_known_set() {
    let number = |name: &str| env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().unwrap());
    let since_1970 = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let seed = number("SEED").unwrap_or_else(since_1970);
    let count = number("DELIVERIES").map_or(DELIVERIES, |count| count as usize);
    println!("SEED={seed} DELIVERIES={count}");
    let started = Instant::now();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let account = runtime.block_on(Account::new());
    let mut random = Random::new(seed);
    let cases = cases(&mut random, count / DELIVERIES_PER_CASE);
    let queue = Queue::default();
    let faults = Arc::new(Faults::default());
    let mut sent = 0;
    let [mortal, steady] = thread::scope(|scope| {
        let workers = [Some(50), None].map(|restart_every| {
            let random = Random::new(seed + restart_every.map_or(1, |_| 2));
            let worker = Worker::new(&account, &queue, &faults, random, restart_every);
            scope.spawn(|| worker.run())
        });
        let deliveries = Deliveries::new(&account, &cases, count, random);
        sent = feed(&runtime, &account, &queue, deliveries, started);
        workers.map(|worker| worker.join().unwrap())
    });
    let alerts = runtime.block_on(account.new_alerts());
    let injected = faults.into_injected();
    let verdict = Verdict::of(&cases, &alerts, &injected.may_duplicate);
    let ends = queue.into_ends();

    let shapes = table::rows(&ends, |message| message.delivery.payload.shape);
    let contents = table::rows(&ends, |message| message.delivery.content);
    table::print_deliveries("deliveries by shape", &shapes);
    table::print_deliveries("deliveries by content", &contents);
    table::print_faults(&injected);
    table::print_incidents(&cases, &verdict);
    table::print_functions(&[("killed, restarted", &mortal), ("never ended", &steady)]);
    println!("\nSEED={seed} DELIVERIES={count}: {}", table::minutes(started.elapsed()));

    assert!(verdict.wrong.is_empty(), "{:#?}", verdict.wrong);
    each_delivery_ends_once(&ends, sent);
    errors_are_about_bad_deliveries(&ends, [&mortal, &steady]);
    memory_is_flat(&steady);
    let of_full_run = |least: usize| least * count / DELIVERIES;
    every_fault_was_injected(&injected, of_full_run(MIN_FAULTS));
    for shape in shapes::all() {
        assert!(shapes.get(shape).map_or(0, |row| row.sent) >= of_full_run(MIN_SHAPES), "{shape}");
    }
    assert!(contents.values().all(|row| row.sent >= of_full_run(MIN_SHAPES)) && contents.len() >= of_full_run(12));
    assert!(mortal.restarts >= of_full_run(MIN_RESTARTS), "{} restarts", mortal.restarts);
}

/// Stores the objects of each delivery, and sends it. Returns the number of deliveries.
fn feed(runtime: &Runtime, account: &Account, queue: &Queue, deliveries: Deliveries, started: Instant) -> usize {
    /// The functions would wait for more, even if the test has failed.
    struct Closed<'a>(&'a Queue);
    impl Drop for Closed<'_> {
        fn drop(&mut self) {
            self.0.close();
        }
    }
    let _closed = Closed(queue);
    let mut sent = 0;
    for (delivery, objects) in deliveries {
        runtime.block_on(async {
            for (key, bytes) in objects {
                account.put(&key, bytes).await;
            }
        });
        if !queue.send(delivery) {
            break;
        }
        sent += 1;
        if sent % 1000 == 0 {
            println!("{sent} deliveries sent: {}", table::minutes(started.elapsed()));
        }
    }
    sent
}

fn each_delivery_ends_once(ends: &Ends, sent: usize) {
    let numbers = |messages: &[queue::Message]| -> BTreeSet<usize> {
        messages.iter().map(|message| message.delivery.number).collect()
    };
    let (acknowledged, dead) = (numbers(&ends.acknowledged), numbers(&ends.dead));
    assert_eq!((acknowledged.len(), dead.len()), (ends.acknowledged.len(), ends.dead.len()), "one ended twice");
    assert!(acknowledged.is_disjoint(&dead), "one ended twice");
    assert_eq!(acknowledged.len() + dead.len(), sent, "one is missing");
    let is_right = |message: &queue::Message, is_dead| message.delivery.is_bad == is_dead;
    let wrong = ends.acknowledged.iter().filter(|message| !is_right(message, false));
    let wrong = wrong.chain(ends.dead.iter().filter(|message| !is_right(message, true)));
    let wrong: Vec<_> = wrong.map(|message| (message.delivery.id(), message.delivery.content)).collect();
    assert!(wrong.is_empty(), "acknowledged although they are bad, or dead although they are not: {wrong:?}");
}

/// ERROR means that a person must act. No fault of a server or of the wire needs one.
fn errors_are_about_bad_deliveries(ends: &Ends, functions: [&Lives; 2]) {
    let bad: BTreeSet<String> = ends.dead.iter().map(|message| message.delivery.id()).collect();
    let lines = functions.into_iter().flat_map(|lives| &lives.errors);
    let wrong: Vec<_> =
        lines.filter(|line| line.field("item").as_str().is_some_and(|item| !bad.contains(item))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn memory_is_flat(steady: &Lives) {
    let resident = quarters(&steady.samples, |sample| sample.resident_kib);
    let descriptors = quarters(&steady.samples, |sample| sample.descriptors);
    assert!(is_flat(resident, TOLERANCE_KIB), "KiB by quarter: {resident:?}");
    assert!(is_flat(descriptors, TOLERANCE_DESCRIPTORS), "file descriptors by quarter: {descriptors:?}");
}

fn every_fault_was_injected(injected: &Injected, least: usize) {
    for kind in faults::kinds() {
        assert!(injected.faults.get(&kind).copied().unwrap_or(0) >= least, "{kind:?}");
    }
    for point in faults::kill_points() {
        assert!(injected.kills.get(&point).copied().unwrap_or(0) >= least, "killed at {point:?}");
    }
}
