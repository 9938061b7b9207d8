//! The byte strings that a file is searched for, and the search over a stream of blocks.

mod finders;
mod key_ids;
mod names;
mod values;

use std::{borrow::Cow, collections::BTreeSet};

use aho_corasick::packed;
use memchr::memmem::Finder;
use serde::Serialize;

use finders::Finders;
use key_ids::Seen;
use names::Names;
use values::Values;

pub use key_ids::KeyIds;

/// A byte string that every wanted record contains. It consists of ASCII letters, digits and `_`, since JSON may
/// escape every other character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Needle(Cow<'static, str>);

/// A text that cannot be a needle.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be searched for; a needle is 1 to {MAX_NEEDLE_BYTES} ASCII letters, digits and `_`")]
pub struct NeedleError(String);

/// An access key id has at most 128 characters.
pub(super) const MAX_NEEDLE_BYTES: usize = 128;

impl Needle {
    /// A needle in the code.
    ///
    /// # Panics
    /// When it is compiled, if the text cannot be a needle.
    pub const fn fixed(text: &'static str) -> Needle {
        assert!(is_needle(text.as_bytes()));
        Needle(Cow::Borrowed(text))
    }

    /// # Errors
    /// The text is empty, too long, or has a character other than an ASCII letter, a digit or `_`.
    pub fn new(text: String) -> Result<Needle, NeedleError> {
        if is_needle(text.as_bytes()) { Ok(Needle(text.into())) } else { Err(NeedleError(text)) }
    }
}

const fn is_needle(text: &[u8]) -> bool {
    let mut at = 0;
    while at < text.len() {
        if !text[at].is_ascii_alphanumeric() && text[at] != b'_' {
            return false;
        }
        at += 1;
    }
    !text.is_empty() && text.len() <= MAX_NEEDLE_BYTES
}

/// A set of needles. Finding one is a hint: parsed fields decide.
pub struct Needles {
    finders: Finders,
    names: Option<Names>,
    /// If the access keys of a file are wanted.
    key_ids: Option<Values>,
    escape: Finder<'static>,
    /// Finds what `finders` finds, and escapes, in one pass. A pass for each took 1.7 times as long.
    packed: Option<packed::Searcher>,
    /// Whether an escape could hide a digit of a needle.
    has_digit: bool,
    /// One less than the longest byte string that is searched for.
    overlap: usize,
}

const ESCAPE: &str = r"\u00";
/// `\u004`: the part of an escape that must be seen at once.
const ESCAPE_BYTES: usize = ESCAPE.len() + 1;

impl Needles {
    pub fn new(needles: impl IntoIterator<Item = Needle>) -> Needles {
        Needles::with_names(needles, [])
    }

    /// The needles, and names of calls, which every record of such a call has as its `eventName`.
    pub fn with_names(
        needles: impl IntoIterator<Item = Needle>,
        names: impl IntoIterator<Item = &'static str>,
    ) -> Needles {
        // Rules share needles, and each costs a pass.
        let needles = BTreeSet::from_iter(needles);
        let longest = needles.iter().map(|needle| needle.0.len()).max().unwrap_or(0);
        let names = Names::new(names.into_iter().collect());
        let has_digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
        Needles {
            has_digit: names.as_ref().is_some_and(Names::have_digit)
                || needles.iter().any(|needle| has_digit(&needle.0)),
            packed: finders::packed(&needles, ESCAPE),
            finders: Finders::new(&needles),
            escape: Finder::new(ESCAPE).into_owned(),
            overlap: longest.max(ESCAPE_BYTES).max(names.as_ref().map_or(0, Names::span)) - 1,
            names,
            key_ids: None,
        }
    }

    /// With the access keys that a file names, see [`KeyIds`].
    pub fn with_key_ids(self) -> Needles {
        let values = key_ids::values();
        Needles { has_digit: true, overlap: self.overlap.max(values.span() - 1), key_ids: Some(values), ..self }
    }

