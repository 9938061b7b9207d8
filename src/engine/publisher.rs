//! Alert → topic, no faster than SNS delivers email.

use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    alert::Alert,
    aws::alert_topic::{AlertTopic, PublishError},
    config::HttpsFormat,
    message,
};

/// Publishes at most one alert each half second.
pub struct Publisher {
    topic: AlertTopic,
    https_format: HttpsFormat,
    pace: Mutex<Interval>,
}

impl Publisher {
    pub fn new(topic: AlertTopic, https_format: HttpsFormat) -> Publisher {
        Publisher { topic, https_format, pace: Mutex::new(pace()) }
    }

    /// # Errors
    /// SNS did not confirm that it took the message. It may still have taken it.
    pub async fn publish(&self, alert: Alert) -> Result<(), PublishError> {
        let mut pace = self.pace.lock().await;
        pace.tick().await;
        let published = self.topic.publish(message::render(alert, self.https_format)).await;
        // The interval starts at SNS's response: a slow request must not shorten the distance at SNS.
        pace.reset();
        published
    }
}

/// SNS suspends, and later deletes, an email subscription that gets more than ten messages a second. At most five
/// functions run at once. <https://docs.aws.amazon.com/general/latest/gr/sns.html>
fn pace() -> Interval {
    let mut pace = interval(Duration::from_millis(500));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_first_alert_does_not_wait() {
        // A tick that is due comes before a timeout, however slow the machine is.
        timeout(Duration::from_millis(100), pace().tick()).await.unwrap();
    }
}
