//! Which access keys a file names: a few bytes for each, so that a later search knows the files that it needs.

use std::collections::{BTreeSet, HashSet};

use super::{
    MAX_NEEDLE_BYTES,
    values::{Value, Values},
};

/// Finds the values of `accessKeyId`, which every record of a key's calls has.
pub(super) fn values() -> Values {
    Values::new("accessKeyId", MAX_NEEDLE_BYTES)
}

/// The access keys that a file names. Two keys may look the same, so a file may only seem to name a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyIds(Box<[u32]>);

impl KeyIds {
    /// Whether it names one of the keys, as far as that is known.
    pub fn may_have(&self, keys: &HashSet<u32>) -> bool {
        self.0.iter().any(|id| keys.contains(id))
    }

    /// The keys of both files.
    pub fn union(&self, other: &KeyIds) -> KeyIds {
        KeyIds(self.0.iter().chain(&other.0).copied().collect::<BTreeSet<_>>().into_iter().collect())
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// The number of a key: FNV-1a, which is the same in every run.
    pub fn number(key: &str) -> u32 {
        key.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }
}

/// A file with more keys than this may have any.
const MAX_KEYS: usize = 100_000;

/// The keys of a file while it is searched, each as often as it is named, up to a bound. `None` once it may have any.
pub(super) struct Seen(Option<Vec<u32>>);

impl Seen {
    pub fn new() -> Seen {
        Seen(Some(Vec::new()))
    }

    pub fn search(&mut self, values: &Values, text: &[u8]) {
        let Some(seen) = &mut self.0 else { return };
        let mut is_known = true;
        for value in values.find(text) {
            match value {
                Value::Word { word, .. } => seen.push(KeyIds::number(word)),
                Value::Unknown { .. } => is_known = false,
            }
        }
        if seen.len() > 2 * MAX_KEYS {
            each_once(seen);
            is_known &= seen.len() <= MAX_KEYS;
        }
        if !is_known {
            self.0 = None;
        }
    }

    pub fn finish(&mut self) -> Option<KeyIds> {
        let mut seen = self.0.take()?;
        each_once(&mut seen);
        (seen.len() <= MAX_KEYS).then(|| KeyIds(seen.into()))
    }
}

fn each_once(numbers: &mut Vec<u32>) {
    numbers.sort_unstable();
    numbers.dedup();
}
