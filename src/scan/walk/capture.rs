//! A text that is collected across the borders of blocks, up to the size of a record.

use crate::scan::{
    MAX_RECORD_BYTES, Needles,
    needles::{Hints, MAX_NEEDLE_BYTES},
};

#[derive(Default)]
pub(super) struct Capture(Option<Open>);

struct Open {
    /// The parts in earlier blocks, or their end.
    text: Vec<u8>,
    /// Where the text begins in the current block.
    begin: usize,
    /// Where it begins in the file.
    place: u64,
    is_too_large: bool,
    /// Whether the part that was dropped contains a needle.
    has_needle: bool,
}

/// What was captured.
pub(super) enum Captured {
    /// Nothing that is wanted.
    Nothing,
    Text(Vec<u8>),
    /// It is wanted, but larger than a record.
    TooLarge,
}

impl Capture {
    /// Begins at `at` in the block, which begins at `walked` in the file.
    pub fn begin(&mut self, at: usize, walked: u64) {
        let place = walked + at as u64;
        self.0 = Some(Open { text: Vec::new(), begin: at, place, is_too_large: false, has_needle: false });
    }

    /// Ends the text where `block` is cut, at `end` in the file. Most are not wanted, and not even copied. `hints` are where
    /// needles may be, if that is known.
    pub fn end(&mut self, block: &[u8], end: u64, needles: &Needles, hints: Option<&Hints>) -> Captured {
        let Some(Open { mut text, begin, place, is_too_large, has_needle }) = self.0.take() else {
            return Captured::Nothing;
        };
        let is_wanted = |text: &[u8]| match hints {
            Some(hints) => hints.any_within(place, end),
            None => needles.may_be_in(text),
        };
        let part = &block[begin..];
        if text.is_empty() && !is_wanted(part) {
            return Captured::Nothing;
        }
        let is_whole = text.is_empty();
        text.extend_from_slice(part);
        if is_too_large || text.len() > MAX_RECORD_BYTES {
            // Nobody parses it, so an escape that hides no needle must not count.
            return if has_needle || needles.are_in(&text) { Captured::TooLarge } else { Captured::Nothing };
        }
        if is_whole || is_wanted(&text) { Captured::Text(text) } else { Captured::Nothing }
    }

    /// The text that ends there, whatever it contains. `None` if it is larger than a record.
    pub fn end_key(&mut self, block: &[u8]) -> Option<Vec<u8>> {
        let Open { mut text, begin, is_too_large, .. } = self.0.take()?;
        text.extend_from_slice(&block[begin..]);
        (!is_too_large && text.len() <= MAX_RECORD_BYTES).then_some(text)
    }

    /// Collects the part in this block. The next block follows. Of a text that is larger than a record, only the end is kept.
    pub fn carry(&mut self, block: &[u8], needles: &Needles) {
        let Some(open) = &mut self.0 else { return };
        open.text.extend_from_slice(&block[open.begin..]);
        open.begin = 0;
        if open.text.len() > MAX_RECORD_BYTES {
            open.is_too_large = true;
            open.has_needle |= needles.are_in(&open.text);
            // A needle may begin in it, with an escape for each character.
            open.text.drain(..open.text.len() - MAX_NEEDLE_BYTES * r"\\u0041".len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Needle;

    const BLOCK_BYTES: usize = 64 * 1024;

    /// What is captured of a text that arrives in blocks. Memory must stay within the size of a record on the way.
    fn captured(text: &[u8], needles: &Needles) -> &'static str {
        let mut capture = Capture::default();
        capture.begin(0, 0);
        let mut blocks = text.chunks(BLOCK_BYTES);
        let last = blocks.next_back().unwrap();
        for block in blocks {
            capture.carry(block, needles);
            assert!(capture.0.as_ref().unwrap().text.len() <= MAX_RECORD_BYTES, "memory grows with the text");
        }
        match capture.end(last, text.len() as u64, needles, None) {
            Captured::Nothing => "nothing",
            Captured::Text(whole) if whole == text => "text",
            Captured::Text(_) => "part of the text",
            Captured::TooLarge => "too large",
        }
    }

    #[test]
    fn a_needle_is_found_anywhere_in_a_text_of_any_size() {
        let needle = "N".repeat(MAX_NEEDLE_BYTES);
        let escaped = r"\u004e".repeat(MAX_NEEDLE_BYTES);
        let needles = Needles::new([Needle::new(needle).unwrap()]);
        for (bytes, found) in [
            (BLOCK_BYTES, "text"),
            (3 * BLOCK_BYTES + 1, "text"),
            (MAX_RECORD_BYTES, "text"),
            (MAX_RECORD_BYTES + 1, "too large"),
            (4 * MAX_RECORD_BYTES, "too large"),
        ] {
            let mut text = vec![b' '; bytes];
            assert_eq!(captured(&text, &needles), "nothing", "{bytes}");
            // At both ends, and half in one block and half in the next.
            let borders = (1..bytes / BLOCK_BYTES).map(|blocks| blocks * BLOCK_BYTES - escaped.len() / 2);
            for at in borders.chain([0, bytes - escaped.len()]) {
                text[at..at + escaped.len()].copy_from_slice(escaped.as_bytes());
                assert_eq!(captured(&text, &needles), found, "{bytes} {at}");
                text[at..at + escaped.len()].fill(b' ');
            }
        }
    }
}
