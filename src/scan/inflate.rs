//! Stored bytes → inflated blocks: gzip of one or many members, or plain JSON, told apart by the first byte.

use flate2::{Decompress, FlushDecompress, Status};

use super::ScanError;

/// Measured: 64 KiB cost up to 6 % more, 512 KiB win nothing.
const BLOCK_BYTES: usize = 256 * 1024;
/// The first byte of a gzip member (RFC 1952); no JSON begins with it.
const GZIP: u8 = 0x1f;
/// flate2's name for the largest window, which is what gzip may use.
const WINDOW_BITS: u8 = 15;

pub(super) struct Inflate {
    form: Form,
    block: Vec<u8>,
    /// Whether a further block can be made without further input.
    more: bool,
    inflated_bytes: u64,
    limit_mib: u64,
}

enum Form {
    /// Nothing was read yet.
    Unknown,
    Plain,
    Member(Decompress),
    /// A member has ended; another may follow.
    BetweenMembers,
    /// What was inflated before the corrupt place has been handed out.
    Corrupt,
}

impl Inflate {
    pub fn new(limit_mib: u64) -> Self {
        Inflate { form: Form::Unknown, block: Vec::new(), more: false, inflated_bytes: 0, limit_mib }
    }

    /// The next block, taken off the front of `chunk`; `None` when the chunk is used up.
    pub fn next<'b, 'c: 'b>(&'b mut self, chunk: &mut &'c [u8]) -> Result<Option<&'b [u8]>, ScanError> {
        while self.more || !chunk.is_empty() {
            let is_gzip = chunk.first() == Some(&GZIP);
            match &mut self.form {
                Form::Unknown if !is_gzip => self.form = Form::Plain,
                Form::BetweenMembers if !is_gzip => return Err(ScanError::TrailingBytes),
                Form::Unknown | Form::BetweenMembers => {
                    self.block.resize(BLOCK_BYTES, 0);
                    self.form = Form::Member(Decompress::new_gzip(WINDOW_BITS));
                }
                Form::Plain => {
                    let (block, rest) = chunk.split_at(chunk.len().min(BLOCK_BYTES));
                    *chunk = rest;
                    self.count(block.len())?;
                    return Ok(Some(block));
                }
                Form::Member(member) => {
                    let (taken, made) = (member.total_in(), member.total_out());
                    let status = member.decompress(chunk, &mut self.block, FlushDecompress::None);
                    *chunk = &chunk[(member.total_in() - taken) as usize..];
                    let length = (member.total_out() - made) as usize;
                    self.more = length == self.block.len();
                    match status {
                        Ok(Status::StreamEnd) => (self.form, self.more) = (Form::BetweenMembers, false),
                        Ok(_) => {}
                        Err(_) => (self.form, self.more) = (Form::Corrupt, true),
                    }
                    if length > 0 {
                        self.count(length)?;
                        return Ok(Some(&self.block[..length]));
                    }
                }
                Form::Corrupt => return Err(ScanError::CorruptGzip { inflated_bytes: self.inflated_bytes }),
            }
        }
        Ok(None)
    }

    /// To be called after the last chunk.
    pub fn finish(&self) -> Result<(), ScanError> {
        match self.form {
            Form::Unknown => Err(ScanError::Empty),
            Form::Plain | Form::BetweenMembers => Ok(()),
            Form::Member(_) | Form::Corrupt => Err(ScanError::TruncatedGzip),
        }
    }

    pub fn inflated_bytes(&self) -> u64 {
        self.inflated_bytes
    }

    pub fn is_gzip(&self) -> bool {
        !matches!(self.form, Form::Unknown | Form::Plain)
    }

    fn count(&mut self, bytes: usize) -> Result<(), ScanError> {
        self.inflated_bytes += bytes as u64;
        if self.inflated_bytes > self.limit_mib.saturating_mul(1024 * 1024) {
            return Err(ScanError::TooLarge { limit_mib: self.limit_mib });
        }
        Ok(())
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

    fn inflate(stored: &[u8], chunk_bytes: usize, limit_mib: u64) -> (Vec<u8>, Result<(), ScanError>) {
        let (mut inflate, mut inflated) = (Inflate::new(limit_mib), Vec::new());
        for mut chunk in stored.chunks(chunk_bytes) {
            loop {
                match inflate.next(&mut chunk) {
                    Ok(Some(block)) => inflated.extend_from_slice(block),
                    Ok(None) => break,
                    Err(error) => return (inflated, Err(error)),
                }
            }
        }
        let end = inflate.finish();
        (inflated, end)
    }

    /// Long enough for several blocks, and compressible enough that one byte inflates to more than a block.
    fn text() -> Vec<u8> {
        let mut text = vec![b' '; 3 * BLOCK_BYTES];
        text.extend((0..50_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()));
        text
    }

    #[test]
    fn members_and_plain_text_come_out_whole_for_every_chunk_size() {
        let text = text();
        let members = [gzip(&text[..1000]), gzip(b""), gzip(&text[1000..])].concat();
        for chunk_bytes in [1, 2, 7, 4096, usize::MAX] {
            let (inflated, end) = inflate(&members, chunk_bytes, 4096);
            assert!(inflated == text && end.is_ok(), "{chunk_bytes}");
            let (inflated, end) = inflate(&text, chunk_bytes, 4096);
            assert!(inflated == text && end.is_ok(), "{chunk_bytes}");
        }
    }

    #[test]
    fn what_stands_before_a_break_comes_out_first() {
        let text = text();
        let whole = gzip(&text);
        let (inflated, end) = inflate(&whole[..whole.len() - 8], usize::MAX, 4096);
        assert!(inflated == text && matches!(end, Err(ScanError::TruncatedGzip)));
        let mut wrong_crc = whole.clone();
        let at = wrong_crc.len() - 8;
        wrong_crc[at] ^= 1;
        let (inflated, end) = inflate(&wrong_crc, usize::MAX, 4096);
        assert!(inflated == text && matches!(end, Err(ScanError::CorruptGzip { .. })));
    }

    #[test]
    fn a_gzip_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 3 * 1024 * 1024]);
        assert!(matches!(inflate(&bomb, 100, 2).1, Err(ScanError::TooLarge { limit_mib: 2 })));
        let members = gzip(&vec![0; 1024 * 1024]).repeat(3);
        assert!(matches!(inflate(&members, 100, 2).1, Err(ScanError::TooLarge { limit_mib: 2 })));
        assert!(inflate(&members, 100, 3).1.is_ok());
    }

    #[test]
    fn bytes_after_the_last_member_are_an_error() {
        let (inflated, end) = inflate(&[gzip(b"{}"), b"PK".to_vec()].concat(), usize::MAX, 1);
        assert!(inflated == b"{}" && matches!(end, Err(ScanError::TrailingBytes)));
    }
}
