//! Message → SNS.

use std::sync::LazyLock;

use aws_sdk_sns::{Client, config::Builder, types::MessageAttributeValue};

use super::{OnFirstMatch, SdkConfig, explain, in_region, is_transient, timeouts};
use crate::{config::TopicArn, message::Message};

/// The topic that the subscribers of the alerts have.
pub struct AlertTopic {
    sns: OnFirstMatch<Client>,
    arn: TopicArn,
}

/// Why an alert could not be published.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot publish to the topic {topic} ({reason}); check that it exists and that the role or user in use has sns:Publish \
     on it"
)]
pub struct PublishError {
    topic: TopicArn,
    reason: String,
    is_transient: bool,
}

impl PublishError {
    /// Whether the next attempt may succeed without intervention.
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }
}

impl AlertTopic {
    /// The topic may be in another region than the function.
    pub fn new(sdk: &SdkConfig, arn: TopicArn) -> AlertTopic {
        let sns = Builder::from(&in_region(sdk, arn.region())).timeout_config(timeouts(4, 10));
        let client = || Client::from_conf(sns.build());
        AlertTopic { sns: LazyLock::new(Box::new(client)), arn }
    }

    /// # Errors
    /// SNS did not confirm that it took the message. It may still have taken it.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let mut request = self
            .sns
            .publish()
            .topic_arn(self.arn.to_string())
            .subject(message.subject)
            .message(message.body)
            .message_structure("json");
        for (name, value) in message.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            request = request.message_attributes(name, value.map_err(|error| self.error(error.to_string(), false))?);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.error(explain(&error), is_transient(&error))),
        }
    }

    fn error(&self, reason: String, is_transient: bool) -> PublishError {
        PublishError { topic: self.arn.clone(), reason, is_transient }
    }
}
