//! Why an item is not acknowledged.

use crate::{
    aws::alert_topic::PublishError,
    dedup::LEASE,
    delivery::DeliveryError,
    engine::error::NotRead,
    trail::{log_file::S3Object, record::RecordError},
};

/// Why an item returns to the queue. Each is one sentence that names the object and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error(transparent)]
    NotRead(#[from] NotRead),
    #[error("the record that EventBridge delivered {0}")]
    LoneRecord(RecordError),
    #[error("the match {dedup_key} in {origin} was not alerted: {reason}")]
    NotAlerted { dedup_key: String, origin: String, reason: NotAlerted },
    #[error("{0} was not scanned in the time of this invocation; it is redelivered")]
    NotScanned(S3Object),
    #[error("a match was not handled in the time of this invocation; its delivery is redelivered")]
    NotHandled,
}

/// Why the alert of a match is not published.
#[derive(Debug, thiserror::Error)]
pub enum NotAlerted {
    #[error(transparent)]
    Publish(PublishError),
    #[error("fewer than {} s were left in this invocation; it is redelivered", LEASE.as_secs())]
    NoTime,
}

impl Failure {
    /// Whether a redelivery may succeed without intervention.
    pub fn is_transient(&self) -> bool {
        match self {
            Failure::NotRead(not_read) => not_read.is_transient(),
            Failure::NotAlerted { reason: NotAlerted::Publish(error), .. } => error.is_transient(),
            Failure::NotAlerted { reason: NotAlerted::NoTime, .. } | Failure::NotScanned(_) | Failure::NotHandled => {
                true
            }
            Failure::Delivery(_) | Failure::LoneRecord(_) => false,
        }
    }
}
