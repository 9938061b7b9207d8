//! Why an item is not acknowledged.

use crate::{
    aws::alert_topic::PublishError, dedup::LEASE, delivery::DeliveryError, engine::error::NotRead, scan::Fault,
    trail::log_file::S3Object,
};

/// Why an item returns to the queue. Each is one sentence that names the object and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error(transparent)]
    NotRead(#[from] NotRead),
    #[error("the record that EventBridge delivered {0}")]
    LoneRecord(Fault),
    #[error("the match {dedup_key} in {origin} was not alerted: {reason}")]
    NotAlerted { dedup_key: String, origin: String, reason: NotAlerted },
    #[error(
        "{0} matches were put aside, because one invocation cannot send that many alerts; their delivery returns to the queue"
    )]
    PutAside(u64),
    #[error("the invocation ended before {0} was scanned; its delivery returns to the queue")]
    NotScanned(S3Object),
    #[error("the invocation ended before a match was handled; its delivery returns to the queue")]
    NotHandled,
}

/// Why the alert of a match is not published.
#[derive(Debug, thiserror::Error)]
pub enum NotAlerted {
    #[error(transparent)]
    Publish(PublishError),
    #[error("less than {} s of the invocation were left; its delivery returns to the queue", LEASE.as_secs())]
    NoTime,
}

impl Failure {
    /// Whether a redelivery may succeed without intervention.
    pub fn is_transient(&self) -> bool {
        match self {
            Failure::NotRead(not_read) => not_read.is_transient(),
            Failure::NotAlerted { reason: NotAlerted::Publish(error), .. } => error.is_transient(),
            Failure::NotAlerted { reason: NotAlerted::NoTime, .. }
            | Failure::PutAside(_)
            | Failure::NotScanned(_)
            | Failure::NotHandled => true,
            Failure::Delivery(_) | Failure::LoneRecord(_) => false,
        }
    }
}
