//! Resources that log files share: the processor, the memory for records, and places among the open ones.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::processor::Processor;

/// A record of bytes that are not UTF-8 takes three times as much once parsed, and parsing needs another copy.
const PARSED_RATIO: usize = 8;

/// The shared resources of a process's readers.
#[derive(Clone)]
pub struct Resources {
    pub processor: Processor,
    large_records: Arc<Semaphore>,
    /// Those of AWS are small, and do not wait for large ones.
    small_records: Arc<Semaphore>,
    large_kib: usize,
}

/// Parsed, it takes 256 KiB at most.
const SMALL_RECORD_BYTES: usize = 32 * 1024;

impl Resources {
    /// For this many scans at the same time, and this much memory for records.
    pub fn new(scans: usize, records_kib: usize) -> Resources {
        let small_kib = records_kib / 2;
        let large_kib = records_kib - small_kib;
        let [large_records, small_records] = [large_kib, small_kib].map(|kib| Arc::new(Semaphore::new(kib)));
        Resources { processor: Processor::new(scans), large_records, small_records, large_kib }
    }

    /// Waits for the memory that a record of this size takes once it is parsed.
    pub async fn memory(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let is_small = bytes <= SMALL_RECORD_BYTES;
        let records = if is_small { &self.small_records } else { &self.large_records };
        let kib = (bytes * PARSED_RATIO / 1024 + 1).min(self.large_kib);
        records.clone().acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX)).await.ok()
    }
}

/// The places of a log file among those that are open.
pub struct Places {
    held: Vec<Option<OwnedSemaphorePermit>>,
    /// Where it gets a place if it steps aside. `None` once it has.
    aside: Option<Arc<Semaphore>>,
}

impl Places {
    pub fn new(held: Vec<Option<OwnedSemaphorePermit>>, aside: Arc<Semaphore>) -> Places {
        Places { held, aside: Some(aside) }
    }

    /// Whether it has given up its places just now. Without a place aside it keeps them, so that few are open in all.
    pub fn step_aside(&mut self) -> bool {
        let place = self.aside.clone().and_then(|aside| aside.try_acquire_owned().ok());
        let is_aside = place.is_some();
        if is_aside {
            self.held = vec![place];
            self.aside = None;
        }
        is_aside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_small_record_does_not_wait_for_large_ones() {
        let resources = Resources::new(1, 1024);
        let large = resources.memory(1 << 20).await;
        tokio::select! {
            biased;
            _ = resources.memory(SMALL_RECORD_BYTES + 1) => panic!("one large record has all memory for large ones"),
            () = std::future::ready(()) => {}
        }
        assert!(large.is_some() && resources.memory(SMALL_RECORD_BYTES).await.is_some());
    }
}
