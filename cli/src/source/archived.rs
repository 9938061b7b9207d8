//! Log files in Glacier: known from the listing, and not read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use quarantine_alert::untrusted::visible;

use crate::progress::plural;

/// The number of archived log files below a prefix. A clone counts for another listing.
#[derive(Clone)]
pub struct Archived {
    place: String,
    count: Arc<AtomicU64>,
}

impl Archived {
    pub fn new(bucket: &str, prefix: &str) -> Archived {
        Archived { place: format!("s3://{bucket}/{}", visible(prefix, 1024)), count: Arc::default() }
    }

    pub fn add(&self, count: usize) {
        self.count.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Their number, and what to do. `None` without any.
    pub fn sentence(&self) -> Option<String> {
        let count = Some(self.count()).filter(|count| *count > 0)?;
        Some(format!(
            "{} has {} in the storage class GLACIER or DEEP_ARCHIVE; restore them first (`aws s3api restore-object`, or S3 \
             Batch Operations for many), then run the same command again",
            self.place,
            plural(count, "archived log file"),
        ))
    }
}
