//! A log file passes through the pipeline and becomes an alert.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    Function, LogLine, count, delivery, event, failed_items, gzip, key,
    local_aws::Account,
    log_file, path, put_log_files,
    wire::{Fault, Wire},
};

#[tokio::test]
async fn a_delivered_quarantine_is_alerted_once() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let mut function = Function::start(&account);
    let delivery = event("sqs-s3-object-created", &account);

    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    let [alert] = account.alerts(1).await.try_into().unwrap();
    assert_eq!(alert["title"], "IAM user ci-deploy quarantined in account 123456789012");
    assert_eq!(alert["alertContext"]["userName"], "ci-deploy");
    assert_eq!(alert["alertContext"]["recipientAccountId"], "123456789012");
    assert_eq!(alert["alertContext"]["record"], log_file("quarantined")["Records"][1]);
    assert_eq!(alert["source"]["bucket"], account.bucket);
    assert_eq!(alert["source"]["key"], key("quarantined"));
    assert_eq!(alert["related"]["where"], "in the same log file");
    assert_eq!((&alert["related"]["eventCount"], &alert["related"]["errorCount"]), (&json!(4), &json!(1)));
    assert_eq!(alert["related"]["events"][0]["eventName"], "CreateUser");

    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    account.alerts(0).await;
    let log = function.log();
    assert_eq!(count(&log, "Published alert."), 1);
    assert_eq!(count(&log, "Suppressed match: its incident is alerted."), 1);
    assert_eq!(count(&log, "Scanned log file."), 2);
    assert_eq!(log.len(), 4, "{log:#?}");
}

#[tokio::test]
async fn a_clean_log_file_is_logged_in_one_line() {
    let account = Account::new().await;
    put_log_files(&account, &["clean"]).await;
    let stored = gzip(log_file("clean").to_string().as_bytes()).len();
    let mut function = Function::start(&account);
    function.invoke(&delivery(&account, &[&key("clean")])).unwrap();

    let [line] = function.log().try_into().unwrap();
    assert_eq!((line.level(), line.message()), ("INFO", "Scanned log file."));
    let fields = line.0["fields"].as_object().unwrap();
    let names: Vec<&String> = fields.keys().collect();
    assert_eq!(names, ["bucket", "bytes", "inflated_bytes", "key", "matches", "message", "milliseconds"]);
    assert_eq!(line.field("bucket"), &json!(account.bucket));
    assert_eq!(line.field("key"), &json!(key("clean")));
    assert_eq!(line.field("bytes"), &json!(stored));
    assert_eq!(line.field("inflated_bytes"), &json!(log_file("clean").to_string().len()));
    assert_eq!(line.field("matches"), &json!(0));
    account.alerts(0).await;
}

#[tokio::test]
async fn a_direct_s3_notification_is_alerted() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let mut function = Function::start(&account);
    assert_eq!(function.invoke(&event("s3-object-created", &account)), Ok(Value::Null));
    account.alerts(1).await;
}

#[tokio::test]
async fn every_quarantine_in_a_mixed_batch_is_alerted() {
    let account = Account::new().await;
    put_log_files(&account, &["clean", "quarantined", "near-misses", "panther-seed", "failed"]).await;
    let mut function = Function::start(&account);
    assert!(failed_items(&function.invoke(&event("sqs-batch", &account)).unwrap()).is_empty());
    let alerts = account.alerts(3).await;
    let mut outcomes: Vec<_> =
        alerts.iter().map(|alert| (alert["title"].as_str(), alert["severity"].as_str())).collect();
    outcomes.sort();
    assert_eq!(
        outcomes,
        [
            (Some("IAM user ci-deploy quarantined in account 123456789012"), Some("HIGH")),
            (Some("IAM user test-user quarantined in account 123456789012"), Some("HIGH")),
            (Some("Quarantine of IAM user ci-deploy FAILED in account 123456789012"), Some("CRITICAL")),
        ]
    );
    assert_eq!(count(&function.log(), "Scanned log file."), 5);
}

