//! The payloads of `events/`, changed to name other objects or to contain other evidence.

use serde_json::{Value, json};

use crate::{
    incidents::Evidence,
    random::Random,
    support::{event, key, local_aws::Account},
};

/// A payload, and whether it is a message of the queue or invokes the function directly.
#[derive(Clone)]
pub struct Payload {
    pub shape: &'static str,
    pub is_queued: bool,
    pub event: Value,
}

/// Shapes of the queue that announce a log file.
pub const QUEUED: [&str; 6] = [
    "sqs-s3-object-created",
    "sqs-sns-s3-object-created",
    "sqs-eventbridge-object-created",
    "sqs-sns-cloudtrail",
    "sqs-sns-cloudtrail-string",
    "sqs-cloudtrail-raw",
];
/// Shapes that announce a log file and invoke the function directly.
pub const DIRECT: [&str; 3] = ["s3-object-created", "sns-s3-object-created", "eventbridge-object-created"];
/// Shapes that contain a record.
pub const RECORDS: [&str; 2] = ["sqs-eventbridge-cloudtrail-record", "eventbridge-cloudtrail-record"];
/// Shapes that contain an event of AWS Health.
pub const HEALTH: [&str; 3] = ["sqs-eventbridge-health", "sqs-sns-eventbridge-health", "eventbridge-health"];
/// Shapes that need no work.
pub const IDLE: [&str; 5] = [
    "sqs-s3-test-event",
    "sqs-sns-cloudtrail-validation",
    "s3-test-event",
    "s3-object-removed",
    "eventbridge-object-deleted",
];
/// Shapes that must fail.
pub const REFUSED: [&str; 2] = ["sqs-sns-subscription-confirmation", "unknown-shape"];

/// All of them.
pub fn all() -> impl Iterator<Item = &'static str> {
    let announcements = QUEUED.into_iter().chain(DIRECT);
    announcements.chain(RECORDS).chain(HEALTH).chain(IDLE).chain(REFUSED)
}

/// The payloads of an account.
pub struct Shapes<'a>(pub &'a Account);

impl Shapes<'_> {
    /// The payload of this name as it is.
    pub fn plain(&self, shape: &'static str) -> Payload {
        Payload { shape, is_queued: shape.starts_with("sqs-"), event: event(shape, self.0) }
    }

    /// Announces objects, each with its size. Only CloudTrail's own notification can announce two.
    pub fn announcing(&self, shape: &'static str, objects: &[(String, usize)]) -> Payload {
        let mut text = event(shape, self.0).to_string();
        let is_encoded = shape.contains("s3-object-created");
        for (name, number) in [("quarantined", 0), ("clean", 1)] {
            let (object, _) = &objects[number.min(objects.len() - 1)];
            let object = if is_encoded { object.replace(' ', "+") } else { object.clone() };
            text = text.replace(&key(name), &object);
        }
        let text = text.replace("\":1023", &format!("\":{}", objects[0].1));
        Payload { event: serde_json::from_str(&text).unwrap(), ..self.plain(shape) }
    }

    /// Contains the evidence itself, in any of its shapes.
    pub fn containing(&self, evidence: &Evidence, random: &mut Random) -> Payload {
        match evidence {
            Evidence::Record(record) => {
                let shape = *random.pick(&RECORDS);
                let queued = self.plain(RECORDS[0]);
                let mut body: Value =
                    serde_json::from_str(queued.event["Records"][0]["body"].as_str().unwrap()).unwrap();
                body["detail"] = record.clone();
                if shape == RECORDS[0] { in_body(queued, &body) } else { direct(shape, body) }
            }
            Evidence::Health(health) => match *random.pick(&HEALTH) {
                shape @ "eventbridge-health" => direct(shape, health.clone()),
                shape @ "sqs-eventbridge-health" => in_body(self.plain(shape), health),
                shape => {
                    let queued = self.plain(shape);
                    let mut body: Value =
                        serde_json::from_str(queued.event["Records"][0]["body"].as_str().unwrap()).unwrap();
                    body["Message"] = json!(health.to_string());
                    in_body(queued, &body)
                }
            },
        }
    }
}

fn direct(shape: &'static str, event: Value) -> Payload {
    Payload { shape, is_queued: false, event }
}

fn in_body(mut queued: Payload, body: &Value) -> Payload {
    queued.event["Records"][0]["body"] = json!(body.to_string());
    queued
}
