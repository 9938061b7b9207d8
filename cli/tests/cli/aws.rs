//! Log files in S3, alerts to SNS, and deliveries to SQS.

mod enqueue;
mod replay;

use std::{
    fs,
    time::{Duration, Instant},
};

use aws_config::Region;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use crate::{
    command_in, folder, quarantine, run, scan_in, stored,
    support::{
        Function, delivery, event, gzip, key,
        local_aws::Account,
        put_log_files,
        wire::{Fault, Wire},
    },
};

fn key_of(account: &str, date: &str, name: &str) -> String {
    format!("AWSLogs/{account}/CloudTrail/us-east-1/{date}/{account}_CloudTrail_{name}.json.gz")
}

/// Puts log files of several days and accounts, with a quarantine in each, and other objects.
async fn put_archive(account: &Account) {
    for (owner, day) in [("123456789012", 20), ("123456789012", 24), ("210987654321", 24)] {
        let mut record = quarantine(&format!("{}-{day}", &owner[..3]), &format!("2026-11-{day}T03:02:11Z"));
        record["recipientAccountId"] = json!(owner);
        account.put(&key_of(owner, &format!("2026/11/{day}"), "a"), stored(&[record])).await;
    }
    let organization = quarantine("of-an-organization", "2026-11-24T03:02:11Z");
    let organization_key = "trail/AWSLogs/o-abc1234567/123456789012/CloudTrail/eu-west-1/2026/11/24/x.json.gz";
    account.put(organization_key, stored(&[organization])).await;
    account.put("AWSLogs/123456789012/Config/us-east-1/2026/11/24/x.json.gz", gzip(b"{}")).await;
    account.put("copies/copy.json.gz", stored(&[quarantine("copied", "2026-11-24T03:02:11Z")])).await;
    account.put("copies/readme.txt", b"not a log file".to_vec()).await;
    account.put("copies/", Vec::new()).await;
}

