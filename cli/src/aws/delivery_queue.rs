//! Log file → the S3 notification of its creation, in the delivery queue.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>

use aws_sdk_sqs::{Client, config::Builder, types::SendMessageBatchRequestEntry};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quarantine_alert::{
    aws::{SdkConfig, explain, in_region, timeouts},
    trail::log_file::S3Object,
};
use serde_json::json;

/// The most messages that SQS takes at once.
pub const BATCH: usize = 10;

/// How often messages are sent that SQS asks to send again.
const ATTEMPTS: usize = 4;

/// The queue that triggers the deployed function. A clone sends for another task.
#[derive(Clone)]
pub struct DeliveryQueue {
    sqs: Client,
    url: String,
}

/// Why messages could not be sent.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot send to the queue {url} ({reason}); check that it exists and that the role or user in use has sqs:SendMessage on it, \
     and kms:GenerateDataKey and kms:Decrypt on its key if it has one"
)]
pub struct QueueError {
    url: String,
    reason: String,
}

impl DeliveryQueue {
    /// The region is that of the queue's URL, if it is AWS's.
    pub fn new(sdk: &SdkConfig, url: &str) -> DeliveryQueue {
        let region = url.strip_prefix("https://sqs.").and_then(|rest| rest.split_once(".amazonaws.com"));
        let sdk = region.map_or_else(|| sdk.clone(), |(region, _)| in_region(sdk, region));
        let config = Builder::from(&sdk).timeout_config(timeouts(10, 30)).build();
        DeliveryQueue { sqs: Client::from_conf(config), url: url.to_owned() }
    }

    /// Sends at most [`BATCH`] messages. Each is a delivery of its own, which can fail alone.
    ///
    /// # Errors
    /// SQS did not confirm all messages. It may have taken some: log files that are sent twice are scanned twice, and
    /// deduplication suppresses their alerts.
    pub async fn send(&self, objects: &[S3Object]) -> Result<(), QueueError> {
        let mut bodies: Vec<(usize, String)> = objects.iter().map(notification).enumerate().collect();
        for _ in 0..ATTEMPTS {
            let entries = bodies.iter().map(|(number, body)| {
                let entry = SendMessageBatchRequestEntry::builder().id(number.to_string()).message_body(body);
                entry.build().map_err(|error| self.error(error.to_string()))
            });
            let request = self.sqs.send_message_batch().queue_url(&self.url);
            let request = request.set_entries(Some(entries.collect::<Result<_, _>>()?));
            let failed = request.send().await.map_err(|error| self.error(explain(&error)))?.failed;
            // A refusal has a reason. The others may be taken later.
            if let Some(refused) = failed.iter().find(|entry| entry.sender_fault) {
                return Err(self.error(format!("{}: {}", refused.code, refused.message().unwrap_or("no message"))));
            }
            bodies.retain(|(number, _)| failed.iter().any(|entry| entry.id == number.to_string()));
            if bodies.is_empty() {
                return Ok(());
            }
        }
        Err(self.error(format!("{} messages were not accepted in {ATTEMPTS} attempts", bodies.len())))
    }

    fn error(&self, reason: String) -> QueueError {
        QueueError { url: self.url.clone(), reason }
    }
}

/// The characters that S3 does not encode in the keys of its notifications.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// An S3 notification of the object's creation, with the fields that the function's type requires.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
fn notification(object: &S3Object) -> String {
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "1970-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {},
        "requestParameters": {},
        "responseElements": {},
        "s3": {
            "bucket": { "name": object.bucket },
            "object": { "key": utf8_percent_encode(&object.key, KEY).to_string(), "size": object.size },
        },
    }] })
    .to_string()
}

#[cfg(test)]
mod tests {
    use quarantine_alert::delivery::{Delivered, decode};

    use super::*;

    #[test]
    fn the_function_reads_the_log_file_that_was_sent() {
        for key in ["AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz", "a b+c%2Bd/é&=ü?.json", "*~'()"]
        {
            let object = S3Object::new("logs".into(), key.into(), None, Some(7));
            let body = notification(&object);
            let message = json!({ "messageId": "1", "eventSource": "aws:sqs", "body": body });
            for payload in [body, json!({ "Records": [message] }).to_string()] {
                let items = decode(&payload).items;
                let [Ok(Delivered::LogFile(decoded))] = &items[0].content[..] else { panic!("{payload}") };
                assert_eq!(decoded, &object, "{payload}");
            }
        }
    }
}
