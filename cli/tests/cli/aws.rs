//! Log files in S3, alerts to SNS, and deliveries to SQS.

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
async fn only_the_first_block_of_other_text_in_a_bucket_is_searched() {
    let account = Account::new().await;
    let record = quarantine("alice", "2026-11-24T03:02:11Z");
    let others = "2026-11-24 x\n".repeat(100_000);
    account.put("early.log.gz", gzip(format!("2026-11-24 {record}\n{others}").as_bytes())).await;
    account.put("late.log.gz", gzip(format!("{others}{record}\n").as_bytes())).await;
    account.put("clean.json.gz", stored(&[json!({})])).await;
    let found = scan_in(&account, &[&format!("s3://{}", account.bucket)]);
    assert!(found.stderr.contains("1 other file skipped"), "{}", found.stderr);
    assert!(found.stderr.contains("/early.log.gz is not a log file: it is gzip, but not of JSON"), "{}", found.stderr);
    assert_eq!((found.status, found.stderr.matches("not read:").count()), (Some(2), 1), "{}", found.stderr);
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

/// The arguments of a replay with the account's topic and table.
fn replay<'a>(account: &'a Account, path: &'a str) -> Vec<&'a str> {
    vec!["replay", path, "--topic-arn", &account.topic, "--table", &account.table]
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_and_the_function_never_alert_twice() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined", "removed"]).await;
    let path = format!("s3://{}", account.bucket);
    // The function has alerted one of the two.
    let mut function = Function::start(&account);
    function.invoke(&delivery(&account, &[&key("quarantined")])).unwrap();
    account.alerts(1).await;

    let dry = scan_in(&account, &replay(&account, &path));
    assert_eq!(dry.status, Some(0), "{}", dry.stderr);
    let lines: Vec<&str> = dry.stdout.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("would send: 2026-11-24T03:04:31Z HIGH: Quarantine of IAM user ci-deploy REMOVED"));
    assert!(
        dry.stderr
            .starts_with("1 alert would be sent, 1 match suppressed (already alerted, or beyond the flood bound)"),
        "{}",
        dry.stderr
    );
    account.alerts(0).await;

    let sent = scan_in(&account, &[replay(&account, &path), vec!["--yes"]].concat());
    assert_eq!((sent.status, sent.stdout.starts_with("sent: ")), (Some(0), true), "{}", sent.stderr);
    let alerts = account.alerts(1).await;
    assert_eq!(alerts[0]["outcome"], "removed");
    assert!(alerts[0]["related"].is_object());

    // Neither alerts again.
    let again = scan_in(&account, &[replay(&account, &path), vec!["--yes"]].concat());
    assert!(again.stderr.starts_with("0 alerts sent, 2 matches suppressed"), "{}", again.stderr);
    function.invoke(&delivery(&account, &[&key("quarantined"), &key("removed")])).unwrap();
    account.alerts(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_sends_exactly_what_its_dry_run_shows() {
    let account = Account::new().await;
    let at = |time: &str| stored(&[quarantine("alice", &format!("2026-11-24T{time}:00Z"))]);
    let replay = |folder: &std::path::Path, more: &[&str]| {
        scan_in(&account, &[replay(&account, folder.to_str().unwrap()), more.to_vec()].concat())
    };
    let known = folder("known");
    fs::write(known.join("1.gz"), at("09:00")).unwrap();
    assert_eq!(replay(&known, &["--yes"]).status, Some(0));
    // The first of these belongs to the incident of 09:00. The second is near the first, but not near 09:00.
    let new = folder("new");
    fs::write(new.join("1.gz"), at("09:30")).unwrap();
    fs::write(new.join("2.gz"), at("10:15")).unwrap();
    let would = replay(&new, &[]).stdout;
    assert!(would.starts_with("would send: 2026-11-24T10:15:00Z ") && would.lines().count() == 1, "{would}");
    assert_eq!(replay(&new, &["--yes"]).stdout, would.replace("would send", "sent"));
    account.alerts(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_of_a_folder_names_the_file_of_the_evidence() {
    let account = Account::new().await;
    let sent = scan_in(&account, &[replay(&account, "events/log-files/failed.json"), vec!["--yes"]].concat());
    assert_eq!(sent.status, Some(0), "{}", sent.stderr);
    let alerts = account.alerts(1).await;
    assert_eq!(alerts[0]["source"]["bucket"], json!(null));
    assert_eq!(alerts[0]["source"]["key"], "events/log-files/failed.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_sends_nothing_without_its_table_or_its_topic() {
    let account = Account::new().await;
    let with = |topic: &str, table: &str| {
        let arguments = ["replay", "events/log-files/failed.json", "--topic-arn", topic, "--table", table, "--yes"];
        scan_in(&account, &arguments)
    };
    let no_table = with(&account.topic, "no-table");
    assert_eq!((no_table.status, no_table.stdout.as_str()), (Some(2), ""));
    assert!(no_table.stderr.contains("nothing was sent: cannot use the dedup table no-table ("), "{}", no_table.stderr);
    let no_topic = with("arn:aws:sns:us-east-1:123456789012:nowhere", &account.table);
    assert_eq!((no_topic.status, no_topic.stdout.as_str()), (Some(2), ""), "{}", no_topic.stderr);
    assert!(
        no_topic.stderr.contains("correct this and run it again: cannot publish to the topic"),
        "{}",
        no_topic.stderr
    );
    account.alerts(0).await;
    // The remaining claim ends with its lease.
    account.end_leases().await;
    assert_eq!(with(&account.topic, &account.table).status, Some(0));
    account.alerts(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enqueue_sends_each_log_file_once() {
    let account = Account::new().await;
    put_archive(&account).await;
    // So that there is more than one batch.
    for number in 0..25 {
        account.put(&key_of("123456789012", "2026/11/24", &format!("b+ é{number:02}")), stored(&[json!({})])).await;
    }
    let queue = account.sqs.create_queue().queue_name("delivery").send().await.unwrap().queue_url.unwrap();
    let path = format!("s3://{}/AWSLogs/", account.bucket);
    let sent = scan_in(&account, &["enqueue", &path, "--queue", &queue, "--rate", "100000"]);
    assert_eq!(sent.status, Some(0), "{}", sent.stderr);
    assert!(sent.stderr.starts_with("28 log files sent to the queue in "), "{}", sent.stderr);
    // The function handles these messages like S3's own.
    let mut messages = Vec::new();
    loop {
        let receive = account.sqs.receive_message().queue_url(&queue).max_number_of_messages(10);
        let received = receive.send().await.unwrap().messages.unwrap_or_default();
        if received.is_empty() {
            break;
        }
        for message in received {
            let delete = account.sqs.delete_message().queue_url(&queue);
            delete.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
            messages.push(message.body.unwrap());
        }
    }
    assert_eq!(messages.len(), 28);
    let mut batch = event("sqs-s3-object-created", &account);
    let template = batch["Records"][0].clone();
    let records = messages.iter().enumerate().map(|(number, body)| {
        let mut message = template.clone();
        message["messageId"] = json!(number.to_string());
        message["body"] = json!(body);
        message
    });
    batch["Records"] = records.collect();
    let answer = Function::start(&account).invoke(&batch).unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    account.alerts(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enqueue_resumes_where_it_stopped() {
    let account = Account::new().await;
    for day in 10..20 {
        account.put(&key_of("123456789012", &format!("2026/11/{day}"), "a"), stored(&[json!({})])).await;
    }
    account.put(&key_of("123456789012", "2026/11/12", "emptied"), Vec::new()).await;
    let queue = account.sqs.create_queue().queue_name("delivery").send().await.unwrap().queue_url.unwrap();
    let count = async || {
        let attributes = account.sqs.get_queue_attributes().queue_url(&queue);
        let attributes = attributes.attribute_names(QueueAttributeName::ApproximateNumberOfMessages);
        let attributes = attributes.send().await.unwrap().attributes.unwrap();
        attributes[&QueueAttributeName::ApproximateNumberOfMessages].parse::<u32>().unwrap()
    };
    let file = folder("resume").join("point.json");
    let path = format!("s3://{}/", account.bucket);
    // Each of these days is listed on its own. The queue rejects all messages after the fifth.
    let period = ["--since", "2026-11-10", "--until", "2026-11-20", "--rate", "100000"];
    let arguments = |queue| {
        let resume = ["--queue", queue, "--resume", file.to_str().unwrap()];
        [&["enqueue", &path], &period[..], &resume].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let arguments = arguments(queue.as_str());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let wire = Wire::new(&account.endpoint, |seen| {
        let rejection = r#"{"__type":"com.amazonaws.sqs#KmsAccessDenied","message":"no key"}"#;
        if seen.operation == "SendMessageBatch" && seen.number > 5 {
            Fault::Answer(400, rejection)
        } else {
            Fault::None
        }
    });
    let stopped = run(command_in(&account, &wire.endpoint, &arguments));
    assert_eq!(stopped.status, Some(2));
    assert!(stopped.stderr.contains("5 log files sent to the queue"), "{}", stopped.stderr);
    assert!(
        stopped.stderr.contains("2026/11/14/") && stopped.stderr.contains("run the same command to continue after it"),
        "{}",
        stopped.stderr
    );
    assert!(
        stopped.stderr.contains("cannot send to the queue ") && stopped.stderr.contains("no key"),
        "{}",
        stopped.stderr
    );
    assert_eq!(count().await, 5);

    let rest = scan_in(&account, &arguments);
    // The first run has named a log file that is not sent.
    assert_eq!(rest.status, Some(2), "{}", rest.stderr);
    assert!(rest.stderr.starts_with("5 log files sent to the queue"), "{}", rest.stderr);
    assert_eq!(count().await, 10);
    let point: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(point["sent"], 10);
    // A finished job does not look for later keys, and its file cannot be used for another job.
    let again = scan_in(&account, &arguments);
    assert!(again.stderr.contains("belongs to a finished job") && again.status == Some(2), "{}", again.stderr);
    let file = file.to_str().unwrap();
    for other in [["--queue", "other", "--since", "2026-11-10"], ["--queue", &queue, "--since", "2026-11-01"]] {
        let other = scan_in(&account, &[&["enqueue", &path, "--resume", file], &other[..]].concat());
        assert!(other.stderr.contains("belongs to another job") && other.status == Some(2), "{}", other.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_file_of_another_job_is_rejected_with_the_options_of_its_job() {
    let account = Account::new().await;
    // A key without a date is in every period.
    account.put("x.json.gz", stored(&[json!({})])).await;
    let queue = account.sqs.create_queue().queue_name("delivery").send().await.unwrap().queue_url.unwrap();
    let file = folder("resume-of-another-job").join("run.us");
    let file = file.to_str().unwrap();
    let path = format!("s3://{}/", account.bucket);
    let since = |when| scan_in(&account, &["enqueue", &path, "--queue", &queue, "--since", when, "--resume", file]);
    assert_eq!(since("7d").status, Some(0));
    let other = since("8d");
    let options = format!("{path} --queue {queue} --since 7d");
    let expected = format!("error: {file} belongs to another job ({options}); use another file name.\n");
    assert_eq!((other.stderr, other.status), (expected, Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn enqueue_names_emptied_log_files_and_sends_no_other_account() {
    let account = Account::new().await;
    put_archive(&account).await;
    account.put(&key_of("123456789012", "2026/11/24", "emptied"), Vec::new()).await;
    // With this many objects next to its folders, everything in AWSLogs is listed flat.
    for number in 0..1001 {
        account.put(&format!("AWSLogs/{number:05}.txt"), b"x".to_vec()).await;
    }
    let queue = account.sqs.create_queue().queue_name("delivery").send().await.unwrap().queue_url.unwrap();
    let path = format!("s3://{}/AWSLogs/", account.bucket);
    let period = ["--account", "210987654321", "--since", "2026-11-24", "--rate", "100000"];
    let sent = scan_in(&account, &[&["enqueue", &path, "--queue", &queue], &period[..]].concat());
    // The account of the loose objects is unknown, so they are sent.
    assert!(sent.stderr.starts_with("1,002 log files sent to the queue"), "{}", sent.stderr);
    assert_eq!(sent.status, Some(0), "{}", sent.stderr);
    let path = format!("s3://{}/AWSLogs/123456789012/", account.bucket);
    let sent = scan_in(&account, &["enqueue", &path, "--queue", &queue, "--rate", "100000"]);
    assert!(sent.stderr.contains("2 log files sent to the queue"), "{}", sent.stderr);
    assert!(
        sent.stderr.contains("emptied.json.gz is empty, and was not sent.") && sent.status == Some(2),
        "{}",
        sent.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn enqueue_obeys_its_rate() {
    let account = Account::new().await;
    for number in 0..30 {
        account.put(&key_of("123456789012", "2026/11/24", &format!("{number:02}")), stored(&[json!({})])).await;
    }
    let queue = account.sqs.create_queue().queue_name("delivery").send().await.unwrap().queue_url.unwrap();
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let path = format!("s3://{}/", account.bucket);
    let arguments = ["enqueue", &path, "--queue", &queue, "--rate", "20"];
    let started = Instant::now();
    assert_eq!(run(command_in(&account, &wire.endpoint, &arguments)).status, Some(0));
    let sent = wire.seen("SendMessageBatch");
    assert_eq!(sent.len(), 3);
    // Ten messages every half second, the first ones at once.
    assert!(sent[2].at - started >= Duration::from_secs(1));
}
