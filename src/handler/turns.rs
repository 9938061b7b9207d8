//! The order of the matches of an invocation, and which of them are put aside.
//!
//! Items take turns, so that none waits behind all matches of another. An invocation has time for about sixty alerts. Matches far
//! back in a long queue have no chance in this invocation, and must not use up the memory that scans need to find more urgent ones.

use std::collections::{BTreeMap, HashMap};

/// A part of the memory for records. Seven hundred small matches fit in.
const MAX_WAITING_BYTES: usize = 2 * 1024 * 1024;

/// If all matches are of one entity, the queue is short again after fewer alerts: the flood bound of an entity is ten, and AWS's own
/// calls are added to it.
const PATIENCE: usize = 12;

/// A queue in which items take turns.
pub struct Turns<T> {
    /// By turn, and within it by arrival.
    waiting: BTreeMap<(u64, u64), (usize, T)>,
    arrivals: u64,
    /// Whose turn it is.
    turn: u64,
    /// The last turn of each item.
    last: HashMap<usize, u64>,
    /// The memory of all matches in the queue.
    bytes: usize,
    /// How many alerts were sent while too many bytes waited.
    alerts: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Turns<T> {
        Turns { waiting: BTreeMap::new(), arrivals: 0, turn: 0, last: HashMap::new(), bytes: 0, alerts: 0 }
    }
}

impl<T> Turns<T> {
    /// Adds a match of an item. Each item has one match in a turn.
    pub fn push(&mut self, item: usize, bytes: usize, one: T) {
        let turn = self.last.get(&item).map_or(self.turn, |last| self.turn.max(last + 1));
        self.last.insert(item, turn);
        self.bytes += bytes;
        self.waiting.insert((turn, self.arrivals), (bytes, one));
        self.arrivals += 1;
    }

    pub fn pop(&mut self) -> Option<T> {
        let ((turn, _), (bytes, one)) = self.waiting.pop_first()?;
        self.turn = turn;
        self.bytes -= bytes;
        Some(one)
    }

    /// An alert was sent.
    pub fn alerted(&mut self) {
        self.alerts += usize::from(self.is_crowded());
    }

    /// Removes the last match, if the queue has too many incidents.
    pub fn shed(&mut self) -> Option<T> {
        if self.alerts < PATIENCE || !self.is_crowded() {
            return None;
        }
        let (_, (bytes, one)) = self.waiting.pop_last()?;
        self.bytes -= bytes;
        Some(one)
    }

    pub fn into_waiting(self) -> impl Iterator<Item = T> {
        self.waiting.into_values().map(|(_, one)| one)
    }

    fn is_crowded(&self) -> bool {
        self.bytes > MAX_WAITING_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest of the queue, in order.
    fn rest<T>(turns: Turns<T>) -> Vec<T> {
        turns.into_waiting().collect()
    }

    #[test]
    fn items_take_turns() {
        let mut turns = Turns::default();
        (0..1000).for_each(|n| turns.push(0, 1, ("crowd", n)));
        turns.push(1, 1, ("small", 0));
        turns.push(1, 1, ("small", 1));
        let first = [(); 4].map(|()| turns.pop().unwrap());
        assert_eq!(first, [("crowd", 0), ("small", 0), ("crowd", 1), ("small", 1)]);
        // One that arrives late neither waits for the crowd, nor catches up with the turns that it had no use for.
        turns.push(2, 1, ("late", 0));
        turns.push(2, 1, ("late", 1));
        turns.push(2, 1, ("late", 2));
        let next = [(); 6].map(|()| turns.pop().unwrap());
        assert_eq!(next, [("late", 0), ("crowd", 2), ("late", 1), ("crowd", 3), ("late", 2), ("crowd", 4)]);
    }

    #[test]
    fn a_crowd_is_put_aside_after_twelve_alerts_from_its_end() {
        let mut turns = Turns::default();
        let half = MAX_WAITING_BYTES / 2;
        (0..4).for_each(|n| turns.push(0, half, n));
        turns.push(1, half, 9);
        for _ in 0..12 {
            assert_eq!(turns.shed(), None);
            turns.alerted();
        }
        let put_aside: Vec<i32> = std::iter::from_fn(|| turns.shed()).collect();
        assert_eq!(put_aside, [3, 2, 1]);
        // What arrives later makes no difference to what waits already.
        turns.push(0, half, 5);
        assert_eq!(turns.shed(), Some(5));
        assert_eq!(rest(turns), [0, 9]);
    }

    #[test]
    fn alerts_without_a_crowd_put_nothing_aside() {
        let mut turns = Turns::default();
        (0..100).for_each(|_| turns.alerted());
        turns.push(0, 2 * MAX_WAITING_BYTES, ());
        assert!(turns.shed().is_none());
    }
}
