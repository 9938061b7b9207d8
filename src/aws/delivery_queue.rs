//! Log file → the message by which S3 would have told of it, in the delivery queue.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>

use aws_config::{Region, SdkConfig};
use aws_sdk_sqs::{Client, config::Builder, types::SendMessageBatchRequestEntry};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::{explain, timeouts};
use crate::log_file::LogFile;

/// SQS takes so many messages at once.
pub const BATCH: usize = 10;

/// Of those that SQS says to send again, so many times.
const ATTEMPTS: usize = 4;

/// The queue that the deployed function is triggered by; a clone sends for another task.
#[derive(Clone)]
pub struct DeliveryQueue {
    sqs: Client,
    url: String,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the queue {url} does not take messages ({reason}); it must exist, and the identity in use needs sqs:SendMessage on it, and kms:GenerateDataKey and kms:Decrypt on its key if it has one"
)]
pub struct QueueError {
    url: String,
    reason: String,
}

impl DeliveryQueue {
    /// The queue's region is the one in its URL, if it is AWS's.
    pub fn new(sdk: &SdkConfig, url: &str) -> DeliveryQueue {
        let region = url.strip_prefix("https://sqs.").and_then(|rest| rest.split_once(".amazonaws.com"));
        let region = region.map(|(region, _)| Region::new(region.to_owned())).or(sdk.region().cloned());
        let config = Builder::from(sdk).region(region).timeout_config(timeouts(10, 30)).build();
        DeliveryQueue { sqs: Client::from_conf(config), url: url.to_owned() }
    }

    /// Sends at most [`BATCH`] messages; each is a delivery of its own, so that one that fails does so alone.
    ///
    /// # Errors
    /// SQS did not say that it took them all. It may have taken some: what is sent again is scanned twice, and
    /// deduplication takes care of the alerts.
    pub async fn send(&self, log_files: &[LogFile]) -> Result<(), QueueError> {
        let mut bodies: Vec<(usize, String)> = log_files.iter().map(notification).enumerate().collect();
        for _ in 0..ATTEMPTS {
            let entries = bodies.iter().map(|(number, body)| {
                let entry = SendMessageBatchRequestEntry::builder().id(number.to_string()).message_body(body);
                entry.build().map_err(|error| self.error(error.to_string()))
            });
            let request = self.sqs.send_message_batch().queue_url(&self.url);
            let request = request.set_entries(Some(entries.collect::<Result<_, _>>()?));
            let failed = request.send().await.map_err(|error| self.error(explain(&error)))?.failed;
            // A refusal is told by its sentence; the others may pass by themselves.
            if let Some(refused) = failed.iter().find(|entry| entry.sender_fault) {
                return Err(self.error(format!("{}: {}", refused.code, refused.message().unwrap_or("no message"))));
            }
            bodies.retain(|(number, _)| failed.iter().any(|entry| entry.id == number.to_string()));
            if bodies.is_empty() {
                return Ok(());
            }
        }
        Err(self.error(format!("{} messages were not taken in {ATTEMPTS} attempts", bodies.len())))
    }

    fn error(&self, reason: String) -> QueueError {
        QueueError { url: self.url.clone(), reason }
    }
}

/// What S3 leaves as it is in the keys of its notifications.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// An S3 notification of the object's creation: what the function reads of it, and what its type asks for.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
fn notification(log_file: &LogFile) -> String {
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "1970-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {},
        "requestParameters": {},
        "responseElements": {},
        "s3": {
            "bucket": { "name": log_file.bucket },
            "object": { "key": utf8_percent_encode(&log_file.key, KEY).to_string(), "size": log_file.size() },
        },
    }] })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Content, decode};

    #[test]
    fn the_function_reads_the_log_file_that_was_sent() {
        for key in ["AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/x.json.gz", "a b+c%2Bd/é&=ü?.json", "*~'()"]
        {
            let log_file = LogFile::from_plain("logs".into(), key.into(), None, Some(7));
            let body = notification(&log_file);
            let message = json!({ "messageId": "1", "eventSource": "aws:sqs", "body": body });
            for payload in [body, json!({ "Records": [message] }).to_string()] {
                let items = decode(&payload).items;
                let [Content::LogFile(decoded)] = &items[0].contents.as_ref().unwrap()[..] else {
                    panic!("{payload}");
                };
                assert_eq!(decoded, &log_file, "{payload}");
            }
        }
    }
}
