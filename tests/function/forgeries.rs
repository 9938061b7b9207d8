//! Records that a writer of the log bucket makes: with times, names and accounts of their choice.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use quarantine_alert::trail::time::rfc3339;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::support::{Function, count, delivery, failed_items, gzip, key, local_aws::Account, log_file};

/// AWS's quarantine of `ci-deploy` at this time.
fn quarantine_at(time: &str, number: usize) -> Value {
    let mut record = log_file("quarantined")["Records"][1].clone();
    record["eventTime"] = json!(time);
    record["eventID"] = json!(format!("event-{number}"));
    record
}

fn quarantine_of(user: &str) -> Value {
    let mut record = quarantine_at(&minutes_ago(10), 0);
    record["requestParameters"]["userName"] = json!(user);
    record
}

fn minutes_ago(minutes: i64) -> String {
    rfc3339(OffsetDateTime::now_utc() - Duration::minutes(minutes))
}

/// Delivers records, each in a log file of its own, one after another. Returns the alerts of each.
async fn delivered(account: &Account, function: &mut Function, records: &[Value]) -> Vec<Vec<Value>> {
    let mut alerts = Vec::new();
    for record in records {
        account.put(&key("forged"), gzip(json!({ "Records": [record] }).to_string().as_bytes())).await;
        assert!(failed_items(&function.invoke(&delivery(account, &[&key("forged")])).unwrap()).is_empty());
        alerts.push(account.new_alerts().await);
    }
    alerts
}

async fn counts(records: &[Value]) -> Vec<usize> {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    delivered(&account, &mut function, records).await.iter().map(Vec::len).collect()
}

#[tokio::test]
async fn a_record_of_another_year_alerts_and_suppresses_nothing_of_today() {
    for year in ["2010", "2100", "1999"] {
        let forged = quarantine_at(&format!("{year}-01-01T00:00:00Z"), 1);
        let real = quarantine_at(&minutes_ago(10), 2);
        assert_eq!(counts(&[forged.clone(), real.clone(), forged, real]).await, [1, 1, 0, 0], "{year}");
    }
}

#[tokio::test]
async fn a_forged_quarantine_suppresses_the_real_one_only_within_a_period() {
    let now = OffsetDateTime::now_utc();
    let at = |seconds: i64| rfc3339(now + Duration::seconds(seconds));
    let minutes = |minutes: i64| at(60 * minutes);
    for (case, forged, real, alerts) in [
        ("an hour before", minutes(-70), minutes(-10), [1, 1]),
        ("less than an hour before", minutes(-69), minutes(-10), [1, 0]),
        ("an hour after", minutes(-5), minutes(-65), [1, 1]),
        // The last time that counts as one. It reaches 65 minutes ahead at most.
        ("nearly five minutes ahead", at(270), minutes(-54), [1, 0]),
        ("nearly five minutes ahead, and an hour", at(270), minutes(-56), [1, 1]),
        ("more than five minutes ahead", at(600), minutes(0), [1, 1]),
    ] {
        assert_eq!(counts(&[quarantine_at(&forged, 1), quarantine_at(&real, 2)]).await, alerts, "{case}");
    }
}

#[tokio::test]
async fn a_suppressed_record_suppresses_no_other() {
    let records: Vec<Value> = (0..5).map(|n| quarantine_at(&minutes_ago(200 - 40 * n), n as usize)).collect();
    assert_eq!(counts(&records).await, [1, 0, 1, 0, 1]);
}

#[tokio::test]
async fn forged_records_without_a_time_alert_ten_times_and_withhold_nothing_with_one() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    let forged: Vec<Value> = (0..300).map(|number| quarantine_at("soon", number)).collect();
    account.put(&key("forged"), gzip(json!({ "Records": forged }).to_string().as_bytes())).await;
    assert!(failed_items(&function.invoke(&delivery(&account, &[&key("forged")])).unwrap()).is_empty());
    let alerts = account.alerts(10).await;
    let is_last = |alert: &&Value| alert["description"].as_str().unwrap().contains("without a usable time");
    assert_eq!(alerts.iter().filter(is_last).count(), 1);
    let [real] = delivered(&account, &mut function, &[quarantine_at(&minutes_ago(10), 1000)]).await.try_into().unwrap();
    assert_eq!(real.len(), 1);
    let (log, metrics) = function.log_and_metrics();
    assert_eq!((metrics["MatchesFlooded"], metrics["MatchesPublished"]), (290, 11));
    assert_eq!(count(&log, "Suppressed match: its entity has reached its alerts for this period."), 290);
}

