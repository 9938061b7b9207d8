//! A text that is collected across the borders of blocks, up to the size of a record.

use crate::scan::{MAX_RECORD_BYTES, Needles, needles::MAX_NEEDLE_BYTES};

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

    /// Ends the text where `block` is cut. Most are not wanted, and not even copied. `is_wanted` judges a text that begins at
    /// a place in the file.
    pub fn end(&mut self, block: &[u8], is_wanted: impl Fn(&[u8], u64) -> bool) -> Captured {
        let Some(Open { mut text, begin, place, is_too_large, has_needle }) = self.0.take() else {
            return Captured::Nothing;
        };
        let part = &block[begin..];
        if text.is_empty() {
            if !is_wanted(part, place) {
                return Captured::Nothing;
            }
            if part.len() <= MAX_RECORD_BYTES {
                return Captured::Text(part.to_vec());
            }
        }
        text.extend_from_slice(part);
        match is_wanted(&text, place) {
            wanted if is_too_large || text.len() > MAX_RECORD_BYTES => {
                if wanted || has_needle {
                    Captured::TooLarge
                } else {
                    Captured::Nothing
                }
            }
            true => Captured::Text(text),
            false => Captured::Nothing,
        }
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
