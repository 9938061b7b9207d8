//! For any payload, only a known mark means that a delivery needs no work.

use std::cell::Cell;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value};

use super::*;

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
            (text(record, "eventSource") == "aws:s3" || record["s3"].is_object())
                && ["ObjectRemoved:Delete", "s3:TestEvent"].contains(&text(record, "eventName").as_str())
        })
        || all(&|record| text_means_nothing_to_do(&text(&record["Sns"], "Message")))
        || text(payload, "Type") == "Notification" && text_means_nothing_to_do(&text(payload, "Message"))
}

fn text_means_nothing_to_do(text: &str) -> bool {
    text.trim() == "CloudTrail validation message."
        || serde_json::from_str(text).is_ok_and(|inner| means_nothing_to_do(&inner))
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
            prop_assert!(!item.content.is_empty(), "{}", payload);
            errors.set(errors.get() + u32::from(item.content.iter().any(Result::is_err)));
            if item.content.iter().all(|content| matches!(content, Ok(Delivered::NothingToDo))) {
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