#[tokio::test]
async fn test_events_are_acknowledged() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    assert_eq!(function.invoke(&event("s3-test-event", &account)), Ok(Value::Null));
    assert!(failed_items(&function.invoke(&event("sqs-s3-test-event", &account)).unwrap()).is_empty());
    assert!(function.log().is_empty());
}

#[tokio::test]
async fn objects_that_are_not_log_files_are_skipped_unread() {
    let account = Account::new().await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let mut function = Function::start_on(&account, &wire);
    let keys = [
        "AWSLogs/123456789012/CloudTrail-Digest/us-east-1/2026/11/24/x.json.gz",
        "AWSLogs/o-abc1234567/123456789012/CloudTrail-Insight/us-east-1/2026/11/24/x.json.gz",
        "AWSLogs/123456789012/Config/us-east-1/2026/11/24/x.json.gz",
        "AWSLogs/123456789012/CloudTrail/",
    ];
    assert!(failed_items(&function.invoke(&delivery(&account, &keys)).unwrap()).is_empty());
    assert!(wire.seen("GetObject").is_empty());
    assert_eq!(count(&function.log(), "Skipped object."), 4);
}

#[tokio::test]
async fn log_files_outside_the_layout_are_scanned_and_other_objects_are_skipped_unless_they_have_a_needle() {
    let account = Account::new().await;
    account.put("copies/of logs/q+.json.gz", gzip(log_file("quarantined").to_string().as_bytes())).await;
    account.put("copies/picture.png", b"\x89PNG".to_vec()).await;
    account.put("copies/list.json", br#"{"CompromisedKeyQuarantine":[]}"#.to_vec()).await;
    account.put("copies/empty", Vec::new()).await;
    account.put("copies/notes.txt", b"{draft} hello".to_vec()).await;
    account.put("copies/lines.json", b"{\"a\":\"CompromisedKeyQuarantine\"}\n{\"b\":1}\n".to_vec()).await;
    let mut function = Function::start(&account);
    let keys = [
        "copies/of+logs/q%2B.json.gz",
        "copies/picture.png",
        "copies/list.json",
        "copies/empty",
        "copies/notes.txt",
        "copies/lines.json",
    ];
    // What cannot be judged is not acknowledged.
    assert_eq!(failed_items(&function.invoke(&delivery(&account, &keys)).unwrap()), ["3", "6"]);
    account.alerts(1).await;
    let log = function.log();
    assert_eq!((count(&log, "Scanned log file."), count(&log, "Skipped object.")), (1, 3), "{log:#?}");
    let errors: Vec<&str> = log.iter().filter(|line| line.level() == "ERROR").map(LogLine::message).collect();
    assert!(errors.iter().all(|error| !error.contains("validate-logs")), "{errors:?}");
}

/// S3 allows nearly every character in a key. The alert has it exactly.
#[tokio::test]
async fn an_object_is_read_whatever_characters_its_key_has() {
    let account = Account::new().await;
    let name = "copies/!-_.*'()&$@=;:+ ,?\\{^}%`]\">[~<#|%20é日😀.json.gz";
    account.put(name, gzip(log_file("quarantined").to_string().as_bytes())).await;
    let encoded: String = name
        .bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if byte.is_ascii_alphanumeric() || b"-._*/".contains(&byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    let mut function = Function::start(&account);
    assert!(failed_items(&function.invoke(&delivery(&account, &[&encoded])).unwrap()).is_empty());
    let [alert] = account.alerts(1).await.try_into().unwrap();
    assert_eq!(alert["source"]["key"], name);
}

#[tokio::test]
async fn a_large_log_file_is_read_again_from_the_bucket() {
    let account = Account::new().await;
    // Even compressed, it is larger than what is kept in memory.
    let mut noise = 1u64;
    let filler: String = (0..400_000)
        .map(|_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{:08x}", noise >> 32)
        })
        .collect();
    let mut text = log_file("quarantined");
    text["Records"].as_array_mut().unwrap().insert(0, json!({ "eventName": "x" }));
    let text = text.to_string().replace("\"x\"", &format!("\"{}\"", &filler[..800_000]));
    let text = text.replace("{\"Records\":[", &format!("{{\"a\":\"{filler}\",\"Records\":["));
    account.put(&key("large"), gzip(text.as_bytes())).await;

    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let mut function = Function::start_on(&account, &wire);
    assert!(failed_items(&function.invoke(&delivery(&account, &[&key("large")])).unwrap()).is_empty());
    account.alerts(1).await;
    let reads = wire.seen("GetObject");
    // The third is for related activity.
    assert_eq!(reads.len(), 3);
    assert!(reads[0].request.header("if-match").is_none() && reads[1].request.header("if-match").is_some());
}

#[tokio::test]
async fn unfinished_items_return_to_the_queue_at_the_deadline() {
    let account = Account::new().await;
    put_log_files(&account, &["clean"]).await;
    let slow = key("quarantined");
    let wire =
        Wire::new(
            &account.endpoint,
            move |seen| {
                if seen.request.path().contains(&slow) { Fault::Hang } else { Fault::None }
            },
        );
    let mut function = Function::start_on(&account, &wire);
    let delivery = delivery(&account, &[&key("quarantined"), &key("clean")]);
    let answer = function.invoke_within(&delivery, Duration::from_secs(6)).expect("the function died").unwrap();
    assert_eq!(failed_items(&answer), ["1"]);
    let log = function.log();
    assert_eq!(count(&log, "Scanned log file."), 1);
    assert!(
        log.iter()
            .any(|line| line.level() == "WARN" && line.message().starts_with("the invocation ended before s3://")),
        "{log:#?}"
    );
}

#[tokio::test]
async fn a_match_is_not_claimed_with_less_than_a_lease_left() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let mut function = Function::start(&account);
    let delivery = event("sqs-s3-object-created", &account);
    let answer = function.invoke_within(&delivery, Duration::from_secs(20)).expect("the function died").unwrap();
    assert_eq!(failed_items(&answer).len(), 1);
    account.alerts(0).await;
    function.invoke(&delivery).unwrap();
    account.alerts(1).await;
}

