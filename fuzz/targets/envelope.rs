//! A bucket and keys in every envelope that AWS puts around them, with fields that nobody expects: they come out as they were.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quarantine_alert::delivery::{Delivered, decode};
use quarantine_alert_fuzz::{choice, text};
use serde_json::{Value, json};

/// As S3 encodes the keys of notifications.
fn encoded(key: &str) -> String {
    let byte = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' | b'/' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    key.bytes().map(byte).collect()
}

/// An object with a field more.
fn with(mut value: Value, name: &str, extra: &Value) -> Value {
    value[format!("x{name}")] = extra.clone();
    value
}

fuzz_target!(|data: &[u8]| {
    let (inner, rest) = choice(data);
    let (outer, rest) = choice(rest);
    let mut parts = rest.split(|byte| *byte == 0xff).map(text);
    let mut next = || parts.next().unwrap_or_default();
    let (bucket, name, noise) = (next(), next(), next());
    let noise = serde_json::from_str(&noise).unwrap_or(Value::String(noise));
    let mut keys: Vec<String> = parts.take(8).collect();
    if keys.is_empty() {
        keys.push("AWSLogs/key".into());
    }
    let noisy = |value| with(value, &name, &noise);

    let s3 = |key: &String| {
        let object = noisy(json!({ "key": encoded(key), "size": noise }));
        noisy(json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": noisy(json!({ "bucket": noisy(json!({ "name": bucket })), "object": object })) }))
    };
    let mut expected: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut payload = match inner % 4 {
        0 => noisy(json!({ "Records": keys.iter().map(s3).collect::<Vec<_>>() })),
        1 => noisy(json!({ "s3Bucket": bucket, "s3ObjectKey": keys })),
        2 => {
            expected.truncate(1);
            noisy(json!({ "s3Bucket": bucket, "s3ObjectKey": keys[0] }))
        }
        _ => {
            expected.truncate(1);
            noisy(json!({ "source": "aws.s3", "detail-type": "Object Created", "time": noise,
                "detail": noisy(json!({ "bucket": { "name": bucket }, "object": noisy(json!({ "key": keys[0] })) })) }))
        }
    };
    for kind in [outer & 3, outer >> 2 & 3] {
        let message = if outer >> 4 & 1 == 1 {
            serde_json::to_string_pretty(&payload).unwrap_or_default()
        } else {
            payload.to_string()
        };
        payload = match kind {
            1 => noisy(json!({ "Type": "Notification", "Message": message, "Subject": noise })),
            2 => {
                json!({ "Records": [noisy(json!({ "EventSource": "aws:sns", "Sns": noisy(json!({ "Message": message })) }))] })
            }
            _ => payload,
        };
    }
    let is_queue = outer >> 5 & 1 == 1;
    if is_queue {
        let message = noisy(json!({ "eventSource": "aws:sqs", "messageId": name, "body": payload.to_string() }));
        payload = json!({ "Records": [message] });
    }
    let delivery = decode(&payload.to_string());
    let [item] = &delivery.items[..] else { panic!("{} items", delivery.items.len()) };
    assert_eq!((delivery.from_queue, item.id.as_deref()), (is_queue, is_queue.then_some(name.as_str())));
    let found: Vec<&str> = item
        .content
        .iter()
        .map(|content| match content {
            Ok(Delivered::LogFile(object)) => {
                assert_eq!(object.bucket, bucket);
                object.key.as_str()
            }
            other => panic!("{other:?} in {payload}"),
        })
        .collect();
    assert_eq!(found, expected);
});
