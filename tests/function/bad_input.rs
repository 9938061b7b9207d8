//! An item that cannot be handled fails alone, with an error that says what to do.

use serde_json::json;

use crate::support::{
    Function, LogLine, count, delivery, event, failed_items, gzip, key,
    local_aws::Account,
    log_file, put_log_files,
    wire::{Fault, Wire},
};

fn quarantined() -> String {
    log_file("quarantined").to_string()
}

/// A log file with a readable match, truncated in a later record.
fn truncated() -> Vec<u8> {
    let long: String = (0..2000).map(|n| format!("{{\"eventID\":\"{n}\"}},")).collect();
    let stored = gzip(quarantined().replace("]}", &format!(",{long}{{}}]}}")).as_bytes());
    stored[..stored.len() * 3 / 4].to_vec()
}

/// Delivers an object with the key `bad` and a quarantine in one batch. Only the bad item must fail. The quarantine and
/// the readable matches must be alerted. Returns the function's error.
async fn fails_alone(bad: Option<Vec<u8>>, readable_matches: usize) -> String {
    let account = Account::new().await;
    put_log_files(&account, &["panther-seed"]).await;
    if let Some(bytes) = bad {
        account.put(&key("bad"), bytes).await;
    }
    let mut function = Function::start(&account);
    let answer = function.invoke(&delivery(&account, &[&key("bad"), &key("panther-seed")])).unwrap();
    assert_eq!(failed_items(&answer), ["1"]);
    account.alerts(1 + readable_matches).await;
    logged_error(&function.log(), &account)
}

/// The only line above INFO that names the item. It names the object.
fn logged_error(log: &[LogLine], account: &Account) -> String {
    // A broken log file has no related activity either.
    let is_error =
        |line: &&LogLine| line.level() != "INFO" && !line.message().starts_with("The alert has no related activity: ");
    let lines: Vec<&LogLine> = log.iter().filter(is_error).collect();
    let [line] = lines[..] else { panic!("{log:#?}") };
    assert_eq!(line.field("item"), &json!("1"));
    assert!(line.message().starts_with(&format!("s3://{}/{} ", account.bucket, key("bad"))), "{}", line.message());
    format!("{} {}", line.level(), line.message())
}

#[tokio::test]
async fn an_object_that_is_neither_gzip_nor_json_fails_alone() {
    assert!(fails_alone(Some(b"hello".to_vec()), 0).await.contains("neither gzip nor JSON"));
}

#[tokio::test]
async fn gzip_of_something_else_fails_alone() {
    assert!(fails_alone(Some(gzip(b"hello")), 0).await.contains("not of JSON"));
}

#[tokio::test]
async fn json_without_records_fails_alone() {
    assert!(fails_alone(Some(gzip(b"{\"a\":[1]}")), 0).await.contains("JSON without CloudTrail records"));
}

#[tokio::test]
async fn a_truncated_log_file_alerts_its_readable_match_then_fails() {
    assert!(fails_alone(Some(truncated()), 1).await.contains("the gzip stream ends early"));
}

#[tokio::test]
async fn a_malformed_log_file_alerts_its_readable_match_then_fails() {
    let text = quarantined().replace("]}", ",{\"x\":CompromisedKeyQuarantine}]}");
    assert!(fails_alone(Some(gzip(text.as_bytes())), 1).await.contains("outside of any CloudTrail record"));
}

#[tokio::test]
async fn a_missing_object_fails_alone() {
    assert!(fails_alone(None, 0).await.contains("does not exist"));
}

#[tokio::test]
async fn a_log_file_above_the_size_limit_fails() {
    let account = Account::new().await;
    account.put(&key("bad"), gzip(&[b' '; 3 * 1024 * 1024])).await;
    let mut function = Function::start_with(&account, &account.endpoint, &[("MAX_INFLATED_MIB", "2")]);
    assert_eq!(failed_items(&function.invoke(&delivery(&account, &[&key("bad")])).unwrap()), ["1"]);
    assert!(logged_error(&function.log(), &account).contains("(MAX_INFLATED_MIB); raise the limit"));
}

/// The error after S3 has answered every read of `bad` with this status and body.
async fn read_fails(status: u16, body: &'static str) -> String {
    let account = Account::new().await;
    put_log_files(&account, &["panther-seed"]).await;
    let wire = Wire::new(&account.endpoint, move |seen| {
        if seen.request.path().contains("_bad.json.gz") { Fault::Answer(status, body) } else { Fault::None }
    });
    let mut function = Function::start_on(&account, &wire);
    let answer = function.invoke(&delivery(&account, &[&key("bad"), &key("panther-seed")])).unwrap();
    assert_eq!(failed_items(&answer), ["1"]);
    account.alerts(1).await;
    logged_error(&function.log(), &account)
}

