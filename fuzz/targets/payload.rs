//! Any bytes as the payload of an invocation: every item has content, a queue's messages keep their ids, only a known mark
//! means "nothing to do", and an error shows nothing that acts on a terminal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quarantine_alert::{
    delivery::{Delivered, decode},
    untrusted::acts,
};
use quarantine_alert_fuzz::text;
use serde_json::Value;

/// One of them is in every payload that needs no work.
const MARKS: [&str; 15] = [
    "aws.health",
    "s3:TestEvent",
    "messageType",
    "aws.s3",
    "aws.config",
    "CloudTrail validation message.",
    "View the Timeline",
    "ObjectRemoved",
    "ObjectRestore",
    "ObjectTagging",
    "ObjectAcl",
    "Lifecycle",
    "Replication",
    "ReducedRedundancyLostObject",
    "IntelligentTiering",
];

fuzz_target!(|data: &[u8]| {
    let payload = text(data);
    let delivery = decode(&payload);
    for item in &delivery.items {
        assert!(!item.content.is_empty(), "an item would be acknowledged without work");
        assert_eq!(item.id.is_some(), delivery.from_queue);
        for content in &item.content {
            match content {
                Ok(Delivered::NothingToDo) => {
                    let is_marked = MARKS.iter().any(|mark| payload.contains(mark)) || payload.contains("TestEvent");
                    assert!(is_marked || payload.contains("\\u"), "no mark");
                }
                Ok(Delivered::LogFile(object)) => assert!(!object.to_string().contains(acts)),
                Ok(Delivered::Record(record)) => {
                    assert!(serde_json::from_str::<Value>(record.get()).is_ok() || record.get().len() > 2)
                }
                Ok(Delivered::Health(event)) => {
                    assert!(payload.contains("aws.health") || payload.contains("\\u"), "{event:?}")
                }
                Err(error) => {
                    let sentence = error.to_string();
                    assert!(!sentence.contains(acts) && sentence.chars().count() < 2000, "{sentence}");
                }
            }
        }
    }
    // The queue's own marks, by a plain parse.
    let Ok(value) = serde_json::from_str::<Value>(&payload) else {
        return;
    };
    let records = value["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_message = |record: &Value| {
        ["eventSource", "EventSource"].iter().any(|name| record[*name] == "aws:sqs") && record["messageId"].is_string()
    };
    let is_queue = !records.is_empty() && records.iter().all(is_message);
    assert_eq!(delivery.from_queue, is_queue);
    if is_queue {
        let ids: Vec<Option<&str>> = records.iter().map(|record| record["messageId"].as_str()).collect();
        assert_eq!(delivery.items.iter().map(|item| item.id.as_deref()).collect::<Vec<_>>(), ids);
    } else {
        assert_eq!(delivery.items.len(), 1);
    }
});
