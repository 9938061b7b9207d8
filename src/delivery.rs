//! Trigger payload → items, each with the log files, records and health events that it delivers.
//!
//! Deliveries have many envelopes. Each is recognized by its own mark and unwrapped recursively, and only the fields that are
//! needed are read: the rest may be missing, null or of another type. A payload without a known mark is an error: it never
//! means "nothing to do".

mod marks;

use serde_json::value::RawValue;

use crate::{
    health::HealthEvent,
    json::{Fields, JsonError, repaired},
    trail::log_file::S3Object,
    untrusted::visible,
};
use marks::{Creation, Shape};

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
    /// If a part of it cannot be decoded, the item fails, and the other parts still count.
    pub content: Vec<Result<Delivered, DeliveryError>>,
}

/// The content of an item.
#[derive(Debug)]
pub enum Delivered {
    LogFile(S3Object),
    /// A CloudTrail record that EventBridge delivered alone.
    Record(Box<RawValue>),
    /// An event of AWS Health, of any kind.
    Health(Box<HealthEvent>),
    /// Something that arrives through the same channel and needs no work.
    NothingToDo,
}

/// A payload that cannot be decoded. Its values are not shown, since they may be secrets.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("the delivery is not a JSON object ({0}); send only S3, SQS, SNS or EventBridge events to this function")]
    NotAnObject(JsonError),
    #[error("the delivery has an unknown shape: {0}; send only S3, SQS, SNS or EventBridge events to this function")]
    UnknownShape(String),
    #[error("the delivery looks like {shape}, but has no {field}")]
    Incomplete { shape: &'static str, field: &'static str },
    #[error(
        "the delivery is an S3 notification of the unknown event {0}; send only the events that S3 documents, such as \
         ObjectCreated:Put"
    )]
    UnknownEvent(String),
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

type Content = Vec<Result<Delivered, DeliveryError>>;

/// Decodes the payload of an invocation. An item that cannot be decoded fails alone.
pub fn decode(payload: &str) -> Delivery {
    let text = repaired(payload.as_bytes());
    match Fields::of(&text).ok().filter(|fields| matches!(marks::shape(fields), Some(Shape::Queue))) {
        Some(queue) => Delivery { items: elements(&queue).iter().map(message).collect(), from_queue: true },
        None => Delivery { items: vec![Item { id: None, content: unwrap(&text, 0) }], from_queue: false },
    }
}

/// The elements of `Records`.
fn elements<'a>(fields: &Fields<'a>) -> Vec<Fields<'a>> {
    fields
        .list("Records")
        .unwrap_or_default()
        .iter()
        .map(|record| Fields::of(record.get()).unwrap_or_default())
        .collect()
}

/// A message of the queue. Lambda writes its id and its body.
fn message(message: &Fields<'_>) -> Item {
    let content = match message.text("body") {
        Some(body) => unwrap(&body, 1),
        None => vec![Err(DeliveryError::Incomplete { shape: "an SQS event", field: "body" })],
    };
    Item { id: message.text("messageId"), content }
}

fn unwrap(payload: &str, envelopes: u32) -> Content {
    if envelopes > MAX_ENVELOPES {
        return vec![Err(DeliveryError::TooDeep)];
    }
    if marks::is_plain_text_without_work(payload) {
        return vec![Ok(Delivered::NothingToDo)];
    }
    let text = repaired(payload.as_bytes());
    match Fields::of(&text) {
        Ok(fields) => of_object(&text, &fields, envelopes),
        Err(error) => vec![Err(DeliveryError::NotAnObject(error))],
    }
}

fn of_object(text: &str, fields: &Fields<'_>, envelopes: u32) -> Content {
    let missing = |shape, field| vec![Err(DeliveryError::Incomplete { shape, field })];
    match marks::shape(fields) {
        Some(Shape::S3) => elements(fields).iter().map(from_s3).collect(),
        Some(Shape::ObjectCreated) => vec![from_eventbridge(fields)],
        Some(Shape::CloudTrailRecord) => {
            fields.value("detail").map(|record| Ok(Delivered::Record(record))).into_iter().collect()
        }
        Some(Shape::CloudTrailNotification) => from_cloudtrail(fields),
        Some(Shape::Health) => vec![from_health(text, fields)],
        Some(Shape::Topic) => {
            let message = |record: &Fields<'_>| record.object("Sns")?.text("Message");
            let unwrapped = |record: &Fields<'_>| match message(record) {
                Some(message) => unwrap(&message, envelopes + 1),
                None => missing("an SNS event", "Message"),
            };
            elements(fields).iter().flat_map(unwrapped).collect()
        }
        Some(Shape::Notification(message)) => unwrap(&message, envelopes + 1),
        Some(Shape::SubscriptionConfirmation) => vec![Err(DeliveryError::SubscriptionConfirmation)],
        Some(Shape::NothingToDo) => vec![Ok(Delivered::NothingToDo)],
        Some(Shape::Queue) => {
            vec![Err(DeliveryError::UnknownShape("it is an SQS event inside another delivery".into()))]
        }
        None => vec![Err(unknown(fields))],
    }
}

