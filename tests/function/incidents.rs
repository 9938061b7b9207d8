//! Which function alerts an incident if several could, and how soon.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

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
