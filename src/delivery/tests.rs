//! Each payload of `events/`, and what senders do to them.

mod law;

use serde_json::{Value, json};

use super::*;

const QUARANTINED: &str = "s3://example-trail-logs/AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/\
                           123456789012_CloudTrail_us-east-1_20261124T0305Z_quarantined.json.gz";

fn payload(name: &str) -> String {
    std::fs::read_to_string(format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The content of a payload of one item.
fn decoded(name: &str) -> Vec<String> {
    shown(&payload(name))
}

fn shown(payload: &str) -> Vec<String> {
    let [item] = decode(payload).items.try_into().unwrap();
    let shown = |content| match content {
        Ok(Delivered::LogFile(object)) => format!("{object}"),
        Ok(Delivered::Record(record)) => format!("record {}", record.get().len()),
        Ok(Delivered::Health(event)) => format!("health {}", event.event_type_code.visible(99)),
        Ok(Delivered::NothingToDo) => "nothing to do".into(),
        Err(error) => format!("{error}"),
    };
    item.content.into_iter().map(shown).collect()
}

fn error(payload: &str) -> String {
    let [error] = shown(payload).try_into().unwrap();
    error
}

#[test]
fn every_envelope_is_unwrapped_to_the_same_log_file() {
    for name in [
        "s3-object-created",
        "sqs-s3-object-created",
        "sns-s3-object-created",
        "sqs-sns-s3-object-created",
        "eventbridge-object-created",
        "sqs-eventbridge-object-created",
        "sqs-sns-cloudtrail",
        "sqs-sns-cloudtrail-string",
    ] {
        assert_eq!(decoded(name), [QUARANTINED], "{name}");
    }
    assert_eq!(decoded("sqs-cloudtrail-raw").len(), 2);
}

#[test]
fn eventbridge_delivers_a_record_alone() {
    let [record] = decoded("sqs-eventbridge-cloudtrail-record").try_into().unwrap();
    assert!(record.starts_with("record "));
}

#[test]
fn an_event_of_aws_health_is_delivered_in_every_envelope() {
    for name in ["eventbridge-health", "sqs-eventbridge-health", "sqs-sns-eventbridge-health"] {
        assert_eq!(decoded(name), ["health AWS_RISK_CREDENTIALS_EXPOSED"], "{name}");
    }
    // A call to AWS Health is a record like any other.
    let call =
        r#"{"source":"aws.health","detail":{"eventSource":"health.amazonaws.com","eventName":"DescribeEvents"}}"#;
    assert!(error(call).starts_with("record "), "{}", error(call));
    // What cannot be understood must not mean that nothing happened.
    let without_code = r#"{"source":"aws.health","detail":{"service":"RISK","eventTypeCode":null}}"#;
    let expected = "the delivery looks like an event of AWS Health, but has no detail.eventTypeCode";
    assert_eq!(error(without_code), expected);
}

#[test]
fn payloads_without_a_log_file_deliver_nothing() {
    for name in [
        "s3-test-event",
        "sqs-s3-test-event",
        "s3-object-removed",
        "eventbridge-object-deleted",
        "sqs-sns-cloudtrail-validation",
    ] {
        assert_eq!(decoded(name), ["nothing to do"], "{name}");
    }
}

#[test]
fn a_message_that_cannot_be_decoded_fails_alone() {
    let mut batch: Value = serde_json::from_str(&payload("sqs-batch")).unwrap();
    batch["Records"][1]["body"] = json!("{");
    let delivery = decode(&batch.to_string());
    assert!(delivery.from_queue);
    let failed: Vec<bool> = delivery.items.iter().map(|item| item.content.iter().any(Result::is_err)).collect();
    assert_eq!(failed, [false, true, false, false]);
    assert_eq!(delivery.items[2].content.len(), 2);
}

#[test]
fn an_error_names_keys_but_no_value() {
    assert_eq!(
        error(r#"{"secret":"hunter2","x\u001b[2J":1}"#),
        "the delivery has an unknown shape: it has the keys secret, x\\u{1b}[2J; send only S3, SQS, SNS or EventBridge \
         events to this function"
    );
    let log_file = error(r#"{"Records":[{"eventSource":"iam.amazonaws.com","eventName":"hunter2"}]}"#);
    assert!(log_file.contains("the keys Records, its first record the keys eventName, eventSource"), "{log_file}");
    let many = error(
        &json!((0..50).map(|n| (format!("k{n:02}"), 1)).collect::<std::collections::BTreeMap<_, _>>()).to_string(),
    );
    assert!(many.contains("k09, …") && !many.contains("k10"), "{many}");
    let mut malformed: Value = serde_json::from_str(&payload("s3-object-created")).unwrap();
    malformed["Records"][0]["s3"] = json!("hunter2");
    for error in [error(&malformed.to_string()), error("hunter2"), error("[]"), error("{}"), error(r#"{"Records":[]}"#)]
    {
        assert!(!error.contains("hunter2") && error.starts_with("the delivery "), "{error}");
    }
}

#[test]
fn half_a_mark_is_no_mark() {
    for payload in [
        json!({ "source": "aws.iam", "detail": { "eventSource": "iam.amazonaws.com" } }),
        json!({ "source": "aws.iam", "detail": { "eventName": "AttachUserPolicy" } }),
        json!({ "s3Bucket": "logs" }),
        json!({ "s3ObjectKey": ["a"] }),
        json!({ "source": "aws.s3", "detail-type": "" }),
        json!({ "Records": [{ "eventSource": "aws:sqs", "body": payload("s3-object-created") }] }),
        json!({ "Records": [{ "messageId": "1", "body": payload("s3-object-created") }] }),
    ] {
        let error = error(&payload.to_string());
        assert!(error.starts_with("the delivery has an unknown shape: "), "{payload}: {error}");
    }
}

#[test]
fn a_request_to_confirm_a_subscription_needs_a_person() {
    let request = json!({ "Type": "SubscriptionConfirmation", "Message": "x", "SubscribeURL": "https://example.com" });
    let error = error(&request.to_string());
    assert!(error.contains("confirm it in the SNS console") && !error.contains("example.com"), "{error}");
}

#[test]
fn nested_envelopes_are_bounded() {
    let notification = |message: String| json!({ "Type": "Notification", "Message": message });
    let event = |message: String| json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": message } }] });
    for envelope in [&notification as &dyn Fn(String) -> Value, &event] {
        let within =
            |envelopes| (0..envelopes).fold(payload("s3-object-created"), |message, _| envelope(message).to_string());
        assert_eq!(shown(&within(MAX_ENVELOPES)), [QUARANTINED]);
        for too_many in [MAX_ENVELOPES + 1, 9] {
            let delivery = decode(&within(too_many));
            assert!(matches!(delivery.items[0].content[..], [Err(DeliveryError::TooDeep)]), "{delivery:?}");
        }
    }
}

/// An S3 notification with these fields.
fn s3(event_name: Value, object: Value) -> String {
    json!({ "Records": [{ "eventName": event_name, "s3": { "bucket": { "name": "logs" }, "object": object } }] })
        .to_string()
}

#[test]
fn a_notification_needs_only_bucket_key_and_event() {
    assert_eq!(shown(&s3(json!("ObjectCreated:Put"), json!({ "key": "a%2Bb", "size": 1.5 }))), ["s3://logs/a+b"]);
    assert_eq!(shown(&s3(json!("s3:ObjectCreated:Put"), json!({ "key": "a", "versionId": 7 }))), ["s3://logs/a"]);
    let event = json!({
        "source": "aws.s3", "detail-type": "Object Created", "time": null,
        "detail": { "bucket": { "name": "logs" }, "object": { "key": "a+b", "size": 12.0, "etag": null } },
    });
    assert_eq!(shown(&event.to_string()), ["s3://logs/a+b"]);
    let message = s3(json!("ObjectCreated:Put"), json!({ "key": "a" }));
    let notification = json!({ "Type": "Notification", "MessageId": 7, "Message": message, "SequenceNumber": "1" });
    assert_eq!(shown(&notification.to_string()), ["s3://logs/a"]);
}

#[test]
fn an_event_that_s3_does_not_document_is_an_error() {
    for name in ["PutObject", "objectcreated:put", ""] {
        let error = error(&s3(json!(name), json!({ "key": "a" })));
        assert!(error.contains(&format!("the unknown event {name}; send only")), "{error}");
    }
    assert!(error(&s3(json!(null), json!({ "key": "a" }))).contains("has no eventName"));
    assert!(error(&s3(json!("ObjectCreated:Put"), json!({}))).contains("has no object key"));
    assert!(error(&s3(json!("x".repeat(9999)), json!({}))).len() < 300);
}

#[test]
fn one_bad_notification_of_an_item_hides_no_other() {
    let mut records: Value = serde_json::from_str(&s3(json!("ObjectCreated:Put"), json!({ "key": "a" }))).unwrap();
    let mut bad = records["Records"][0].clone();
    bad["eventName"] = json!("PutObject");
    records["Records"].as_array_mut().unwrap().insert(0, bad);
    let shown = shown(&records.to_string());
    assert!(shown[0].contains("PutObject") && shown[1] == "s3://logs/a", "{shown:?}");
}

#[test]
fn messages_of_aws_config_need_no_work() {
    for message in [
        json!({ "messageType": "ConfigurationItemChangeNotification" }).to_string(),
        json!({ "messageType": "ConfigurationHistoryDeliveryCompleted", "s3Bucket": "b", "s3ObjectKey": "k" })
            .to_string(),
        json!({ "source": "aws.config", "detail-type": "Config Rules Compliance Change", "detail": {} }).to_string(),
        "View the Timeline for this Resource in the Console:\n{ \"configurationItemSummary\": {} }".into(),
    ] {
        assert_eq!(shown(&message), ["nothing to do"], "{message}");
        let notification = json!({ "Type": "Notification", "TopicArn": "t", "Message": message }).to_string();
        assert_eq!(shown(&notification), ["nothing to do"], "{message}");
    }
    // A call to AWS Config is a record like any other.
    let detail = json!({ "eventSource": "config.amazonaws.com", "eventName": "StopConfigurationRecorder" });
    assert!(shown(&json!({ "source": "aws.config", "detail": detail }).to_string())[0].starts_with("record "));
    assert!(error(r#"{"messageType":"DATA_MESSAGE"}"#).contains("unknown shape"));
}

/// What is read from a log file is read from EventBridge.
#[test]
fn a_lone_record_may_be_as_odd_as_one_of_a_log_file() {
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    for odd in [&deep, "1e999", r#""\ud800""#, r#"1,"x":2"#] {
        let record = format!(r#"{{"eventSource":"iam.amazonaws.com","eventName":"A","x":{odd}}}"#);
        let event = format!(r#"{{"version":0,"time":[7],"source":"aws.iam","detail-type":null,"detail":{record}}}"#);
        assert!(shown(&event)[0].starts_with("record "), "{event}: {:?}", shown(&event));
        let message = json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "1", "body": event }] }).to_string();
        assert!(shown(&message)[0].starts_with("record "), "{message}");
    }
}

/// Every character that S3 allows in a key, as the three kinds of notification write it.
#[test]
fn every_character_of_a_key_survives() {
    let encoded = |c: char| match c {
        ' ' => "+".to_owned(),
        c if c.is_ascii_alphanumeric() || "-._*".contains(c) => c.to_string(),
        c => c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect(),
    };
    let ascii = (1..=127).map(char::from);
    for c in ascii.chain(['\u{80}', 'é', '\u{202e}', '日', '\u{feff}', '\u{fffd}', '\u{ffff}', '😀', '\u{10ffff}'])
    {
        let key = format!("a/{c}{c}.json");
        let s3 = s3(json!("ObjectCreated:Put"), json!({ "key": format!("a%2F{0}{0}.json", encoded(c)) }));
        let event = json!({
            "source": "aws.s3", "detail-type": "Object Created",
            "detail": { "bucket": { "name": "logs" }, "object": { "key": key } },
        });
        let cloudtrail = json!({ "s3Bucket": "logs", "s3ObjectKey": [key] });
        for payload in [s3, event.to_string(), cloudtrail.to_string()] {
            let [item] = decode(&payload).items.try_into().unwrap();
            assert!(
                matches!(&item.content[..], [Ok(Delivered::LogFile(object))] if object.key == key),
                "{c:?}: {payload}"
            );
        }
    }
}
