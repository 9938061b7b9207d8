//! Which function alerts an incident if several could, and how soon.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::types::AttributeValue;
use quarantine_alert::trail::time::rfc3339;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::support::{
    Function, count, delivery, event, failed_items, gzip, key,
    local_aws::Account,
    log_file, put_log_files,
    wire::{Fault, Gate, Wire},
};

const ENTITY_KEY: &str = "AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:user:ci-deploy";
const DEDUP_KEY: &str = "AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:user:ci-deploy:quarantined";
/// `eventTime` of the quarantine in `events/log-files/quarantined.json`.
const EVENT_TIME: u64 = 1_795_489_331;

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A document with one incident, which another function owns until that time.
fn claimed_by_another(until: u64) -> HashMap<String, AttributeValue> {
    let number = |number: u64| AttributeValue::N(number.to_string());
    let incident = [
        ("key".into(), AttributeValue::S(DEDUP_KEY.into())),
        ("start".into(), number(EVENT_TIME)),
        ("owner".into(), AttributeValue::S("another".into())),
        ("until".into(), number(until)),
    ];
    HashMap::from([
        ("dedup_key".into(), AttributeValue::S(ENTITY_KEY.into())),
        ("version".into(), number(7)),
        ("expires_at".into(), number(now() + 1000)),
        ("incidents".into(), AttributeValue::L(vec![AttributeValue::M(HashMap::from(incident))])),
    ])
}

/// A log file in which this many users are quarantined.
async fn put_quarantines(account: &Account, name: &str, users: usize) {
    let record = &log_file("quarantined")["Records"][1];
    let records: Vec<Value> = (0..users)
        .map(|number| {
            let mut record = record.clone();
            record["requestParameters"]["userName"] = json!(format!("user-{number}"));
            record
        })
        .collect();
    account.put(&key(name), gzip(json!({ "Records": records }).to_string().as_bytes())).await;
}

#[tokio::test]
async fn the_loser_of_a_claim_race_suppresses_its_match() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let batch = event("sqs-s3-object-created", &account);

    // After the first function has read the document, and before it stores its claim, the other does all the work.
    let other = Mutex::new(Some((Function::start(&account), batch.clone())));
    let wire = Wire::new(&account.endpoint, move |seen| {
        if seen.operation == "PutItem"
            && let Some((mut function, batch)) = other.lock().unwrap().take()
        {
            assert!(failed_items(&function.invoke(&batch).unwrap()).is_empty());
        }
        Fault::None
    });
    let mut function = Function::start_on(&account, &wire);
    assert!(failed_items(&function.invoke(&batch).unwrap()).is_empty());
    account.alerts(1).await;
    assert_eq!((wire.seen("GetItem").len(), wire.seen("PutItem").len(), wire.seen("Publish").len()), (2, 1, 0));
    assert_eq!(count(&function.log(), "Suppressed match: its incident is alerted."), 1);
}

#[tokio::test]
async fn an_abandoned_claim_is_taken_over_within_the_invocation() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let mut function = Function::start_on(&account, &wire);
    account.put_document(claimed_by_another(now() + 8)).await;
    // It is acknowledged after one receive.
    assert!(failed_items(&function.invoke(&event("sqs-s3-object-created", &account)).unwrap()).is_empty());
    account.alerts(1).await;
    assert!(wire.seen("GetItem").len() > 2, "it did not wait for the lease");
}

#[tokio::test]
async fn a_waiting_match_is_suppressed_once_the_claim_owner_alerts() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    account.put_document(claimed_by_another(now() + 20)).await;
    let wire = Wire::new(&account.endpoint, |seen| {
        // The second read shows that the other has alerted meanwhile.
        if (seen.operation.as_str(), seen.number) == ("GetItem", 2) {
            return Fault::Answer(
                200,
                r#"{"Item":{"dedup_key":{"S":"k"},"version":{"N":"8"},"expires_at":{"N":"9999999999"},
                    "incidents":{"L":[{"M":{
                    "key":{"S":"AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:user:ci-deploy:quarantined"},
                    "start":{"N":"1795489331"},"alerted_at":{"N":"1795489340"}}}]}}}"#,
            );
        }
        Fault::None
    });
    let mut function = Function::start_on(&account, &wire);
    assert!(failed_items(&function.invoke(&event("sqs-s3-object-created", &account)).unwrap()).is_empty());
    account.alerts(0).await;
    assert_eq!(wire.seen("GetItem").len(), 2);
}

