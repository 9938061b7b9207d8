//! What cannot be handled fails alone, with a sentence that says what to do.

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

/// A whole match, then a break in the middle of a later record.
fn truncated() -> Vec<u8> {
    let long: String = (0..2000).map(|n| format!("{{\"eventID\":\"{n}\"}},")).collect();
    let stored = gzip(quarantined().replace("]}", &format!(",{long}{{}}]}}")).as_bytes());
    stored[..stored.len() * 3 / 4].to_vec()
}

/// Delivers an object under the key `bad`, with a quarantine beside it. The bad item alone must fail; the
/// neighbour must be alerted, and so must be what was readable. Gives what the function said of it.
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
    complaint(&function.log(), &account)
}

/// The one line above INFO; it names the object.
fn complaint(log: &[LogLine], account: &Account) -> String {
    // Of a broken log file, what else is in it is not known either.
    let is_complaint = |line: &&LogLine| line.level() != "INFO" && !line.message().starts_with("Related activity");
    let lines: Vec<&LogLine> = log.iter().filter(is_complaint).collect();
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
    let text = quarantined().replace("Records", "records");
    assert!(fails_alone(Some(gzip(text.as_bytes())), 0).await.contains("no list \"Records\""));
}

#[tokio::test]
async fn of_a_truncated_log_file_the_readable_match_is_alerted_and_the_item_fails() {
    assert!(fails_alone(Some(truncated()), 1).await.contains("cut short"));
}

#[tokio::test]
async fn of_malformed_json_the_readable_match_is_alerted_and_the_item_fails() {
    let text = quarantined().replace("]}", ",{\"x\":CompromisedKeyQuarantine}]}");
    assert!(fails_alone(Some(gzip(text.as_bytes())), 1).await.contains("no JSON object"));
}

#[tokio::test]
async fn a_missing_object_fails_alone() {
    assert!(fails_alone(None, 0).await.contains("does not exist"));
}

#[tokio::test]
async fn a_log_file_past_the_limit_fails() {
    let account = Account::new().await;
    account.put(&key("bad"), gzip(&[b' '; 3 * 1024 * 1024])).await;
    let mut function = Function::start_with(&account, &account.endpoint, &[("MAX_INFLATED_MIB", "2")]);
    assert_eq!(failed_items(&function.invoke(&delivery(&account, &[&key("bad")])).unwrap()), ["1"]);
    assert!(complaint(&function.log(), &account).contains("MAX_INFLATED_MIB; raise it"));
}

/// S3 answers every read of `bad` like this.
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
    complaint(&function.log(), &account)
}

#[tokio::test]
async fn a_denied_read_fails_alone() {
    let sentence = read_fails(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>").await;
    assert!(sentence.starts_with("ERROR") && sentence.contains("access denied"), "{sentence}");
}

#[tokio::test]
async fn a_topic_that_refuses_fails_the_item() {
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
async fn without_its_table_it_alerts_all_the_same_and_says_so() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    account.dynamodb.delete_table().table_name(&account.table).send().await.unwrap();
    let mut function = Function::start(&account);
    let delivery = event("sqs-s3-object-created", &account);
    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    let [alert] = account.alerts(1).await.try_into().unwrap();
    assert_eq!(alert["dedupDegraded"], true);

    // In the same process, memory takes the table's place.
    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    account.alerts(0).await;
    let log = function.log();
    assert_eq!(count(&log, "Published alert without the dedup table: it may be a copy."), 1);
    assert!(
        log.iter()
            .any(|line| line.level() == "WARN" && line.message().contains("the dedup table dedup cannot be used"))
    );
}

#[tokio::test]
async fn while_the_table_can_be_read_but_not_written_memory_suppresses_from_one_invocation_to_the_next() {
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
    bad["body"] = json!("no JSON at all");
    bad["messageId"] = json!("bad");
    batch["Records"].as_array_mut().unwrap().insert(0, bad);
    assert_eq!(failed_items(&function.invoke(&batch).unwrap()), ["bad"]);
    account.alerts(1).await;
}

#[tokio::test]
async fn a_bad_variable_stops_the_start_with_one_line() {
    let account = Account::new().await;
    for (variables, line) in [
        ([("ALERT_TOPIC_ARN", ""), ("DEDUP_TABLE", "dedup")], "ALERT_TOPIC_ARN is not set; set it to the ARN of"),
        ([("DEDUP_TABLE", "a b"), ("DENIED_ATTEMPTS", "on")], "DEDUP_TABLE is \"a b\"; set it to the name of"),
    ] {
        let mut function = Function::start_with(&account, &account.endpoint, &variables);
        assert_eq!(function.wait(), Some(1));
        let [complaint] = function.log().try_into().unwrap();
        assert!(complaint.level() == "ERROR" && complaint.message().starts_with(line), "{complaint:?}");
    }
}

/// All sentences in one file, to be read at once: `tests/snapshots/errors.snap`.
#[tokio::test]
async fn every_error_is_a_sentence_that_says_what_to_do() {
    let account = Account::new().await;
    // Of another user, since a match of the same incident would wait for the first one's lease.
    let malformed = quarantined().replace("ci-deploy", "other").replace("]}", ",{\"x\":CompromisedKeyQuarantine}]}");
    for (name, bytes) in [
        ("neither", b"hello".to_vec()),
        ("gzip-of-text", gzip(b"hello")),
        ("empty-gzip", gzip(b"")),
        ("no-records", gzip(quarantined().replace("Records", "records").as_bytes())),
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
    let shapes = ["sqs-sns-subscription-confirmation", "unknown-shape", "s3-object-created"];
    for (number, shape) in shapes.into_iter().enumerate() {
        let mut message = batch["Records"][0].clone();
        let payload = event(shape, &account);
        message["body"] = match number {
            0 => payload["Records"][0]["body"].clone(),
            1 => json!(payload.to_string()),
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
    // A log file's end and the publish of its match may come in either order.
    sentences.sort();
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("errors", sentences.join("\n"));
    });
    let of_objects =
        sentences.iter().filter(|sentence| sentence[6..].starts_with("s3://logs-123456789012/AWSLogs/")).count();
    assert_eq!(of_objects, names.len());
}