#[tokio::test]
async fn a_denied_read_fails_alone() {
    let sentence = read_fails(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>").await;
    assert!(sentence.starts_with("ERROR") && sentence.contains("access denied"), "{sentence}");
}

#[tokio::test]
async fn a_missing_topic_fails_the_item() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined", "clean"]).await;
    let nowhere = account.topic.replace(":alerts", ":nowhere");
    let mut function = Function::start_with(&account, &account.endpoint, &[("ALERT_TOPIC_ARN", &nowhere)]);
    let answer = function.invoke(&delivery(&account, &[&key("quarantined"), &key("clean")])).unwrap();
    assert_eq!(failed_items(&answer), ["1"]);
    let log = function.log();
    let line = log.iter().find(|line| line.level() == "ERROR").unwrap();
    assert!(line.message().contains(&nowhere) && line.message().contains(&key("quarantined")), "{line:?}");
}

#[tokio::test]
async fn a_missing_dedup_table_marks_the_alert_but_does_not_stop_it() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    account.dynamodb.delete_table().table_name(&account.table).send().await.unwrap();
    let mut function = Function::start(&account);
    let delivery = event("sqs-s3-object-created", &account);
    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    let [alert] = account.alerts(1).await.try_into().unwrap();
    assert_eq!(alert["dedupDegraded"], true);

    // In the same process, memory replaces the table.
    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    account.alerts(0).await;
    let log = function.log();
    assert_eq!(count(&log, "Published alert without the dedup table: it may be a duplicate."), 1);
    assert!(
        log.iter().any(|line| line.level() == "WARN" && line.message().contains("cannot use the dedup table dedup"))
    );
}

#[tokio::test]
async fn memory_suppresses_across_invocations_while_the_table_cannot_be_written() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let body = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"not authorized"}"#;
    let wire =
        Wire::new(
            &account.endpoint,
            move |seen| {
                if seen.operation == "PutItem" { Fault::Answer(400, body) } else { Fault::None }
            },
        );
    let mut function = Function::start_on(&account, &wire);
    let delivery = event("sqs-s3-object-created", &account);
    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    account.alerts(1).await;
    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    account.alerts(0).await;
}

#[tokio::test]
async fn an_unknown_shape_is_an_error_that_shows_no_value() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let mut function = Function::start(&account);
    let error = function.invoke(&event("unknown-shape", &account)).unwrap_err();
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains("the keys job, payload") && !message.contains("nightly"), "{message}");

    let mut batch = event("sqs-s3-object-created", &account);
    let mut bad = batch["Records"][0].clone();
    bad["body"] = json!("not JSON");
    bad["messageId"] = json!("bad");
    batch["Records"].as_array_mut().unwrap().insert(0, bad);
    assert_eq!(failed_items(&function.invoke(&batch).unwrap()), ["bad"]);
    account.alerts(1).await;
}

/// A message may have as many bad parts as fit into it.
#[tokio::test]
async fn the_failures_of_an_item_are_named_up_to_a_bound_and_counted() {
    let account = Account::new().await;
    let mut batch = event("sqs-s3-object-created", &account);
    let parts = vec![json!({ "eventName": "PutObject", "s3": {} }); 10_000];
    batch["Records"][0]["body"] = json!(json!({ "Records": parts }).to_string());
    batch["Records"][0]["messageId"] = json!("bad");
    let mut function = Function::start(&account);
    assert_eq!(failed_items(&function.invoke(&batch).unwrap()), ["bad"]);
    let log = function.log();
    let errors: Vec<&LogLine> = log.iter().filter(|line| line.level() == "ERROR").collect();
    assert_eq!(errors.len(), 101);
    let last = errors.last().unwrap();
    assert!(last.message() == "The item has further failures." && last.field("failures") == &json!(9900), "{last:?}");
}

#[tokio::test]
async fn an_invalid_variable_stops_the_function_with_one_line() {
    let account = Account::new().await;
    for (variables, line) in [
        ([("ALERT_TOPIC_ARN", ""), ("DEDUP_TABLE", "dedup")], "ALERT_TOPIC_ARN is not set; use the ARN of"),
        ([("DEDUP_TABLE", "a b"), ("DENIED_ATTEMPTS", "on")], "DEDUP_TABLE is \"a b\"; use the name of"),
    ] {
        let mut function = Function::start_with(&account, &account.endpoint, &variables);
        assert_eq!(function.wait(), Some(1));
        let [error] = function.log().try_into().unwrap();
        assert!(error.level() == "ERROR" && error.message().starts_with(line), "{error:?}");
    }
}

/// Each alert that a test receives is parsed by Python too.
#[tokio::test]
async fn a_record_that_parsers_refuse_is_alerted_so_that_they_take_it() {
    let account = Account::new().await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let values = [deep, "9".repeat(100_000), "1e999".into()];
    let mut keys = Vec::new();
    for (number, value) in values.iter().enumerate() {
        let name = format!("refused{number}");
        let text = quarantined().replace("ci-deploy", &name);
        let text = text.replace("\"requestParameters\":{", &format!("\"requestParameters\":{{\"x\":{value},"));
        account.put(&key(&name), gzip(text.as_bytes())).await;
        keys.push(key(&name));
    }
    let mut function = Function::start(&account);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert!(failed_items(&function.invoke(&delivery(&account, &keys)).unwrap()).is_empty());
    let alerts = account.alerts(values.len()).await;
    assert!(
        alerts.iter().all(|alert| alert["truncated"] == true && alert["alertContext"]["record"].is_object()),
        "{alerts:#?}"
    );
}