#[tokio::test]
async fn a_waiting_match_returns_to_the_queue_near_the_deadline() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined", "clean"]).await;
    account.put_document(claimed_by_another(now() + 60)).await;
    let mut function = Function::start(&account);
    let batch = delivery(&account, &[&key("quarantined"), &key("clean")]);
    let answer = function.invoke_within(&batch, Duration::from_secs(8)).expect("the function died").unwrap();
    assert_eq!(failed_items(&answer), ["1"]);
    account.alerts(0).await;
    let (log, metrics) = function.log_and_metrics();
    assert_eq!(log.iter().filter(|line| line.level() == "WARN").count(), 1, "{log:#?}");
    assert_eq!((metrics["MatchesFailed"], metrics["TransientFailures"], metrics["PermanentFailures"]), (1, 1, 0));
}

#[tokio::test]
async fn alerts_are_half_a_second_apart() {
    let account = Account::new().await;
    put_quarantines(&account, "many", 6).await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let mut function = Function::start_on(&account, &wire);
    assert!(failed_items(&function.invoke(&delivery(&account, &[&key("many")])).unwrap()).is_empty());
    account.alerts(6).await;
    let published = wire.seen("Publish");
    for (number, pair) in published.windows(2).enumerate() {
        let distance = pair[1].at - pair[0].at;
        assert!(distance > Duration::from_millis(500), "alerts {number} and {}: {distance:?}", number + 1);
    }
}

#[tokio::test]
async fn calls_by_aws_and_critical_matches_are_alerted_first() {
    let account = Account::new().await;
    let mut by_hand = log_file("quarantined")["Records"][1].clone();
    by_hand["sourceIPAddress"] = json!("192.0.2.1");
    let mut records: Vec<Value> = (0..4)
        .map(|number| {
            by_hand["requestParameters"]["userName"] = json!(format!("user-{number}"));
            by_hand.clone()
        })
        .collect();
    records.push(log_file("failed")["Records"][1].clone());
    account.put(&key("mixed"), gzip(json!({ "Records": records }).to_string().as_bytes())).await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let mut function = Function::start_on(&account, &wire);
    function.invoke(&delivery(&account, &[&key("mixed")])).unwrap();
    let subjects: Vec<String> =
        wire.seen("Publish").iter().map(|seen| seen.request.form_field("Subject").unwrap()).collect();
    assert_eq!(subjects.len(), 5);
    let critical = subjects.iter().position(|subject| subject.starts_with("CRITICAL")).unwrap();
    // The first match of the file may be alerted before the last is found.
    assert!(critical <= 1, "{subjects:#?}");
}

#[tokio::test]
async fn a_slow_log_file_does_not_delay_the_alert_of_another() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined", "clean"]).await;
    // The slow one is answered only after the alert of the other.
    let published = Gate::new(1);
    let wire = Wire::new(&account.endpoint, move |seen| {
        if seen.operation == "Publish" {
            published.arrive();
        } else if seen.request.path().contains("_clean.") {
            published.wait();
        }
        Fault::None
    });
    let mut function = Function::start_on(&account, &wire);
    let answer = function.invoke(&delivery(&account, &[&key("clean"), &key("quarantined")])).unwrap();
    assert!(failed_items(&answer).is_empty());
    account.alerts(1).await;
}

/// Publishes an alert while the read of its related activity has this fault. Returns the warning.
async fn related_fails(fault: Fault) -> String {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let wire = Wire::new(&account.endpoint, move |seen| {
        if seen.operation == "GetObject" && seen.number > 1 { fault } else { Fault::None }
    });
    let mut function = Function::start_on(&account, &wire);
    assert!(failed_items(&function.invoke(&event("sqs-s3-object-created", &account)).unwrap()).is_empty());
    let [alert] = account.alerts(1).await.try_into().unwrap();
    assert_eq!(alert["related"], Value::Null);
    let log = function.log();
    log.iter().find(|line| line.level() == "WARN").expect("no warning").message().to_owned()
}

