//! A text that is collected across the borders of blocks, up to the size of a record.

use crate::scan::{MAX_RECORD_BYTES, Needles, needles::MAX_NEEDLE_BYTES};

#[derive(Default)]
pub(super) struct Capture(Option<Open>);

struct Open {
    /// The parts in earlier blocks, or their end.
    text: Vec<u8>,
    /// Where the text begins in the current block.
    begin: usize,
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
    pub fn begin(&mut self, at: usize) {
        self.0 = Some(Open { text: Vec::new(), begin: at, is_too_large: false, has_needle: false });
    }

    /// Ends the text where `block` is cut. Most are not wanted, and not even copied.
    pub fn end(&mut self, block: &[u8], needles: &Needles) -> Captured {
        let Some(Open { mut text, begin, is_too_large, has_needle }) = self.0.take() else { return Captured::Nothing };
        let part = &block[begin..];
        if text.is_empty() && !needles.found_in(part) {
            return Captured::Nothing;
        }
        text.extend_from_slice(part);
        if is_too_large || text.len() > MAX_RECORD_BYTES {
            // Nobody parses it, so an escape that hides no needle must not count.
            return if has_needle || needles.written_in(&text) { Captured::TooLarge } else { Captured::Nothing };
        }
        if needles.found_in(&text) { Captured::Text(text) } else { Captured::Nothing }
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
            open.has_needle |= needles.written_in(&open.text);
            // A needle may begin in it, with an escape for each character.
            open.text.drain(..open.text.len() - MAX_NEEDLE_BYTES * r"\\u0041".len());
        }
    }
}