/// All error sentences are in one file, `tests/snapshots/errors.snap`, so that a person can review them together.
#[tokio::test]
async fn every_error_is_a_sentence_that_names_its_object() {
    let account = Account::new().await;
    // Another user, since a match of the same incident would wait for the lease of the first match.
    let malformed = quarantined().replace("ci-deploy", "other").replace("]}", ",{\"x\":CompromisedKeyQuarantine}]}");
    for (name, bytes) in [
        ("neither", b"hello".to_vec()),
        ("gzip-of-text", gzip(b"hello")),
        ("empty-gzip", gzip(b"")),
        ("no-records", gzip(b"{\"a\":[1]}")),
        ("zip", b"PK\x03\x04".repeat(200)),
        ("utf-16", quarantined().encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("truncated-gzip", truncated()),
        ("corrupt-gzip", [&gzip(quarantined().as_bytes())[..200], &[0xff; 400]].concat()),
        ("trailing-bytes", [gzip(b"{\"Records\":[]}"), b"PK".to_vec()].concat()),
        ("truncated-json", gzip(&quarantined().as_bytes()[..900])),
        ("malformed-json", gzip(quarantined().replace("[{", "[}").as_bytes())),
        ("malformed-record", gzip(malformed.as_bytes())),
        ("too-large", gzip(&[b' '; 3 * 1024 * 1024])),
        (
            "large-record",
            gzip(format!("{{\"Records\":[{{\"a\":\"{}CompromisedKeyQuarantine\"}}]}}", "x".repeat(1 << 20)).as_bytes()),
        ),
    ] {
        account.put(&key(name), bytes).await;
    }
    let answers = [
        ("_denied.", 403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"),
        ("_other-region.", 301, "<Error><Code>PermanentRedirect</Code><Message>Elsewhere</Message></Error>"),
        ("_archived.", 403, "<Error><Code>InvalidObjectState</Code><Message>The object is archived</Message></Error>"),
        ("_changed.", 412, "<Error><Code>PreconditionFailed</Code><Message>ETag</Message></Error>"),
        ("_unavailable.", 500, "<Error><Code>InternalError</Code><Message>We made a mistake</Message></Error>"),
    ];
    let wire = Wire::new(&account.endpoint, move |seen| {
        let answer = answers.iter().find(|(name, ..)| seen.request.path().contains(name));
        answer.map_or(Fault::None, |&(_, status, body)| Fault::Answer(status, body))
    });
    let names = [
        "neither",
        "gzip-of-text",
        "empty-gzip",
        "no-records",
        "zip",
        "utf-16",
        "truncated-gzip",
        "corrupt-gzip",
        "trailing-bytes",
        "truncated-json",
        "malformed-json",
        "malformed-record",
        "too-large",
        "large-record",
        "missing",
        "denied",
        "other-region",
        "archived",
        "changed",
        "unavailable",
    ];
    let keys = names.map(key);
    let mut batch = delivery(&account, &keys.iter().map(String::as_str).collect::<Vec<_>>());
    let shapes = ["sqs-sns-subscription-confirmation", "unknown-shape", "s3-object-created", "s3-object-removed"];
    for (number, shape) in shapes.into_iter().enumerate() {
        let mut message = batch["Records"][0].clone();
        let payload = event(shape, &account);
        message["body"] = match number {
            0 => payload["Records"][0]["body"].clone(),
            1 => json!(payload.to_string()),
            3 => json!(payload.to_string().replace("ObjectRemoved:Delete", "PutObject")),
            _ => json!(payload.to_string().replace("\"key\"", "\"no-key\"")),
        };
        message["messageId"] = json!(shape);
        batch["Records"].as_array_mut().unwrap().push(message);
    }
    let nowhere = account.topic.replace(":alerts", ":nowhere");
    let variables = [("MAX_INFLATED_MIB", "2"), ("ALERT_TOPIC_ARN", nowhere.as_str()), ("DEDUP_TABLE", "no-table")];
    let mut function = Function::start_with(&account, &wire.endpoint, &variables);
    let answer = function.invoke(&batch).unwrap();
    assert_eq!(failed_items(&answer).len(), names.len() + shapes.len());

    let log = function.log();
    let mut sentences: Vec<String> = log
        .iter()
        .filter(|line| line.level() != "INFO")
        .map(|line| format!("{:<6}{}", line.level(), line.message().replace(&account.id, "123456789012")))
        .collect();
    // The end of a log file and the publish of its match may be logged in either order.
    sentences.sort();
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("errors", sentences.join("\n"));
    });
    let about_objects =
        sentences.iter().filter(|sentence| sentence[6..].starts_with("s3://logs-123456789012/AWSLogs/")).count();
    assert_eq!(about_objects, names.len());
}