fn from_s3(record: &Fields<'_>) -> Result<Delivered, DeliveryError> {
    let missing = |field| DeliveryError::Incomplete { shape: "an S3 notification", field };
    let event_name = record.text("eventName").ok_or(missing("eventName"))?;
    match marks::creation(&event_name) {
        Some(Creation::Created) => {}
        Some(Creation::Other) => return Ok(Delivered::NothingToDo),
        None => return Err(DeliveryError::UnknownEvent(visible(&event_name, 64))),
    }
    let s3 = record.object("s3").ok_or(missing("s3"))?;
    let bucket = s3.object("bucket").and_then(|bucket| bucket.text("name")).ok_or(missing("bucket name"))?;
    let object = s3.object("object").ok_or(missing("object"))?;
    let key = object.text("key").ok_or(missing("object key"))?;
    let object = S3Object::from_notification(bucket, &key, object.text("versionId"), object.value("size"));
    Ok(Delivered::LogFile(object))
}

/// EventBridge's `Object Created`.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
fn from_eventbridge(event: &Fields<'_>) -> Result<Delivered, DeliveryError> {
    let missing = |field| DeliveryError::Incomplete { shape: "an S3 event of EventBridge", field };
    let detail = event.object("detail").ok_or(missing("detail"))?;
    let bucket = detail.object("bucket").and_then(|bucket| bucket.text("name")).ok_or(missing("bucket name"))?;
    let object = detail.object("object").ok_or(missing("object"))?;
    let key = object.text("key").ok_or(missing("object key"))?;
    Ok(Delivered::LogFile(S3Object::new(bucket, key, object.text("version-id"), object.value("size"))))
}

/// Which events alert is for the rule to decide.
///
/// <https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html>
fn from_health(text: &str, event: &Fields<'_>) -> Result<Delivered, DeliveryError> {
    let event = HealthEvent::of(event, text);
    let event = event.map_err(|field| DeliveryError::Incomplete { shape: "an event of AWS Health", field })?;
    Ok(Delivered::Health(Box::new(event)))
}

/// The message that CloudTrail publishes when it delivers log files.
///
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/configure-sns-notifications-for-cloudtrail.html>
fn from_cloudtrail(notification: &Fields<'_>) -> Content {
    let missing = |field| vec![Err(DeliveryError::Incomplete { shape: "a CloudTrail notification", field })];
    let Some(bucket) = notification.text("s3Bucket") else { return missing("s3Bucket") };
    let keys: Vec<Option<String>> = match notification.text("s3ObjectKey") {
        Some(key) => vec![Some(key)],
        None => notification.value("s3ObjectKey").unwrap_or_default(),
    };
    if keys.is_empty() {
        return missing("s3ObjectKey");
    }
    let log_file = |key: Option<String>| match key {
        Some(key) => Ok(Delivered::LogFile(S3Object::new(bucket.clone(), key, None, None))),
        None => Err(DeliveryError::Incomplete { shape: "a CloudTrail notification", field: "s3ObjectKey" }),
    };
    keys.into_iter().map(log_file).collect()
}

/// Names the keys of the payload, bounded and made safe, but no value.
fn unknown(fields: &Fields<'_>) -> DeliveryError {
    let names = |fields: &Fields<'_>| {
        let shown: Vec<String> = fields.names().take(10).map(|key| visible(key, 40)).collect();
        let more = if fields.names().len() > shown.len() { ", …" } else { "" };
        format!("the keys {}{more}", shown.join(", "))
    };
    if fields.names().len() == 0 {
        return DeliveryError::UnknownShape("it is an empty object".into());
    }
    let record = elements(fields).first().map(|record| format!(", its first record {}", names(record)));
    DeliveryError::UnknownShape(format!("it has {}{}", names(fields), record.unwrap_or_default()))
}

#[cfg(test)]
mod tests;
