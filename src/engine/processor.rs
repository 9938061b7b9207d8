//! Which log file may use the processor.
//!
//! A function of 256 MiB has a seventh of a core. If all log files of a batch shared it, they would all be done near the
//! deadline, and timers and requests would wait behind them. So scans take turns, in slices of about a millisecond of a whole
//! core, and the log file with the lowest rank goes first.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The processor that the scans share.
#[derive(Clone)]
pub struct Processor(Arc<Mutex<State>>);

/// The inflated bytes that a log file probably has, and its number as the tie-breaker. Low ranks go first.
pub type Rank = (u64, usize);

struct State {
    free: usize,
    waiting: BTreeMap<(Rank, u64), oneshot::Sender<Slice>>,
    /// The number of requests so far.
    requests: u64,
}

/// The right to use the processor, until it is dropped.
pub struct Slice(Processor);

impl Processor {
    /// At most `scans` of them use the processor at the same time.
    pub fn new(scans: usize) -> Processor {
        Processor(Arc::new(Mutex::new(State { free: scans, waiting: BTreeMap::new(), requests: 0 })))
    }

    /// Waits for a slice.
    pub async fn slice(&self, rank: Rank) -> Slice {
        loop {
            let granted = {
                let mut state = self.state();
                if state.free > 0 {
                    state.free -= 1;
                    return Slice(self.clone());
                }
                state.wait(rank)
            };
            // The sender is dropped only after it has sent.
            if let Ok(slice) = granted.await {
                return slice;
            }
        }
    }

    fn release(&self) {
        let next = {
            let mut state = self.state();
            let next = state.waiting.pop_first();
            state.free += usize::from(next.is_none());
            next
        };
        if let Some((_, waiting)) = next {
            // A scan that no longer waits drops the slice, which releases it again.
            let _ = waiting.send(Slice(self.clone()));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, rank: Rank) -> oneshot::Receiver<Slice> {
        let (grant, granted) = oneshot::channel();
        self.waiting.insert((rank, self.requests), grant);
        self.requests += 1;
        granted
    }
}

impl Slice {
    /// Another slice, as soon as no scan of a lower rank waits.
    pub async fn renew(self, rank: Rank) -> Slice {
        let granted = {
            let mut state = self.0.state();
            match state.waiting.first_key_value() {
                Some(((first, _), _)) if *first < rank => state.wait(rank),
                _ => {
                    drop(state);
                    return self;
                }
            }
        };
        let processor = self.0.clone();
        drop(self);
        match granted.await {
            Ok(slice) => slice,
            Err(_) => processor.slice(rank).await,
        }
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        self.0.release();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn the_lowest_rank_goes_first_and_a_renewal_gives_way_to_it() {
        let processor = Processor::new(1);
        let large = processor.slice((100, 0)).await;
        let mut larger = pin!(processor.slice((200, 1)));
        assert!(poll(larger.as_mut()).is_none());
        // Nothing of a lower rank waits, so it keeps its slice.
        let large = large.renew((100, 0)).await;
        let mut small = pin!(processor.slice((1, 2)));
        assert!(poll(small.as_mut()).is_none());
        let mut large = pin!(large.renew((100, 0)));
        assert!(poll(large.as_mut()).is_none());
        let small = poll(small.as_mut()).expect("the lowest rank has no slice");
        assert!(poll(larger.as_mut()).is_none());
        drop(small);
        let large = poll(large.as_mut()).expect("the next rank has no slice");
        drop(large);
        assert!(poll(larger.as_mut()).is_some());
    }

    #[tokio::test]
    async fn a_scan_that_no_longer_waits_takes_no_slice() {
        let processor = Processor::new(1);
        let held = processor.slice((1, 0)).await;
        {
            let mut gone = pin!(processor.slice((2, 1)));
            assert!(poll(gone.as_mut()).is_none());
        }
        {
            // Granted, and dropped before it is looked at.
            let mut granted = pin!(processor.slice((3, 2)));
            assert!(poll(granted.as_mut()).is_none());
            drop(held);
        }
        let mut next = pin!(processor.slice((4, 3)));
        assert!(poll(next.as_mut()).is_some());
    }
}