#[tokio::test]
async fn a_slow_read_of_related_activity_does_not_delay_the_alert() {
    assert!(related_fails(Fault::Hang).await.contains("was not read within 2 s"));
}

#[tokio::test]
async fn a_failed_read_of_related_activity_does_not_stop_the_alert() {
    let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    assert!(related_fails(Fault::Answer(403, body)).await.contains("access denied"));
}

#[tokio::test]
async fn clean_log_files_and_suppressed_matches_are_read_once() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined", "clean"]).await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let mut function = Function::start_on(&account, &wire);
    function.invoke(&delivery(&account, &[&key("clean")])).unwrap();
    assert_eq!(wire.seen("GetObject").len(), 1);
    function.invoke(&delivery(&account, &[&key("quarantined")])).unwrap();
    assert_eq!(wire.seen("GetObject").len(), 3, "one for the scan, one for related activity");
    function.invoke(&delivery(&account, &[&key("quarantined")])).unwrap();
    assert_eq!(wire.seen("GetObject").len(), 4);
}

/// A policy call on a user, with its time in minutes.
#[derive(Clone, Copy)]
enum Call {
    Aws(i64),
    ByHand(i64),
    Removed(i64),
}

/// A log file with one call.
fn call(call: Call, number: usize) -> Vec<u8> {
    let (name, minute) = match call {
        Call::Aws(minute) | Call::ByHand(minute) => ("quarantined", minute),
        Call::Removed(minute) => ("removed", minute),
    };
    let records = &log_file(name)["Records"];
    let is_policy_call = |record: &&Value| record["eventName"].as_str().unwrap().ends_with("UserPolicy");
    let mut record = records.as_array().unwrap().iter().find(is_policy_call).unwrap().clone();
    let time = OffsetDateTime::now_utc() - time::Duration::minutes(120 - minute);
    record["eventTime"] = json!(rfc3339(time));
    record["requestID"] = json!(format!("request-{number}"));
    record["eventID"] = json!(format!("event-{number}"));
    if let Call::ByHand(_) = call {
        record["sourceIPAddress"] = json!("192.0.2.1");
    }
    gzip(json!({ "Records": [record] }).to_string().as_bytes())
}

