//! Trigger payload → items, each with the log files and records that it delivers.
//!
//! Deliveries have many envelopes. Each is recognized by its own mark, decoded by its own type, and unwrapped
//! recursively. A payload without a known mark is an error: it never means "nothing to do".

use std::collections::BTreeMap;

use aws_lambda_events::{
    eventbridge::EventBridgeEvent,
    s3::S3Event,
    sns::{SnsEvent, SnsMessage},
    sqs::SqsEvent,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{trail::log_file::S3Object, untrusted::visible};

/// One invocation's work.
#[derive(Debug)]
pub struct Delivery {
    pub items: Vec<Item>,
    /// Whether the trigger is a queue, to which single items can return (partial batch response).
    pub from_queue: bool,
}

/// A unit that can fail alone: a message of the queue, or the whole payload of any other trigger.
#[derive(Debug)]
pub struct Item {
    /// The id by which it returns to the queue. `None` for every other trigger.
    pub id: Option<String>,
    pub content: Result<Vec<Delivered>, DeliveryError>,
}

/// The content of an item.
#[derive(Debug)]
pub enum Delivered {
    LogFile(S3Object),
    /// A CloudTrail record that EventBridge delivered alone.
    Record(Box<RawValue>),
}

/// A payload that cannot be decoded. Its values are not shown, since they may be secrets.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("the delivery is not JSON ({0}); send only S3, SQS, SNS or EventBridge events to this function")]
    NotJson(serde_json::Error),
    #[error("the delivery has an unknown shape: {0}; send only S3, SQS, SNS or EventBridge events to this function")]
    UnknownShape(String),
    #[error("the delivery looks like {shape}, but is malformed at line {line}, column {column}")]
    Malformed { shape: &'static str, line: usize, column: usize },
    #[error("the delivery looks like {shape}, but has no {field}")]
    Incomplete { shape: &'static str, field: &'static str },
    #[error(
        "an SNS topic asks to confirm the queue's subscription; confirm it in the SNS console (this function never fetches \
         its URL)"
    )]
    SubscriptionConfirmation,
    #[error("the delivery has more than {MAX_ENVELOPES} nested envelopes; send the inner events to this function")]
    TooDeep,
}

/// The deepest real nesting is three: S3 notification in SNS in SQS.
const MAX_ENVELOPES: u32 = 4;

/// CloudTrail's whole message when a topic is set on a trail. It is not JSON.
const VALIDATION_MESSAGE: &str = "CloudTrail validation message.";

/// Decodes the payload of an invocation. An item that cannot be decoded fails alone.
pub fn decode(payload: &str) -> Delivery {
    let whole = |content| Delivery { items: vec![Item { id: None, content }], from_queue: false };
    if !matches!(shape(payload), Ok(Shape::Queue)) {
        return whole(unwrap(payload, 0));
    }
    match messages(payload) {
        Ok(items) => Delivery { items, from_queue: true },
        Err(error) => whole(Err(error)),
    }
}

fn messages(payload: &str) -> Result<Vec<Item>, DeliveryError> {
    let messages = parse::<SqsEvent>(payload, "an SQS event")?.records.into_iter();
    let items = messages.map(|message| {
        let id = message.message_id.ok_or(DeliveryError::Incomplete { shape: "an SQS event", field: "messageId" })?;
        Ok(Item { id: Some(id), content: unwrap(&message.body.unwrap_or_default(), 1) })
    });
    items.collect()
}

