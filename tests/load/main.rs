//! The function keeps its promises with the share of a processor that 256 MiB have: 256/1769 of a core.

// A test may panic and print its measurements. No test binary uses all of the common support.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, dead_code)]

mod quota;
#[path = "../support/mod.rs"]
mod support;

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use support::{
    Function, delivery, failed_items, gzip, key, large_log_file,
    local_aws::Account,
    log_file, peak_mib, put_log_files,
    wire::{Fault, Wire},
};

use quota::Quota;

/// The template's default.
const MEMORY_MIB: u32 = 256;

/// A function with its share of a processor, which has had its slow start.
async fn slow_function(account: &Account, wire: &Wire) -> (Function, Quota) {
    put_log_files(account, &["clean"]).await;
    let mut function = Function::start_on(account, wire);
    function.invoke(&delivery(account, &[&key("clean")])).unwrap();
    let quota = Quota::of_memory(function.id(), MEMORY_MIB);
    (function, quota)
}

/// Redelivers the items that failed. Returns the numbers of those that still fail.
fn receive(function: &mut Function, batch: &Value, receives: usize) -> Vec<usize> {
    let mut batch = batch.clone();
    for _ in 0..receives {
        let answer = function.invoke(&batch).unwrap();
        let failed = failed_items(&answer);
        batch["Records"].as_array_mut().unwrap().retain(|item| failed.contains(&item["messageId"].as_str().unwrap()));
        if batch["Records"].as_array().unwrap().is_empty() {
            break;
        }
    }
    batch["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["messageId"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// Stores log files. Returns a delivery of all of them.
async fn deliver(account: &Account, log_files: &[Vec<u8>]) -> Value {
    let keys: Vec<String> = (0..log_files.len()).map(|number| key(&format!("log-file{number}"))).collect();
    for (key, log_file) in keys.iter().zip(log_files) {
        account.put(key, log_file.clone()).await;
    }
    delivery(account, &keys.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A log file with these records.
fn stored(records: &[Value]) -> Vec<u8> {
    gzip(json!({ "Records": records }).to_string().as_bytes())
}

fn quarantine_of(user: &str) -> Value {
    let mut record = log_file("quarantined")["Records"][1].clone();
    record["requestParameters"]["userName"] = json!(user);
    record
}

fn users(alerts: &[Value]) -> Vec<&str> {
    let mut users: Vec<&str> = alerts.iter().map(|alert| alert["alertContext"]["userName"].as_str().unwrap()).collect();
    users.sort_unstable();
    users
}

#[tokio::test]
async fn empty_gzip_members_delay_no_alert() {
    let _alone = quota::alone().await;
    let account = Account::new().await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let (mut function, _quota) = slow_function(&account, &wire).await;
    let member = GzBuilder::new().filename("x".repeat(4080)).write(Vec::new(), Compression::fast()).finish().unwrap();
    let hostile = member.repeat(1219);
    let batch =
        deliver(&account, &[hostile.clone(), hostile.clone(), hostile, stored(&[quarantine_of("alice")])]).await;
    assert_eq!(receive(&mut function, &batch, 1), [1, 2, 3]);
    account.alerts(1).await;
}

#[tokio::test]
async fn the_quarantine_of_aws_is_among_the_first_alerts_of_a_flood() {
    let _alone = quota::alone().await;
    let account = Account::new().await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let (mut function, _quota) = slow_function(&account, &wire).await;
    let mut decoy = log_file("clean")["Records"][0].clone();
    decoy["userAgent"] = json!("AttachUserPolicy");
    let removed = &log_file("removed")["Records"];
    let removal = removed.as_array().unwrap().iter().find(|record| record["eventName"] == "DetachUserPolicy").unwrap();
    let removals = (0..340).map(|number| {
        let mut removal = removal.clone();
        removal["requestParameters"]["userName"] = json!(format!("user-{number}"));
        removal
    });
    let mut records: Vec<Value> = vec![decoy.clone(); 3000];
    records.extend(removals);
    let failed = log_file("failed");
    let of_aws = failed["Records"].as_array().unwrap().iter().find(|record| record["errorCode"].is_string()).unwrap();
    records.insert(records.len() - 170, of_aws.clone());
    records.extend(vec![decoy; 3000]);
    let batch = deliver(&account, &[stored(&records)]).await;

    function.invoke(&batch).unwrap();
    let published: Vec<String> =
        wire.seen("Publish").iter().map(|seen| String::from_utf8_lossy(&seen.request.body).into_owned()).collect();
    let place = published.iter().position(|body| body.contains("CRITICAL"));
    println!("CRITICAL is number {place:?} of {} alerts.", published.len());
    assert!(published.len() > 20 && place.is_some_and(|place| place < 10), "{place:?} of {}", published.len());
}

#[tokio::test]
async fn a_busy_processor_does_not_make_the_table_look_unavailable() {
    let _alone = quota::alone().await;
    let account = Account::new().await;
    let wires = [(); 2].map(|()| Wire::new(&account.endpoint, |_| Fault::None));
    let mut log_files = vec![large_log_file(9, &log_file("clean")["Records"][0]); 99];
    println!("{} stored bytes", log_files[0].len());
    log_files.insert(50, stored(&[quarantine_of("alice")]));
    let batch = deliver(&account, &log_files).await;
    let mut functions = Vec::new();
    for wire in &wires {
        functions.push(slow_function(&account, wire).await);
    }
    // The queue may deliver a batch twice, to two functions at the same time.
    std::thread::scope(|scope| {
        for (function, _) in &mut functions {
            scope.spawn(|| function.invoke(&batch).unwrap());
        }
    });
    let alerts = account.alerts(1).await;
    assert_eq!(alerts[0]["dedupDegraded"], false);
    for (function, _) in functions {
        let (_, metrics) = function.log_and_metrics();
        println!("{metrics:?}");
        assert!(metrics["FilesScanned"] > 20, "{metrics:?}");
    }
}

#[tokio::test]
async fn large_log_files_are_not_all_half_read_at_the_deadline() {
    let _alone = quota::alone().await;
    let account = Account::new().await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let (mut function, _quota) = slow_function(&account, &wire).await;
    let large = |number| large_log_file(307, &quarantine_of(&format!("user-{number}")));
    let batch = deliver(&account, &[0, 1, 2, 3, 4, 5].map(large)).await;
    assert_eq!(receive(&mut function, &batch, 3), [0; 0]);
    assert_eq!(users(&account.new_alerts().await), ["user-0", "user-1", "user-2", "user-3", "user-4", "user-5"]);
}

#[tokio::test]
async fn bombs_delay_no_alert() {
    let _alone = quota::alone().await;
    let account = Account::new().await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let (mut function, _quota) = slow_function(&account, &wire).await;
    let spaces = gzip(&vec![b' '; 40 << 20]);
    let bomb = [gzip(b"{\"Records\":["), spaces.repeat(100), gzip(b"]}")].concat();
    println!("{} stored bytes", bomb.len());
    let mut log_files = vec![bomb; 64];
    // Wherever they stand.
    for place in [0, 32, 66] {
        log_files.insert(place, stored(&[quarantine_of(&format!("user-{place:02}"))]));
    }
    let batch = deliver(&account, &log_files).await;
    let left = receive(&mut function, &batch, 1);
    assert!(!left.is_empty() && [1, 33, 67].iter().all(|innocent| !left.contains(innocent)), "{left:?}");
    assert_eq!(users(&account.alerts(3).await), ["user-00", "user-32", "user-66"]);
}

#[tokio::test]
async fn records_that_grow_when_they_are_parsed_are_few_at_a_time() {
    let _alone = quota::alone().await;
    let account = Account::new().await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let (mut function, _quota) = slow_function(&account, &wire).await;
    let hostile = |number| {
        let mut record = quarantine_of(&format!("user-{number:02}"));
        record["userAgent"] = json!("AGENT");
        let text = json!({ "Records": [record] }).to_string();
        let (before, after) = text.split_once("AGENT").unwrap();
        gzip(&[before.as_bytes(), &vec![0xff; 1_040_000], after.as_bytes()].concat())
    };
    let batch = deliver(&account, &(0..64).map(hostile).collect::<Vec<_>>()).await;
    assert_eq!(receive(&mut function, &batch, 3), [0; 0]);
    let expected: Vec<String> = (0..64).map(|number| format!("user-{number:02}")).collect();
    assert_eq!(users(&account.new_alerts().await), expected);
    let peak = peak_mib(&function);
    println!("peak {peak} MiB");
    assert!(peak < 160.0, "{peak} MiB");
}
