//! How many objects are read at once: more while that makes the search faster, within a bound of memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quarantine_alert::trail::log_file::S3Object;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{MissedTickBehavior, interval},
};

/// At 30 ms each, these are about as many requests per second as two cores handle.
const FIRST: usize = 128;
/// S3 takes 5,500 requests per second for one prefix, each of 30 to 60 ms.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>
const MAX: usize = 384;
const TICK: Duration = Duration::from_millis(250);
/// More at once must make the search faster by a twentieth.
const GAIN: f64 = 1.05;
/// After growth that gained nothing, the next attempt waits: the network may have become faster.
const TICKS_UNTIL_NEXT: u32 = 40;

/// All objects that are being read take no more than this, in KiB.
const MEMORY_KIB: usize = 80 * 1024;

/// Lets objects in.
#[derive(Clone)]
pub struct Gate {
    places: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    done: Arc<AtomicU64>,
}

/// The place of an object that is being read.
pub struct Place {
    _place: Option<OwnedSemaphorePermit>,
    _memory: Option<OwnedSemaphorePermit>,
    done: Arc<AtomicU64>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub fn new() -> Gate {
        Gate {
            places: Arc::new(Semaphore::new(FIRST)),
            memory: Arc::new(Semaphore::new(MEMORY_KIB)),
            done: Arc::default(),
        }
    }

    /// Waits until the object may be read.
    pub async fn enter(&self, object: &S3Object) -> Place {
        // The semaphores are never closed.
        let memory = self.memory.clone().acquire_many_owned(memory_kib(object)).await.ok();
        let place = self.places.clone().acquire_owned().await.ok();
        Place { _place: place, _memory: memory, done: self.done.clone() }
    }

    /// Adapts the number of places, until it is dropped.
    pub async fn adapt(self) {
        let mut climb = Climb::default();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await;
        loop {
            let before = climb.places;
            tick.tick().await;
            // If places are free, something else limits the search.
            let is_full = self.places.available_permits() == 0;
            climb.next(self.done.swap(0, Ordering::Relaxed), is_full);
            match climb.places.checked_sub(before) {
                Some(more) => self.places.add_permits(more),
                // Those that are taken are not given back when their objects end.
                None => {
                    let fewer = u32::try_from(before - climb.places).unwrap_or(u32::MAX);
                    let places = self.places.clone();
                    if let Ok(taken) = places.acquire_many_owned(fewer).await {
                        taken.forget();
                    }
                }
            }
        }
    }
}

/// The memory that an object takes while it is read: its stored bytes, its inflated block, and the connection's buffers.
fn memory_kib(object: &S3Object) -> u32 {
    let stored = object.size.map_or(1024, |bytes| bytes.div_ceil(1024).min(1024));
    let block = (stored * 8).min(256);
    u32::try_from(stored + block + 32).unwrap_or(u32::MAX)
}

/// Grows as long as it gains.
struct Climb {
    places: usize,
    /// The places and the objects of a tick before the last growth.
    before: Option<(usize, u64)>,
    /// For how many ticks it does not grow.
    holds: u32,
}

impl Default for Climb {
    fn default() -> Self {
        Climb { places: FIRST, before: None, holds: 0 }
    }
}

impl Climb {
    /// `done` objects ended in the last tick.
    fn next(&mut self, done: u64, is_full: bool) {
        if !is_full {
            self.before = None;
            return;
        }
        if self.holds > 0 {
            self.holds -= 1;
            return;
        }
        match self.before {
            Some((places, before)) if (done as f64) < before as f64 * GAIN => {
                *self = Climb { places, before: None, holds: TICKS_UNTIL_NEXT };
            }
            _ => {
                self.before = Some((self.places, done));
                self.places = (self.places * 3 / 2).min(MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn climbed(rate: impl Fn(usize) -> u64, ticks: usize) -> Vec<usize> {
        let mut climb = Climb::default();
        (0..ticks)
            .map(|_| {
                climb.next(rate(climb.places), true);
                climb.places
            })
            .collect()
    }

    #[test]
    fn places_grow_while_the_search_becomes_faster() {
        assert_eq!(climbed(|places| places as u64 * 10, 4), [192, 288, 384, 384]);
        // A network that carries 200 objects at once.
        let places = climbed(|places| places.min(200) as u64 * 10, 60);
        assert_eq!((places[0], places[1], places[2]), (192, 288, 192));
        assert!(places[3..43].iter().all(|&places| places <= 288) && places.contains(&192));
    }

    #[test]
    fn places_that_are_free_are_enough() {
        let mut climb = Climb::default();
        (0..10).for_each(|_| climb.next(1000, false));
        assert_eq!(climb.places, FIRST);
    }

    #[test]
    fn large_objects_share_the_memory() {
        let of = |size| memory_kib(&S3Object::new("b".into(), "k".into(), None, size));
        assert_eq!((of(Some(13 * 1024)), of(Some(50 << 20)), of(None)), (149, 1312, 1312));
    }
}