fn unwrap(payload: &str, envelopes: u32) -> Result<Vec<Delivered>, DeliveryError> {
    if envelopes > MAX_ENVELOPES {
        return Err(DeliveryError::TooDeep);
    }
    if payload.trim_end() == VALIDATION_MESSAGE {
        return Ok(Vec::new());
    }
    match shape(payload)? {
        Shape::S3 => from_s3(parse(payload, "an S3 notification")?),
        Shape::ObjectCreated => {
            let ObjectCreated { bucket, object } =
                parse::<EventBridgeEvent<_>>(payload, "an S3 event of EventBridge")?.detail;
            let object = S3Object::new(bucket.name, object.key, object.version_id, object.size);
            Ok(vec![Delivered::LogFile(object)])
        }
        Shape::CloudTrailRecord => {
            let event: EventBridgeEvent<Box<RawValue>> = parse(payload, "a CloudTrail event of EventBridge")?;
            Ok(vec![Delivered::Record(event.detail)])
        }
        Shape::CloudTrailNotification => {
            let CloudTrailNotification { bucket, keys } = parse(payload, "a CloudTrail notification")?;
            let keys = keys.into_vec();
            if keys.is_empty() {
                return Err(DeliveryError::Incomplete { shape: "a CloudTrail notification", field: "s3ObjectKey" });
            }
            let log_file = |key| Delivered::LogFile(S3Object::new(bucket.clone(), key, None, None));
            Ok(keys.into_iter().map(log_file).collect())
        }
        Shape::Topic => {
            let records = parse::<SnsEvent>(payload, "an SNS event")?.records;
            let content = records.into_iter().map(|record| unwrap(&record.sns.message, envelopes + 1));
            Ok(content.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
        Shape::Notification => unwrap(&parse::<SnsMessage>(payload, "an SNS notification")?.message, envelopes + 1),
        Shape::SubscriptionConfirmation => Err(DeliveryError::SubscriptionConfirmation),
        Shape::NothingToDo => Ok(Vec::new()),
        Shape::Queue => Err(DeliveryError::UnknownShape("it is an SQS event inside another delivery".into())),
    }
}

fn from_s3(event: S3Event) -> Result<Vec<Delivered>, DeliveryError> {
    let missing = |field| DeliveryError::Incomplete { shape: "an S3 notification", field };
    let created = |name: &Option<String>| name.as_ref().is_some_and(|name| name.starts_with("ObjectCreated:"));
    let mut content = Vec::new();
    for record in event.records {
        if record.event_name.is_none() {
            return Err(missing("eventName"));
        }
        if created(&record.event_name) {
            let bucket = record.s3.bucket.name.ok_or(missing("bucket name"))?;
            let object = record.s3.object;
            let key = object.key.ok_or(missing("object key"))?;
            let size = object.size.and_then(|size| size.try_into().ok());
            content.push(Delivered::LogFile(S3Object::from_notification(bucket, &key, object.version_id, size)));
        }
    }
    Ok(content)
}

fn parse<T: DeserializeOwned>(payload: &str, shape: &'static str) -> Result<T, DeliveryError> {
    serde_json::from_str(payload).map_err(|error| {
        // The text of serde's error would show the value.
        DeliveryError::Malformed { shape, line: error.line(), column: error.column() }
    })
}

enum Shape {
    Queue,
    Topic,
    Notification,
    SubscriptionConfirmation,
    S3,
    ObjectCreated,
    CloudTrailRecord,
    CloudTrailNotification,
    /// An S3 test event, or an S3 event of EventBridge other than a creation.
    NothingToDo,
}

/// The marks of the shapes. Nothing else of the payload is looked at. Without the flattened rest, serde would read the
/// struct from an array.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Marks {
    #[serde(rename = "Records")]
    records: Vec<RecordMarks>,
    #[serde(rename = "Event")]
    event: Option<String>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "TopicArn")]
    topic: Option<IgnoredAny>,
    source: Option<String>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    detail: Option<DetailMarks>,
    #[serde(rename = "s3Bucket")]
    bucket: Option<IgnoredAny>,
    #[serde(rename = "s3ObjectKey")]
    keys: Option<IgnoredAny>,
    #[serde(flatten)]
    _rest: BTreeMap<String, IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RecordMarks {
    #[serde(rename = "eventSource", alias = "EventSource")]
    source: Option<String>,
    #[serde(flatten)]
    _rest: BTreeMap<String, IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DetailMarks {
    event_source: Option<IgnoredAny>,
    event_name: Option<IgnoredAny>,
    #[serde(flatten)]
    _rest: BTreeMap<String, IgnoredAny>,
}

fn shape(payload: &str) -> Result<Shape, DeliveryError> {
    // A mark of a wrong type is not a mark. `unknown` recognizes a payload that is not JSON.
    let marks: Marks = serde_json::from_str(payload).map_err(|_| unknown(payload))?;
    let all_from = |source| {
        !marks.records.is_empty() && marks.records.iter().all(|record| record.source.as_deref() == Some(source))
    };
    let detail = marks.detail.unwrap_or_default();
    match (marks.kind.as_deref(), marks.source.as_deref()) {
        _ if all_from("aws:sqs") => Ok(Shape::Queue),
        _ if all_from("aws:sns") => Ok(Shape::Topic),
        _ if all_from("aws:s3") => Ok(Shape::S3),
        _ if marks.event.as_deref() == Some("s3:TestEvent") => Ok(Shape::NothingToDo),
        _ if marks.bucket.is_some() && marks.keys.is_some() => Ok(Shape::CloudTrailNotification),
        (Some("Notification"), _) if marks.topic.is_some() => Ok(Shape::Notification),
        (Some("SubscriptionConfirmation"), _) => Ok(Shape::SubscriptionConfirmation),
        _ if detail.event_source.is_some() && detail.event_name.is_some() => Ok(Shape::CloudTrailRecord),
        (_, Some("aws.s3")) => match marks.detail_type.as_deref() {
            Some("Object Created") => Ok(Shape::ObjectCreated),
            None | Some("") => Err(unknown(payload)),
            Some(_) => Ok(Shape::NothingToDo),
        },
        _ => Err(unknown(payload)),
    }
}

/// Names the keys of the payload, bounded and made safe, but no value.
fn unknown(payload: &str) -> DeliveryError {
    #[derive(Deserialize)]
    struct First {
        #[serde(rename = "Records")]
        records: Vec<BTreeMap<String, IgnoredAny>>,
    }
    let names = |keys: &BTreeMap<String, IgnoredAny>| {
        let shown: Vec<String> = keys.keys().take(10).map(|key| visible(key, 40)).collect();
        let more = if keys.len() > shown.len() { ", …" } else { "" };
        format!("the keys {}{more}", shown.join(", "))
    };
    match serde_json::from_str::<BTreeMap<String, IgnoredAny>>(payload) {
        Err(error) if error.is_data() => DeliveryError::UnknownShape("it is not a JSON object".into()),
        Err(error) => DeliveryError::NotJson(error),
        Ok(keys) if keys.is_empty() => DeliveryError::UnknownShape("it is an empty object".into()),
        Ok(keys) => {
            let first = serde_json::from_str::<First>(payload).ok().and_then(|first| first.records.into_iter().next());
            let record = first.map(|record| format!(", its first record {}", names(&record)));
            DeliveryError::UnknownShape(format!("it has {}{}", names(&keys), record.unwrap_or_default()))
        }
    }
}

/// `detail` of EventBridge's `Object Created`.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
#[derive(Deserialize, Serialize)]
struct ObjectCreated {
    bucket: BucketName,
    object: CreatedObject,
}

#[derive(Deserialize, Serialize)]
struct BucketName {
    name: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
struct CreatedObject {
    key: String,
    size: Option<u64>,
    version_id: Option<String>,
}

/// The message that CloudTrail publishes when it delivers log files.
///
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/configure-sns-notifications-for-cloudtrail.html>
#[derive(Deserialize)]
struct CloudTrailNotification {
    #[serde(rename = "s3Bucket")]
    bucket: String,
    #[serde(rename = "s3ObjectKey")]
    keys: Keys,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Many(Vec<String>),
}

impl Keys {
    fn into_vec(self) -> Vec<String> {
        match self {
            Keys::One(key) => vec![key],
            Keys::Many(keys) => keys,
        }
    }
}

#[cfg(test)]
mod tests;
