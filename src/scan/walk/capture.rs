//! A text that is collected across the borders of blocks, up to the size of a record.

use crate::scan::MAX_RECORD_BYTES;

#[derive(Default)]
pub(super) struct Capture {
    open: Option<Open>,
    /// Whether a text was given up for its size.
    pub was_too_large: bool,
}

struct Open {
    /// The parts in earlier blocks.
    text: Vec<u8>,
    /// Where the text begins in the current block.
    begin: usize,
}

impl Capture {
    pub fn begin(&mut self, at: usize) {
        self.open = Some(Open { text: Vec::new(), begin: at });
    }

    /// The text, which ends where `block` is cut, if it is wanted. Most are not, and are not even copied.
    pub fn end(&mut self, block: &[u8], is_wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let Open { text, begin } = self.open.take()?;
        let part = &block[begin..];
        if text.is_empty() && !is_wanted(part) {
            return None;
        }
        self.joined(text, part).filter(|text| is_wanted(text))
    }

    /// Collects the part in this block. The next block follows.
    pub fn carry(&mut self, block: &[u8]) {
        if let Some(Open { text, begin }) = self.open.take() {
            self.open = self.joined(text, &block[begin..]).map(|text| Open { text, begin: 0 });
        }
    }

    fn joined(&mut self, mut text: Vec<u8>, part: &[u8]) -> Option<Vec<u8>> {
        self.was_too_large |= text.len() + part.len() > MAX_RECORD_BYTES;
        if text.len() + part.len() > MAX_RECORD_BYTES {
            return None;
        }
        text.extend_from_slice(part);
        Some(text)
    }
}
