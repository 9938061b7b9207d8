//! Message → SNS.

use std::sync::LazyLock;

use aws_config::{Region, SdkConfig};
use aws_sdk_sns::{Client, config::Builder, types::MessageAttributeValue};

use super::{OnFirstMatch, explain, is_passing, timeouts};
use crate::{config::Config, message::Message};

pub struct AlertTopic {
    sns: OnFirstMatch<Client>,
    arn: String,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the topic {topic} does not take the alert ({reason}); it must exist, and the identity in use needs sns:Publish on it"
)]
pub struct PublishError {
    topic: String,
    reason: String,
    passing: bool,
}

impl PublishError {
    /// Whether the next try may succeed by itself.
    pub fn is_passing(&self) -> bool {
        self.passing
    }
}

impl AlertTopic {
    /// The topic may be in another region than the function.
    pub fn new(sdk: &SdkConfig, config: &Config) -> AlertTopic {
        let region = Region::new(config.alert_topic_region.clone());
        let sns = Builder::from(sdk).region(region).timeout_config(timeouts(4, 10));
        let client = || Client::from_conf(sns.build());
        AlertTopic { sns: LazyLock::new(Box::new(client)), arn: config.alert_topic_arn.clone() }
    }

    /// # Errors
    /// SNS did not say that it took the message. It may have taken it all the same.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let mut request = self
            .sns
            .publish()
            .topic_arn(&self.arn)
            .subject(message.subject)
            .message(message.body)
            .message_structure("json");
        for (name, value) in message.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            request = request.message_attributes(name, value.map_err(|error| self.error(error.to_string(), false))?);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.error(explain(&error), is_passing(&error))),
        }
    }

    fn error(&self, reason: String, passing: bool) -> PublishError {
        PublishError { topic: self.arn.clone(), reason, passing }
    }
}