    /// Whether the text contains a needle, or an escape that may hide one.
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        self.are_plain_in(text) || self.escapes(text).next().is_some()
    }

    fn are_plain_in(&self, text: &[u8]) -> bool {
        self.finders.are_in(text) || self.names.as_ref().is_some_and(|names| names.ends(text).next().is_some())
    }

    /// Takes where each needle ends, and each escape that may hide a character of one.
    fn each_in(&self, text: &[u8], mut take: impl FnMut(Hint, usize)) {
        match &self.packed {
            Some(packed) => packed.find_iter(text).for_each(|found| {
                if text[found.start()] != b'\\' {
                    take(Hint::Needle, found.end());
                } else if self.may_hide(text, found.end() + 1) {
                    take(Hint::Escape, found.end() + 1);
                }
            }),
            None => {
                self.finders.each_in(text, |end| take(Hint::Needle, end));
                self.escapes(text).for_each(|end| take(Hint::Escape, end));
            }
        }
        self.names.iter().for_each(|names| names.ends(text).for_each(|end| take(Hint::Needle, end)));
    }

    /// Whether JSON text contains a needle, escaped or not.
    pub(super) fn are_in(&self, json: &[u8]) -> bool {
        self.are_plain_in(json) || self.escapes(json).next().is_some() && self.are_plain_in(&self.unescaped(json))
    }

    /// The text with its `\u00…` escapes replaced.
    fn unescaped(&self, json: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(json.len());
        let mut rest = json;
        while let Some(at) = self.escape.find(rest) {
            let digits =
                rest.get(at + ESCAPE_BYTES - 1..=at + ESCAPE_BYTES).and_then(|digits| str::from_utf8(digits).ok());
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let taken = if byte.is_some() { ESCAPE_BYTES + 1 } else { ESCAPE_BYTES - 1 };
            text.extend_from_slice(&rest[..at]);
            text.extend(byte);
            rest = &rest[at + taken..];
        }
        text.extend_from_slice(rest);
        text
    }

    /// The ends of all escapes that may hide a character of a needle.
    fn escapes<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = usize> + use<'_, 't> {
        self.escape.find_iter(text).map(|at| at + ESCAPE_BYTES).filter(|&end| self.may_hide(text, end))
    }

    /// Whether the escape that ends there may hide a character of a needle.
    fn may_hide(&self, text: &[u8], end: usize) -> bool {
        // Ordinary records contain `\u003c`, `\u003d` and `\u003e`: `\u003` matters only if it hides a digit.
        match text.get(end - 1) {
            Some(b'3') => self.has_digit && text.get(end).is_none_or(u8::is_ascii_digit),
            Some(b'4'..=b'7') => true,
            _ => false,
        }
    }
}

/// A sign of a wanted record.
enum Hint {
    Needle,
    Escape,
}

/// Where the hints of a text end, in order.
pub(super) struct Hints(Vec<u64>);

impl Hints {
    /// Whether one ends after `begin`, and not after `end`.
    pub fn any_within(&self, begin: u64, end: u64) -> bool {
        let next = self.0.partition_point(|&hint| hint <= begin);
        self.0.get(next).is_some_and(|&hint| hint <= end)
    }
}

/// A file with more hints is mostly candidates, and is searched again.
const MAX_HINTS: usize = 8192;

/// A search over consecutive blocks, which also finds needles across their borders.
pub(super) struct Search<'n> {
    needles: &'n Needles,
    /// The last bytes of the earlier blocks, as long as the overlap.
    tail: Vec<u8>,
    /// The number of bytes searched.
    searched: u64,
    last_needle: Option<u64>,
    last_escape: Option<u64>,
    /// Where each needle or escape ends, in no order. `None` once they are too many.
    hints: Option<Vec<u64>>,
    seen: Option<(&'n Values, Seen)>,
}

impl<'n> Search<'n> {
    pub fn new(needles: &'n Needles) -> Self {
        let seen = needles.key_ids.as_ref().map(|values| (values, Seen::new()));
        Search {
            needles,
            tail: Vec::new(),
            searched: 0,
            last_needle: None,
            last_escape: None,
            hints: Some(Vec::new()),
            seen,
        }
    }

    pub fn push(&mut self, block: &[u8]) {
        let overlap = self.needles.overlap;
        let seam_start = self.searched - self.tail.len() as u64;
        self.tail.extend_from_slice(&block[..block.len().min(overlap)]);
        let tail = std::mem::take(&mut self.tail);
        self.search(&tail, seam_start);
        self.tail = tail;
        self.search(block, self.searched);
        self.searched += block.len() as u64;
        if block.len() >= overlap {
            self.tail.clear();
            self.tail.extend_from_slice(&block[block.len() - overlap..]);
        } else {
            self.tail.drain(..self.tail.len().saturating_sub(overlap));
        }
    }

    /// Where the last needle ends that is written without escapes, counted from the first byte of the first block.
    pub fn last_needle(&self) -> Option<u64> {
        self.last_needle
    }

    /// Where the last needle ends, or the last escape that may hide a character of one.
    pub fn last_hint(&self) -> Option<u64> {
        self.last_needle.max(self.last_escape)
    }

    /// Where each needle ends, or each escape that may hide a character of one. `None` if they are too many to know.
    pub fn hints(&mut self) -> Option<Hints> {
        self.hints.take().map(|mut ends| {
            ends.sort_unstable();
            Hints(ends)
        })
    }

    /// The access keys that the text names. `None` if they are not wanted, or it may name any: an escape may hide a key.
    pub fn key_ids(&mut self) -> Option<KeyIds> {
        self.seen.as_mut().filter(|_| self.last_escape.is_none()).and_then(|(_, seen)| seen.finish())
    }

    fn search(&mut self, text: &[u8], start: u64) {
        if let Some((values, seen)) = &mut self.seen {
            seen.search(values, text);
        }
        let Search { needles, last_needle, last_escape, hints, .. } = self;
        needles.each_in(text, |hint, end| {
            let end = start + end as u64;
            let last = match hint {
                Hint::Needle => &mut *last_needle,
                Hint::Escape => &mut *last_escape,
            };
            *last = (*last).max(Some(end));
            hints.iter_mut().for_each(|hints| hints.push(end));
        });
        hints.take_if(|hints| hints.len() > MAX_HINTS);
    }
}

#[cfg(test)]
mod tests;