#[tokio::test]
async fn a_copy_with_another_name_or_account_is_another_entity() {
    let mut of_another_account = quarantine_of("alice");
    of_another_account["recipientAccountId"] = json!("210987654321");
    let mut without_account = quarantine_of("alice");
    without_account["recipientAccountId"] = json!(null);
    without_account["userIdentity"]["accountId"] = json!(null);
    let records = [
        quarantine_of("alice"),
        quarantine_of("ALICE"),
        quarantine_of("alice "),
        quarantine_of("alic\u{435}"),
        of_another_account,
        without_account,
        quarantine_of("alice"),
    ];
    assert_eq!(counts(&records).await, [1, 1, 1, 1, 1, 1, 0]);
}

#[tokio::test]
async fn hostile_names_make_small_items_and_are_deduplicated() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    let names =
        ["x".repeat(128), "x".repeat(200_000), "\u{1f4a3}".repeat(9000), "\0\r\n:removed:r".into(), ":".repeat(5000)];
    let records: Vec<Value> = names.iter().map(|name| quarantine_of(name)).collect();
    let twice = [records.clone(), records].concat();
    let alerts: Vec<usize> = delivered(&account, &mut function, &twice).await.iter().map(Vec::len).collect();
    assert_eq!(alerts, [[1; 5], [0; 5]].concat());
    let documents = account.documents().await;
    assert_eq!(documents.len(), names.len());
    for document in documents {
        let key = document["dedup_key"].as_s().unwrap();
        // DynamoDB allows 2,048 bytes.
        assert!(key.len() < 256 && key.bytes().all(|byte| byte.is_ascii_graphic()), "{key}");
    }
}

/// A document with this many alerted incidents, with the longest keys that the function makes.
fn full_document(incidents: usize, now: i64) -> HashMap<String, AttributeValue> {
    let number = |number: i64| AttributeValue::N(number.to_string());
    let incident = |n: usize| {
        let key = format!("{REMOVED}:123456789012:user:{}:removed:{n:064}:{n:064}", "x".repeat(128));
        let fields = [("key", AttributeValue::S(key)), ("start", number(now - n as i64)), ("alerted_at", number(now))];
        AttributeValue::M(fields.map(|(name, value)| (name.to_owned(), value)).into())
    };
    let entity = "AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:user:ci-deploy";
    HashMap::from([
        ("dedup_key".into(), AttributeValue::S(entity.into())),
        ("version".into(), number(7)),
        ("expires_at".into(), number(now + 9999)),
        ("incidents".into(), AttributeValue::L((0..incidents).map(incident).collect())),
    ])
}

const REMOVED: &str = "AWS.CloudTrail.IAMCompromisedKeyQuarantineRemoved";

#[tokio::test]
async fn a_full_document_withholds_no_alert_and_still_deduplicates() {
    let account = Account::new().await;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    account.put_document(full_document(1000, now)).await;
    let mut function = Function::start(&account);
    let quarantine = quarantine_at(&minutes_ago(10), 1);
    let later = quarantine_at(&minutes_ago(90), 2);
    let alerts = delivered(&account, &mut function, &[quarantine.clone(), later.clone(), quarantine, later]).await;
    assert_eq!(alerts.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 0, 0]);
    assert!(alerts.iter().flatten().all(|alert| alert["dedupDegraded"] == false));
    let [document] = account.documents().await.try_into().unwrap();
    assert_eq!(document["incidents"].as_l().unwrap().len(), 1000);
}
