//! Each payload of `events/`, and the law that only a known mark means "nothing to do".

use std::cell::Cell;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json};

use super::*;

const QUARANTINED: &str = "s3://example-trail-logs/AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/\
                           123456789012_CloudTrail_us-east-1_20261124T0305Z_quarantined.json.gz";

fn payload(name: &str) -> String {
    std::fs::read_to_string(format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The content of a payload of one item.
fn decoded(name: &str) -> Vec<String> {
    let [item] = decode(&payload(name)).items.try_into().unwrap();
    let shown = |content| match content {
        Delivered::LogFile(object) => format!("{object}"),
        Delivered::Record(record) => format!("record {}", record.get().len()),
    };
    item.content.unwrap().into_iter().map(shown).collect()
}

fn error(payload: &str) -> String {
    let [item] = decode(payload).items.try_into().unwrap();
    item.content.unwrap_err().to_string()
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
fn payloads_without_a_log_file_deliver_nothing() {
    for name in [
        "s3-test-event",
        "sqs-s3-test-event",
        "s3-object-removed",
        "eventbridge-object-deleted",
        "sqs-sns-cloudtrail-validation",
    ] {
        assert!(decoded(name).is_empty(), "{name}");
    }
}

#[test]
fn a_message_that_cannot_be_decoded_fails_alone() {
    let mut batch: Value = serde_json::from_str(&payload("sqs-batch")).unwrap();
    batch["Records"][1]["body"] = json!("{");
    let delivery = decode(&batch.to_string());
    assert!(delivery.from_queue);
    let failed: Vec<bool> = delivery.items.iter().map(|item| item.content.is_err()).collect();
    assert_eq!(failed, [false, true, false, false]);
    assert_eq!(delivery.items[2].content.as_ref().unwrap().len(), 2);
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
fn nested_envelopes_are_bounded() {
    let mut message = payload("s3-object-created");
    for _ in 0..9 {
        let mut envelope: Value = serde_json::from_str(&payload("sqs-sns-s3-object-created")).unwrap();
        let mut notification: Value =
            serde_json::from_str(envelope["Records"][0]["body"].take().as_str().unwrap()).unwrap();
        notification["Message"] = json!(message);
        message = notification.to_string();
    }
    assert!(matches!(decode(&message).items[0].content, Err(DeliveryError::TooDeep)));
}

/// JSON with marks in wrong places, and some in the right ones.
fn any_json() -> impl Strategy<Value = Value> {
    let mark = prop::sample::select(vec![
        "aws:s3",
        "aws:sqs",
        "aws:sns",
        "aws.s3",
        "Object Created",
        "Object Deleted",
        "s3:TestEvent",
        "Notification",
        "ObjectRemoved:Delete",
        "ObjectCreated:Put",
        "CloudTrail validation message.",
        "x",
        "",
    ]);
    let leaf = prop_oneof![mark.prop_map(Value::from), Just(Value::Null), any::<bool>().prop_map(Value::from)];
    let key = prop::sample::select(vec![
        "Records",
        "eventSource",
        "EventSource",
        "eventName",
        "Event",
        "Service",
        "Type",
        "TopicArn",
        "Message",
        "source",
        "detail-type",
        "detail",
        "s3Bucket",
        "s3ObjectKey",
        "body",
        "messageId",
        "s3",
        "bucket",
        "object",
        "key",
        "name",
    ]);
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner.clone()), 0..5).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
            }),
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

/// The oracle: the mark of a test, validation or non-creation notification, where it counts.
fn means_nothing_to_do(payload: &Value) -> bool {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let records = payload["Records"].as_array().cloned().unwrap_or_default();
    let all = |test: &dyn Fn(&Value) -> bool| !records.is_empty() && records.iter().all(test);
    text(payload, "Event") == "s3:TestEvent"
        || text(payload, "source") == "aws.s3"
            && !["", "Object Created"].contains(&text(payload, "detail-type").as_str())
        || all(&|record| {
            text(record, "eventSource") == "aws:s3" && !text(record, "eventName").starts_with("ObjectCreated:")
        })
        || all(&|record| text_means_nothing_to_do(&text(&record["Sns"], "Message")))
        || text(payload, "Type") == "Notification" && text_means_nothing_to_do(&text(payload, "Message"))
}

fn text_means_nothing_to_do(text: &str) -> bool {
    text.trim_end() == VALIDATION_MESSAGE || serde_json::from_str(text).is_ok_and(|inner| means_nothing_to_do(&inner))
}

#[test]
fn only_a_known_mark_means_nothing_to_do() {
    let nothing = Cell::new(0u32);
    let errors = Cell::new(0u32);
    let real = prop::sample::select(vec![
        "s3-object-created",
        "sns-s3-object-created",
        "sqs-sns-s3-object-created",
        "eventbridge-object-created",
        "s3-test-event",
        "s3-object-removed",
        "eventbridge-object-deleted",
        "sqs-sns-cloudtrail-validation",
    ]);
    // A real payload with one value replaced.
    let mutated = (real, any_json(), any::<prop::sample::Index>()).prop_map(|(name, value, at)| {
        let mut payload: Value = serde_json::from_str(&payload(name)).unwrap();
        let object = payload.as_object_mut().unwrap();
        let key = at.get(&object.keys().cloned().collect::<Vec<_>>()).clone();
        match object[&key].as_array_mut().and_then(|records| records.first_mut()).and_then(Value::as_object_mut) {
            Some(record) => {
                let key = at.get(&record.keys().cloned().collect::<Vec<_>>()).clone();
                record.insert(key, value);
            }
            None => _ = object.insert(key, value),
        }
        payload
    });
    let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
    let law = TestRunner::new(config).run(&prop_oneof![any_json(), mutated], |payload| {
        let delivery = decode(&payload.to_string());
        for (number, item) in delivery.items.iter().enumerate() {
            errors.set(errors.get() + u32::from(item.content.is_err()));
            if item.content.as_ref().is_ok_and(Vec::is_empty) {
                nothing.set(nothing.get() + 1);
                let body = payload["Records"][number]["body"].as_str().filter(|_| delivery.from_queue);
                prop_assert!(
                    body.map_or_else(|| means_nothing_to_do(&payload), text_means_nothing_to_do),
                    "{}",
                    payload
                );
            }
        }
        Ok(())
    });
    law.unwrap();
    assert!(nothing.get() > 500 && errors.get() > 5000, "{} {}", nothing.get(), errors.get());
}
