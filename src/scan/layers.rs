//! Stored bytes → text, through one or two layers of gzip: CloudWatch Logs and some copying programs compress twice.

use super::{
    Fault,
    inflate::{GZIP, Inflate},
};

pub(super) struct Layers {
    outer: Inflate,
    /// The second layer, if there is one.
    inner: Option<Box<Inner>>,
    has_begun: bool,
    limit_mib: Option<u64>,
}

struct Inner {
    inflate: Inflate,
    /// The current block of the outer layer, and how much of it is used.
    block: Vec<u8>,
    used: usize,
}

impl Layers {
    pub fn new(limit_mib: Option<u64>) -> Layers {
        Layers { outer: Inflate::new(limit_mib), inner: None, has_begun: false, limit_mib }
    }

    /// For text that is inflated already.
    pub fn of_text() -> Layers {
        Layers { outer: Inflate::of_text(), inner: None, has_begun: true, limit_mib: None }
    }

    /// The next block, from the front of `chunk`. It may be empty. `None` when the chunk is used up.
    pub fn next<'b, 'c: 'b>(&'b mut self, chunk: &mut &'c [u8]) -> Result<Option<&'b [u8]>, Fault> {
        if !self.inner.as_ref().is_some_and(|inner| inner.has_more()) {
            let Some(block) = self.outer.next(chunk)? else { return Ok(None) };
            if !self.has_begun && block.first() == Some(&GZIP) {
                let inflate = Inflate::new(self.limit_mib);
                self.inner = Some(Box::new(Inner { inflate, block: Vec::new(), used: 0 }));
            }
            self.has_begun = true;
            match &mut self.inner {
                Some(inner) => inner.take(block),
                None => return Ok(Some(block)),
            }
        }
        self.inner.as_mut().map(|inner| inner.next()).transpose()
    }

    /// To be called after the last chunk.
    pub fn finish(&self) -> Result<(), Fault> {
        self.outer.finish()?;
        self.inner.as_ref().map_or(Ok(()), |inner| inner.inflate.finish())
    }

    /// The whole text, if it is gzip and small.
    pub fn take_whole(&mut self) -> Option<Vec<u8>> {
        self.inner.as_mut().map_or(&mut self.outer, |inner| &mut inner.inflate).take_whole()
    }

    /// Of the innermost layer.
    pub fn inflated_bytes(&self) -> u64 {
        self.inner.as_ref().map_or(self.outer.inflated_bytes(), |inner| inner.inflate.inflated_bytes())
    }

    /// Whether it is gzip, by what was read or comes next.
    pub fn is_gzip(&self, next: &[u8]) -> bool {
        self.outer.is_gzip(next)
    }
}

impl Inner {
    fn take(&mut self, block: &[u8]) {
        self.block.clear();
        self.block.extend_from_slice(block);
        self.used = 0;
    }

    fn has_more(&self) -> bool {
        self.used < self.block.len() || self.inflate.has_more()
    }

    /// The next block. It is empty if the outer block ends first.
    fn next(&mut self) -> Result<&[u8], Fault> {
        let mut rest = &self.block[self.used..];
        let has_block = self.inflate.next(&mut rest)?.is_some();
        self.used = self.block.len() - rest.len();
        Ok(if has_block { self.inflate.block() } else { &[] })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A few bytes of the second layer inflate to several blocks.
    #[test]
    fn two_layers_are_read_to_their_end_for_every_chunk_size() {
        let text = [b"{".to_vec(), vec![b' '; 1 << 20], b"}".to_vec()].concat();
        let stored = gzip(&gzip(&text));
        for chunk_bytes in [1, 7, usize::MAX] {
            let mut layers = Layers::new(None);
            let mut inflated = Vec::new();
            for mut chunk in stored.chunks(chunk_bytes) {
                while let Some(block) = layers.next(&mut chunk).unwrap() {
                    inflated.extend_from_slice(block);
                }
            }
            assert!(inflated == text && layers.finish().is_ok(), "{chunk_bytes}");
            assert_eq!(layers.inflated_bytes(), text.len() as u64);
        }
    }
}
