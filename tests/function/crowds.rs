//! More incidents than one invocation can alert: whose alert is sent first, and what becomes of the others.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Function, count, delivery, failed_items, gzip, key,
    local_aws::Account,
    log_file, peak_mib,
    wire::{Fault, Gate, Wire},
};

/// Time for about thirty alerts, since each claim needs the time of its lease.
const TIMEOUT: Duration = Duration::from_secs(45);

/// More than the memory for records holds.
const CROWD: usize = 20_000;

/// AWS's quarantine of a user, with only what the function reads.
fn quarantine_of(user: &str) -> Value {
    let mut record = log_file("quarantined")["Records"][1].clone();
    record["requestParameters"]["userName"] = json!(user);
    record["eventID"] = json!(format!("event-of-{user}"));
    record
}

/// A holder of the key attaches the policy to a user that does not exist. It fails, and still names the policy.
fn attach_to_nobody(number: usize) -> Value {
    let mut record = quarantine_of(&format!("nobody-{number}"));
    record["sourceIPAddress"] = json!("198.51.100.7");
    record["errorCode"] = json!("NoSuchEntityException");
    record
}

async fn put(account: &Account, name: &str, records: Vec<Value>) -> String {
    account.put(&key(name), gzip(json!({ "Records": records }).to_string().as_bytes())).await;
    key(name)
}

/// The users of the published alerts, in order.
fn users(wire: &Wire) -> Vec<String> {
    let alert = |message: &str| -> Value {
        let all: Value = serde_json::from_str(message).unwrap();
        serde_json::from_str(all["default"].as_str().unwrap()).unwrap()
    };
    let messages =
        wire.seen("Publish").iter().map(|seen| seen.request.form_field("Message").unwrap()).collect::<Vec<_>>();
    messages.iter().map(|message| alert(message)["entity"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_crowd_of_made_up_users_does_not_hide_the_quarantine_behind_it() {
    let account = Account::new().await;
    let mut records: Vec<Value> = (0..CROWD).map(attach_to_nobody).collect();
    records.push(quarantine_of("alice"));
    let crowd = put(&account, "crowd", records).await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let mut function = Function::start_on(&account, &wire);
    let answer = function.invoke_within(&delivery(&account, &[&crowd]), TIMEOUT).expect("the function died").unwrap();
    // The rest of the crowd returns to the queue.
    assert_eq!(failed_items(&answer), ["1"]);
    let users = users(&wire);
    let place = users.iter().position(|user| user == "alice");
    assert!(place.is_some_and(|place| place < 20), "{place:?} of {}", users.len());
    let peak = peak_mib(&function);
    assert!(peak < 100.0, "{peak} MiB");
    let (log, metrics) = function.log_and_metrics();
    assert_eq!((metrics["Matches"] as usize, metrics["FilesScanned"]), (CROWD + 1, 1));
    assert!(count(&log, "Published alert.") == users.len() && log.len() < 6000, "{}", log.len());
}

#[tokio::test]
async fn a_crowd_of_forged_quarantines_does_not_hide_that_of_another_log_file() {
    let account = Account::new().await;
    let crowd = put(&account, "crowd", (0..CROWD).map(|n| quarantine_of(&format!("nobody-{n}"))).collect()).await;
    let real = put(&account, "real", vec![quarantine_of("alice")]).await;
    // It arrives when the crowd already waits.
    let crowd_waits = Gate::new(3);
    let wire = Wire::new(&account.endpoint, move |seen| {
        if seen.operation == "Publish" {
            crowd_waits.arrive();
        } else if seen.request.path().contains("_real.") {
            crowd_waits.wait();
        }
        Fault::None
    });
    let mut function = Function::start_on(&account, &wire);
    let batch = delivery(&account, &[&crowd, &real]);
    let answer = function.invoke_within(&batch, TIMEOUT).expect("the function died").unwrap();
    assert_eq!(failed_items(&answer), ["1"]);
    let users = users(&wire);
    let place = users.iter().position(|user| user == "alice");
    assert!(place.is_some_and(|place| place <= 12), "{place:?} of {}", users.len());
}
