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

#[cfg(test)]
mod tests {
    use super::*;

    /// Fowler, Noll and Vo's test vectors.
    #[test]
    fn the_number_of_a_key_is_its_fnv_1a_hash() {
        for (key, number) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(KeyIds::number(key), number);
        }
    }

    #[test]
    fn a_file_may_name_a_hundred_thousand_keys_and_each_of_them_any_number_of_times() {
        let values = values();
        let text = |keys: std::ops::Range<u32>| -> String {
            keys.map(|number| format!(r#"{{"accessKeyId":"AKIA{number}"}},"#)).collect()
        };
        let mut seen = Seen::new();
        let again = text(0..999);
        for _ in 0..210 {
            seen.search(&values, again.as_bytes());
            assert!(seen.0.as_ref().unwrap().len() <= 2 * MAX_KEYS, "memory grows with the file");
        }
        let ids = seen.finish().unwrap();
        assert_eq!(ids.bytes(), 999 * size_of::<u32>());
        // With this many keys, a few share a number.
        for (keys, is_known) in [(100_000, true), (100_100, false)] {
            let mut seen = Seen::new();
            seen.search(&values, text(0..keys).as_bytes());
            assert_eq!(seen.finish().is_some(), is_known, "{keys}");
        }
        let mut many = Seen::new();
        many.search(&values, text(0..200_100).as_bytes());
        assert!(many.0.is_none());
    }
}