fn users(run: &crate::Run) -> String {
    let mut users = run.users();
    users.sort();
    users.join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_read_wherever_its_log_files_are() {
    let account = Account::new().await;
    put_archive(&account).await;
    let bucket = format!("s3://{}", account.bucket);
    let found = scan_in(&account, &[&bucket, "--format", "ndjson"]);
    assert_eq!(users(&found), "123-20 123-24 210-24 copied of-an-organization", "{}", found.stderr);
    assert_eq!(found.status, Some(1));
    assert!(found.stderr.contains("in 5 log files ("), "{}", found.stderr);
    for (path, expected) in [
        ("/AWSLogs/123456789012", "123-20 123-24"),
        ("/AWSLogs/123", "123-20 123-24"),
        ("/AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/2", "123-20 123-24"),
        ("/trail/", "of-an-organization"),
        ("/copies/copy.json.gz", "copied"),
    ] {
        let found = scan_in(&account, &[&format!("{bucket}{path}"), "--format", "ndjson"]);
        assert_eq!(users(&found), expected, "{path}: {}", found.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_many_objects_is_read_completely() {
    let account = Account::new().await;
    // More than one page, and more than is held in memory. The first page has no match.
    let clean = stored(&[json!({})]);
    let puts = (0..1100).map(|number| {
        account.s3.put_object().bucket(&account.bucket).key(format!("{number:05}")).body(clean.clone().into())
    });
    for put in puts {
        put.send().await.unwrap();
    }
    account.put("99999", stored(&[quarantine("last", "2026-11-24T03:02:11Z")])).await;
    account.put("sub/1.gz", stored(&[quarantine("below", "2026-11-24T03:02:11Z")])).await;
    let found = scan_in(&account, &[&format!("s3://{}", account.bucket), "--format", "ndjson"]);
    assert_eq!(users(&found), "below last", "{}", found.stderr);
    assert!(found.stderr.contains("in 1,102 log files"), "{}", found.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_and_accounts_become_key_prefixes() {
    let account = Account::new().await;
    put_archive(&account).await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let path = format!("s3://{}/AWSLogs/", account.bucket);
    let period = ["--since", "2026-11-24", "--until", "2026-11-24", "--account", "123456789012"];
    let arguments = [&[path.as_str(), "--format", "ndjson"], &period[..]].concat();
    let found = run(command_in(&account, &wire.endpoint, &arguments));
    assert_eq!(users(&found), "123-24", "{}", found.stderr);
    let mut prefixes: Vec<String> = Vec::new();
    let mut objects = 0;
    for seen in wire.seen("GetObject") {
        let path = percent_encoding::percent_decode_str(seen.request.path()).decode_utf8().unwrap().into_owned();
        match path.split_once("prefix=") {
            Some((_, rest)) => prefixes.push(rest.split('&').next().unwrap().to_owned()),
            None => objects += 1,
        }
    }
    prefixes.sort();
    prefixes.dedup();
    let account_folder = "AWSLogs/123456789012/";
    let region = format!("{account_folder}CloudTrail/us-east-1/");
    let expected = [
        "AWSLogs/".to_owned(),
        account_folder.to_owned(),
        format!("{account_folder}CloudTrail/"),
        region.clone(),
        format!("{region}2026/11/24/"),
        // A log file may be delivered a day late.
        format!("{region}2026/11/25/"),
    ];
    assert_eq!(prefixes, expected);
    // The second read is for related activity.
    assert_eq!(objects, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_next_to_the_years_of_a_region_are_read_for_any_period() {
    let account = Account::new().await;
    let region = "AWSLogs/123456789012/CloudTrail/us-east-1";
    for (name, key) in [
        ("loose", format!("{region}/x.json.gz")),
        ("archive", format!("{region}/archive/x.json.gz")),
        ("no-region", "AWSLogs/123456789012/CloudTrail/2026/11/24/x.json.gz".into()),
        ("old", format!("{region}/2020/11/24/x.json.gz")),
    ] {
        account.put(&key, stored(&[quarantine(name, "2026-11-24T03:02:11Z")])).await;
    }
    let path = format!("s3://{}", account.bucket);
    let period = ["--since", "2026-11-24", "--until", "2026-11-24", "--format", "ndjson"];
    let found = scan_in(&account, &[&[path.as_str()], &period[..]].concat());
    assert_eq!(users(&found), "archive loose no-region", "{}", found.stderr);
    // A time far in the future does not plan a folder for each year up to it.
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let arguments = [path.as_str(), "--since", "2026-11-24", "--until", "9999-01-01"];
    run(command_in(&account, &wire.endpoint, &arguments));
    assert!(wire.seen("GetObject").len() < 40, "{}", wire.seen("GetObject").len());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_text_in_a_bucket_is_searched_completely() {
    let account = Account::new().await;
    let record = quarantine("alice", "2026-11-24T03:02:11Z");
    let others = "INFO x\n".repeat(100_000);
    account.put("harmless.log.gz", gzip(others.as_bytes())).await;
    account.put("early.log.gz", gzip(format!("INFO {record}\n{others}").as_bytes())).await;
    account.put("late.log.gz", gzip(format!("{others}{record}\n").as_bytes())).await;
    account.put("clean.json.gz", stored(&[json!({})])).await;
    let found = scan_in(&account, &[&format!("s3://{}", account.bucket)]);
    assert!(found.stderr.contains("1 other file skipped"), "{}", found.stderr);
    assert!(found.stderr.contains("/early.log.gz is not a log file: it is gzip, but not of JSON"), "{}", found.stderr);
    assert_eq!((found.status, found.stderr.matches("not read:").count()), (Some(2), 2), "{}", found.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_folder_that_cannot_be_listed_is_named() {
    let account = Account::new().await;
    put_archive(&account).await;
    let wire = Wire::new(&account.endpoint, |seen| {
        let is_denied = ["prefix=copies%2F", "prefix=trail%2F"].iter().any(|part| seen.request.path().contains(part));
        let answer = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
        if is_denied { Fault::Answer(403, answer) } else { Fault::None }
    });
    let path = format!("s3://{}", account.bucket);
    let found = run(command_in(&account, &wire.endpoint, &[&path, "--format", "ndjson"]));
    assert_eq!((users(&found).as_str(), found.status), ("123-20 123-24 210-24", Some(2)), "{}", found.stderr);
    for folder in ["copies", "trail"] {
        assert!(found.stderr.contains(&format!("not read: {path}/{folder}/ cannot be listed")), "{}", found.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_identical_to_those_of_the_function() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let mut function = Function::start(&account);
    function.invoke(&delivery(&account, &[&key("quarantined")])).unwrap();
    let [published] = account.alerts(1).await.try_into().unwrap();
    let found = scan_in(&account, &[&format!("s3://{}", account.bucket), "--format", "ndjson"]);
    let [alert] = found.alerts().try_into().unwrap();
    let without_clock = |mut alert: Value| {
        for field in ["createdAt", "detectedAt", "detectionLatencySeconds"] {
            assert!(alert.as_object_mut().unwrap().remove(field).is_some());
        }
        alert
    };
    assert_eq!(without_clock(alert), without_clock(published));
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_errors_say_what_to_do_and_stop_nothing_else() {
    let account = Account::new().await;
    account.put(&key("quarantined"), stored(&[quarantine("alice", "2026-11-24T03:02:11Z")])).await;
    let good = format!("s3://{}/AWSLogs/", account.bucket);
    let missing = scan_in(&account, &["s3://no-such-bucket/x", &good, "--format", "ndjson"]);
    assert_eq!((users(&missing).as_str(), missing.status), ("alice", Some(2)));
    assert!(missing.stderr.contains("not read: s3://no-such-bucket does not exist"), "{}", missing.stderr);
    let empty = scan_in(&account, &[&format!("{good}999"), &good, "--format", "ndjson"]);
    assert_eq!((users(&empty).as_str(), empty.status), ("alice", Some(2)));
    assert!(empty.stderr.contains("AWSLogs/999 contains no CloudTrail log file"), "{}", empty.stderr);

    let mut unsigned = command_in(&account, &account.endpoint, &[&good]);
    unsigned.env_remove("AWS_ACCESS_KEY_ID").env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nowhere");
    let unsigned = run(unsigned);
    assert!(unsigned.stderr.contains("cannot be listed: no credentials ("), "{}", unsigned.stderr);
    assert!(
        unsigned.stderr.ends_with("set AWS_PROFILE and sign in, for example with `aws sso login`.\n"),
        "{}",
        unsigned.stderr
    );

    const DENIED: Fault = Fault::Answer(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>");
    let wire = Wire::new(&account.endpoint, |_| DENIED);
    let denied = run(command_in(&account, &wire.endpoint, &[&good]));
    assert!(denied.stderr.contains("allow s3:ListBucket on it to the role or user in use"), "{}", denied.stderr);
    let wire =
        Wire::new(
            &account.endpoint,
            |seen| {
                if seen.request.path().contains("list-type") { Fault::None } else { DENIED }
            },
        );
    let denied = run(command_in(&account, &wire.endpoint, &[&good]));
    assert!(denied.stderr.contains("grant the role or user in use s3:GetObject on it"), "{}", denied.stderr);
    assert_eq!(denied.status, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_in_another_region_is_found() {
    let account = Account::new().await;
    let region = Region::new("eu-west-1");
    let s3 = aws_sdk_s3::Client::from_conf(account.s3.config().to_builder().region(region).build());
    let location = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest1).build();
    let bucket = format!("elsewhere-{}", account.id);
    s3.create_bucket().bucket(&bucket).create_bucket_configuration(location).send().await.unwrap();
    let body = stored(&[quarantine("alice", "2026-11-24T03:02:11Z")]);
    s3.put_object().bucket(&bucket).key(key("x")).body(body.into()).send().await.unwrap();
    let found = scan_in(&account, &[&format!("s3://{bucket}"), "--format", "ndjson"]);
    assert_eq!((users(&found).as_str(), found.status), ("alice", Some(1)), "{}", found.stderr);
}
