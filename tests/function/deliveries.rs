//! Every envelope of a delivery. The payloads are in `events/`.

use serde_json::Value;

use crate::support::{Function, count, delivery, event, failed_items, gzip, key, local_aws::Account, put_log_files};

/// Asserts that the function acknowledges this payload.
fn acknowledges(function: &mut Function, account: &Account, name: &str) {
    let answer = function.invoke(&event(name, account)).unwrap_or_else(|error| panic!("{name}: {error}"));
    if name.starts_with("sqs-") {
        assert!(failed_items(&answer).is_empty(), "{name}");
    } else {
        assert_eq!(answer, Value::Null, "{name}");
    }
}

#[tokio::test]
async fn every_envelope_delivers_its_log_file() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined", "clean"]).await;
    let mut function = Function::start(&account);
    let names = [
        "s3-object-created",
        "sqs-s3-object-created",
        "sns-s3-object-created",
        "sqs-sns-s3-object-created",
        "eventbridge-object-created",
        "sqs-eventbridge-object-created",
        "sqs-sns-cloudtrail",
        "sqs-sns-cloudtrail-string",
        "sqs-cloudtrail-raw",
    ];
    for name in names {
        acknowledges(&mut function, &account, name);
    }
    account.alerts(1).await;
    let (log, metrics) = function.log_and_metrics();
    assert_eq!(count(&log, "Suppressed match: its incident is alerted."), names.len() - 1);
    // CloudTrail's raw notification names two log files.
    assert_eq!(metrics["FilesScanned"] as usize, names.len() + 1);
    assert_eq!(metrics["FilesDelivered"], metrics["FilesScanned"] + metrics["FilesSkipped"] + metrics["FilesFailed"]);
    assert_eq!(
        metrics["Matches"],
        metrics["MatchesPublished"] + metrics["MatchesSuppressed"] + metrics["MatchesFailed"]
    );
    assert_eq!((metrics["MatchesPublished"], metrics["MatchesSuppressed"] as usize), (1, names.len() - 1));
}

#[tokio::test]
async fn a_record_from_eventbridge_alerts_and_its_log_file_is_suppressed() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let mut function = Function::start(&account);
    acknowledges(&mut function, &account, "sqs-eventbridge-cloudtrail-record");
    let [alert] = account.alerts(1).await.try_into().unwrap();
    assert_eq!((&alert["source"]["bucket"], &alert["source"]["key"]), (&Value::Null, &Value::Null));
    acknowledges(&mut function, &account, "sqs-s3-object-created");
    account.alerts(0).await;
}

/// The payload with the log file's size 0, however deep it is in strings.
fn emptied(name: &str, account: &Account) -> Value {
    serde_json::from_str(&event(name, account).to_string().replace("\":1023", "\":0")).unwrap()
}

#[tokio::test]
async fn an_emptied_log_file_fails_in_every_envelope() {
    let account = Account::new().await;
    account.put(&key("quarantined"), Vec::new()).await;
    let mut function = Function::start(&account);
    for name in ["sqs-s3-object-created", "sqs-eventbridge-object-created", "sqs-sns-s3-object-created"] {
        let payload = emptied(name, &account);
        assert_ne!(payload, event(name, &account), "{name} has another size");
        assert_eq!(failed_items(&function.invoke(&payload).unwrap()).len(), 1, "{name}");
    }
    let (log, metrics) = function.log_and_metrics();
    assert!(log.iter().all(|line| line.message().contains("is not a log file: it is empty")), "{log:#?}");
    assert_eq!(metrics["FilesFailed"], 3);
}

#[tokio::test]
async fn payloads_without_a_log_file_are_acknowledged() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    for name in [
        "s3-test-event",
        "sqs-s3-test-event",
        "s3-object-removed",
        "eventbridge-object-deleted",
        "sqs-sns-cloudtrail-validation",
    ] {
        acknowledges(&mut function, &account, name);
    }
    let (log, metrics) = function.log_and_metrics();
    assert!(log.is_empty());
    // They are counted.
    assert_eq!((metrics["DeliveriesWithoutWork"], metrics["FilesDelivered"]), (5, 0));
}

#[tokio::test]
async fn a_subscription_confirmation_fails_with_instructions() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    let answer = function.invoke(&event("sqs-sns-subscription-confirmation", &account)).unwrap();
    assert_eq!(failed_items(&answer).len(), 1);
    let (log, metrics) = function.log_and_metrics();
    assert!(log[0].message().contains("confirm it in the SNS console"), "{log:#?}");
    assert_eq!((metrics["PermanentFailures"], metrics["TransientFailures"]), (1, 0));
}

#[tokio::test]
async fn a_missing_log_file_does_not_stop_the_others_of_its_notification() {
    let account = Account::new().await;
    // One of the two log files of the third message is missing.
    put_log_files(&account, &["clean", "quarantined", "panther-seed", "failed"]).await;
    let mut function = Function::start(&account);
    let batch = event("sqs-batch", &account);
    let answer = function.invoke(&batch).unwrap();
    assert_eq!(failed_items(&answer), [batch["Records"][2]["messageId"].as_str().unwrap()]);
    account.alerts(3).await;
}

#[tokio::test]
async fn other_objects_of_the_bucket_do_not_count_as_scanned_log_files() {
    let account = Account::new().await;
    let objects = [
        ("Config/us-east-1/2026/11/24/ConfigSnapshot/x.json.gz", r#"{"configurationItems":[]}"#),
        ("CloudTrail-Digest/us-east-1/2026/11/24/x_CloudTrail-Digest_us-east-1_trail_x.json.gz", "{}"),
        ("elasticloadbalancing/us-east-1/2026/11/24/x.log.gz", "http 2026-11-24T03:00:00Z app/x"),
    ];
    let mut keys = Vec::new();
    for (name, text) in objects {
        keys.push(format!("AWSLogs/123456789012/{name}"));
        account.put(keys.last().unwrap(), gzip(text.as_bytes())).await;
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut function = Function::start(&account);
    assert!(failed_items(&function.invoke(&delivery(&account, &keys)).unwrap()).is_empty());
    let (_, metrics) = function.log_and_metrics();
    assert_eq!((metrics["FilesDelivered"], metrics["FilesSkipped"], metrics["FilesScanned"]), (3, 3, 0));
}
