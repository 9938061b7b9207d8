//! A text that is collected across the borders of blocks.

use crate::scan::MAX_RECORD_BYTES;

#[derive(Default)]
pub(super) struct Capture(Option<Open>);

struct Open {
    /// The parts in earlier blocks.
    text: Vec<u8>,
    /// Where the text begins in the current block.
    begin: usize,
}

impl Capture {
    pub fn begin(&mut self, at: usize) {
        self.0 = Some(Open { text: Vec::new(), begin: at });
    }

    /// Continues at the next block, after this text.
    pub fn resume(&mut self, text: Vec<u8>) {
        self.0 = Some(Open { text, begin: 0 });
    }

    /// The text, which ends where `block` is cut, if it is wanted. Most are not, and are not even copied.
    pub fn end(&mut self, block: &[u8], is_wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let Open { mut text, begin } = self.0.take()?;
        let part = &block[begin..];
        if text.is_empty() && !is_wanted(part) {
            return None;
        }
        text.extend_from_slice(part);
        Some(text).filter(|text| is_wanted(text))
    }

    /// Collects the part in this block. The next block follows. A text that is larger than a record is returned, and no longer
    /// collected.
    pub fn carry(&mut self, block: &[u8]) -> Option<Vec<u8>> {
        let Open { mut text, begin } = self.0.take()?;
        text.extend_from_slice(&block[begin..]);
        if text.len() > MAX_RECORD_BYTES {
            return Some(text);
        }
        self.resume(text);
        None
    }
}