/// Delivers the calls in batches, one after another. Returns the outcomes that are alerted.
async fn alerted(batches: &[&[Call]]) -> Vec<String> {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    let mut number = 0;
    for batch in batches {
        let mut keys = Vec::new();
        for made in *batch {
            let key = key(&format!("call-{number}"));
            account.put(&key, call(*made, number)).await;
            keys.push(key);
            number += 1;
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert!(failed_items(&function.invoke(&delivery(&account, &keys)).unwrap()).is_empty());
    }
    let alerts = account.new_alerts().await;
    alerts.iter().map(|alert| alert["outcome"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn only_what_says_nothing_new_is_suppressed() {
    use Call::{Aws, ByHand, Removed};
    // AWS's quarantine is news although somebody attached the policy before.
    assert_eq!(alerted(&[&[ByHand(0)], &[ByHand(10)], &[Aws(20)], &[Aws(30)]]).await, ["quarantined"; 2]);
    // A removal ends the incident, so that the last word is not that the user is free.
    let again = ["quarantined", "removed", "quarantined"];
    assert_eq!(alerted(&[&[Aws(0)], &[Removed(10)], &[Aws(30)], &[Aws(31)]]).await, again);
    // A record of the future suppresses nothing of today.
    assert_eq!(alerted(&[&[Aws(175)], &[Aws(120)], &[Aws(119)]]).await, ["quarantined"; 2]);
}

/// CloudTrail does not write its records in the order of time.
#[tokio::test]
async fn a_removal_that_is_found_late_still_ends_the_incident() {
    use Call::{Aws, Removed};
    let mut alerted = alerted(&[&[Aws(0)], &[Aws(30), Aws(31), Removed(29)]]).await;
    alerted.sort_unstable();
    assert_eq!(alerted, ["quarantined", "quarantined", "removed"]);
}

#[tokio::test]
async fn a_loop_of_attaching_and_detaching_is_bounded() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    let calls = (0..40).map(|n| if n % 2 == 0 { Call::ByHand(n) } else { Call::Removed(n) });
    let mut keys = Vec::new();
    for (number, made) in calls.enumerate() {
        keys.push(key(&format!("call-{number}")));
        account.put(&keys[number], call(made, number)).await;
    }
    put_quarantines(&account, "others", 2).await;
    keys.push(key("others"));
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert!(failed_items(&function.invoke(&delivery(&account, &keys)).unwrap()).is_empty());
    let alerts = account.new_alerts().await;
    let of_user = |user: &str| alerts.iter().filter(|alert| alert["entity"]["name"] == user).collect::<Vec<_>>();
    assert_eq!((of_user("ci-deploy").len(), of_user("user-0").len(), of_user("user-1").len()), (10, 1, 1));
    let announces = |alert: &&&Value| alert["description"].as_str().unwrap().contains("Further ones are counted");
    assert_eq!(of_user("ci-deploy").iter().filter(announces).count(), 1);
    let (_, metrics) = function.log_and_metrics();
    assert!(metrics["MatchesFlooded"] > 0, "{metrics:?}");

    // A redelivery: of one key, some matches are of alerted incidents, and others are beyond the bound.
    let mut function = Function::start(&account);
    assert!(failed_items(&function.invoke(&delivery(&account, &keys)).unwrap()).is_empty());
    account.alerts(0).await;
    let log = function.log();
    let keys_of = |level: &str, start: &str| -> BTreeSet<String> {
        let lines = log.iter().filter(|line| line.level() == level && line.message().starts_with(start));
        lines.map(|line| line.field("dedup_key").to_string()).filter(|key| key.contains("by-hand")).collect()
    };
    for suppressed in [keys_of("INFO", "Suppressed match"), keys_of("WARN", "Suppressed match: its entity has reached")]
    {
        assert_eq!(suppressed.len(), 1, "{log:#?}");
    }
    assert_eq!(keys_of("WARN", "Suppressed further").len(), 1);
}

const UNAVAILABLE: Fault =
    Fault::Answer(500, r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"x"}"#);

#[tokio::test]
async fn after_three_failures_in_a_row_the_table_is_not_asked_again() {
    let account = Account::new().await;
    put_quarantines(&account, "five", 5).await;
    let wire = Wire::new(&account.endpoint, |seen| if seen.operation == "GetItem" { UNAVAILABLE } else { Fault::None });
    let mut function = Function::start_on(&account, &wire);
    assert!(failed_items(&function.invoke(&delivery(&account, &[&key("five")])).unwrap()).is_empty());
    let alerts = account.alerts(5).await;
    assert!(alerts.iter().all(|alert| alert["dedupDegraded"] == true));
    // Each of three calls has three attempts.
    assert_eq!(wire.seen("GetItem").len(), 9);
    assert!(function.log().iter().any(|line| line.message().contains("for the rest of this invocation")));
}

#[tokio::test]
async fn after_a_failed_call_to_the_table_the_next_match_asks_it_again() {
    let account = Account::new().await;
    put_quarantines(&account, "three", 3).await;
    // All attempts of the first match fail.
    let wire = Wire::new(&account.endpoint, |seen| {
        let is_of_first = String::from_utf8_lossy(&seen.request.body).contains("user-0");
        if seen.operation == "GetItem" && is_of_first { UNAVAILABLE } else { Fault::None }
    });
    let mut function = Function::start_on(&account, &wire);
    assert!(failed_items(&function.invoke(&delivery(&account, &[&key("three")])).unwrap()).is_empty());
    let alerts = account.alerts(3).await;
    let degraded = alerts.iter().filter(|alert| alert["dedupDegraded"] == true);
    assert_eq!(degraded.map(|alert| alert["entity"]["name"].as_str().unwrap()).collect::<Vec<_>>(), ["user-0"]);
}
