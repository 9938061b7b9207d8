//! Log files with thousands of matches of one incident: the table is asked once, and the process answers the rest.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Function, delivery, failed_items, gzip, key,
    local_aws::Account,
    log_file, put_log_files,
    wire::{Fault, Wire},
};

const MATCHES: usize = 2000;

/// A log file with this many matches of one record, each with its own ids.
fn flood(record: &Value) -> Vec<u8> {
    let records = (0..MATCHES).map(|number| {
        let mut record = record.clone();
        record["eventID"] = json!(format!("event-{number}"));
        record["requestID"] = json!(format!("request-{number}"));
        record
    });
    gzip(json!({ "Records": records.collect::<Vec<_>>() }).to_string().as_bytes())
}

#[tokio::test]
async fn a_flood_of_each_rule_costs_few_reads_of_the_table() {
    let mut by_hand = log_file("quarantined")["Records"][1].clone();
    by_hand["sourceIPAddress"] = json!("198.51.100.7");
    let sample = |name: &str| log_file(name)["Records"][1].clone();
    for (rule, record, alerts) in [
        ("quarantined", sample("quarantined"), 1),
        ("by-hand", by_hand, 1),
        ("failed", sample("failed"), 1),
        ("denied", sample("denied"), 1),
        ("enforced", sample("enforced"), 1),
        // Each removal is an incident, up to the flood bound.
        ("removed", sample("removed"), 10),
    ] {
        let account = Account::new().await;
        account.put(&key(rule), flood(&record)).await;
        let wire = Wire::new(&account.endpoint, |_| Fault::None);
        let mut function = Function::start_on(&account, &wire);
        let delivery = delivery(&account, &[&key(rule)]);
        assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty(), "{rule}");
        account.alerts(alerts).await;
        // A claim and a completion read the document once each. The clock may ask for another read.
        let reads = wire.seen("GetItem").len();
        assert!((1..=2 * alerts + 3).contains(&reads), "{rule}: {reads} reads");
        let writes = wire.seen("PutItem").len();
        assert!((2 * alerts..=2 * alerts + 1).contains(&writes), "{rule}: {writes} writes");
        // Two reads of the log file, and one more for each alert.
        assert_eq!(wire.seen("GetObject").len(), 1 + alerts, "{rule}");
        let (_, metrics) = function.log_and_metrics();
        assert_eq!(metrics["Matches"] as usize, MATCHES, "{rule}");
        assert_eq!((metrics["MatchesPublished"] as usize, metrics["MatchesFailed"]), (alerts, 0), "{rule}");
    }
}

#[tokio::test]
async fn denied_calls_of_a_day_are_one_incident_whatever_the_configured_period() {
    let account = Account::new().await;
    let at = |time: &str| {
        let mut record = log_file("enforced")["Records"][1].clone();
        record["eventTime"] = json!(time);
        gzip(json!({ "Records": [record] }).to_string().as_bytes())
    };
    let times = ["2026-11-23T03:00:00Z", "2026-11-24T02:59:59Z", "2026-11-22T03:00:01Z", "2026-11-24T03:00:00Z"];
    let mut function = Function::start_with(&account, &account.endpoint, &[("DEDUP_PERIOD_MINUTES", "1")]);
    for (time, alerts) in times.into_iter().zip([1, 0, 0, 1]) {
        account.put(&key("enforced"), at(time)).await;
        function.invoke(&delivery(&account, &[&key("enforced")])).unwrap();
        account.alerts(alerts).await;
    }
}

#[tokio::test]
async fn enforced_denials_can_be_switched_off() {
    let account = Account::new().await;
    account.put(&key("enforced"), gzip(log_file("enforced").to_string().as_bytes())).await;
    let mut function = Function::start_with(&account, &account.endpoint, &[("ENFORCED_DENIALS", "off")]);
    assert!(failed_items(&function.invoke(&delivery(&account, &[&key("enforced")])).unwrap()).is_empty());
    account.alerts(0).await;
}

/// A log file with this many thousand records that contain needles and match no rule, and then this record.
fn near_misses(thousands: usize, last: &Value) -> Vec<u8> {
    let mut near_miss = log_file("clean")["Records"][0].clone();
    near_miss["userAgent"] = json!("AttachUserPolicy AWSCompromisedKeyQuarantineV3");
    let thousand = gzip(format!("{near_miss},").repeat(1000).as_bytes());
    let end = format!("{last}]}}");
    [gzip(br#"{"Records":["#), thousand.repeat(thousands), gzip(end.as_bytes())].concat()
}

#[tokio::test]
async fn a_quarantine_behind_near_misses_alerts_in_one_receive() {
    let account = Account::new().await;
    account.put(&key("near"), near_misses(200, &log_file("quarantined")["Records"][1])).await;
    let mut function = Function::start(&account);
    assert!(failed_items(&function.invoke(&delivery(&account, &[&key("near")])).unwrap()).is_empty());
    account.alerts(1).await;
}

#[tokio::test]
async fn a_million_near_misses_delay_no_other_log_file() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    account.put(&key("near"), near_misses(1000, &log_file("clean")["Records"][0])).await;
    let mut function = Function::start(&account);
    // This build is not optimized, and may not read all of them in this time.
    let batch = delivery(&account, &[&key("near"), &key("quarantined")]);
    let answer = function.invoke_within(&batch, Duration::from_secs(40)).expect("the function died").unwrap();
    assert!(!failed_items(&answer).contains(&"2"));
    account.alerts(1).await;
}