#[tokio::test]
async fn real_log_files_match_only_after_a_quarantine_is_inserted() {
    let account = Account::new().await;
    let folder = path("tests/data/invictus/CloudTrail");
    let mut keys = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let key =
            format!("AWSLogs/218007301253/CloudTrail/us-east-1/2023/07/10/{}", file.file_name().to_str().unwrap());
        account.put(&key, fs::read(file.path()).unwrap()).await;
        keys.push(key);
    }
    assert!(!keys.is_empty());
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut function = Function::start(&account);
    assert!(failed_items(&function.invoke(&delivery(&account, &keys)).unwrap()).is_empty());
    account.alerts(0).await;

    let inserted = {
        let file = fs::read(path("tests/data/invictus/CloudTrail").join(keys[0].rsplit('/').next().unwrap())).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file.as_slice()), &mut text).unwrap();
        let record = log_file("quarantined")["Records"][1].to_string();
        text.replacen("{\"Records\":[", &format!("{{\"Records\":[{record},"), 1)
    };
    account.put(keys[0], gzip(inserted.as_bytes())).await;
    assert!(failed_items(&function.invoke(&delivery(&account, &keys)).unwrap()).is_empty());
    account.alerts(1).await;
    let log = function.log();
    assert_eq!(count(&log, "Scanned log file."), 2 * keys.len());
    assert_eq!(log.len(), 2 * keys.len() + 1, "{log:#?}");
    println!("{} real log files", keys.len());
}
