//! Stored bytes → inflated blocks. The first byte shows whether they are gzip, of one or many members, or plain text.
//!
//! The members' frames (RFC 1952) are read here, and flate2 inflates their content. flate2's own gzip reader would use
//! zlib-rs's CRC, which makes the whole scan slower by a third than crc32fast's.

mod header;

use std::{cell::Cell, mem};

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

use super::Fault;
use header::Header;

pub(super) use header::GZIP;

/// Measured: 64 KiB cost up to 6 % more, 512 KiB gain nothing.
const BLOCK_BYTES: usize = 256 * 1024;
const TRAILER_BYTES: usize = 8;

thread_local! {
    /// Many files wait for their next chunk at once. Only the file that has a chunk needs a block, and small files, which keep
    /// theirs for the walk.
    static SPARE_BLOCK: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// Making the tables and the window of a small file takes as long as inflating a part of it.
    static SPARE_STATE: Cell<Option<Decompress>> = const { Cell::new(None) };
}

pub(super) struct Inflate {
    form: Form,
    header: Header,
    /// The part of a member's trailer that was read.
    trailer: Vec<u8>,
    /// `None` until a member begins.
    state: Option<Decompress>,
    checksum: Hasher,
    /// The whole text so far if it fits, else a part of it.
    block: Vec<u8>,
    /// Where the part begins that was inflated last.
    last: usize,
    /// Whether another block can be made without more input.
    more: bool,
    inflated_bytes: u64,
    limit_mib: Option<u64>,
}

#[derive(Clone, Copy)]
enum Form {
    /// Nothing is read yet.
    Unknown,
    Plain,
    Header,
    Body,
    Trailer,
    /// A member has ended; another may follow.
    BetweenMembers,
    /// Everything before the corrupt byte has been returned.
    Corrupt,
}

impl Inflate {
    pub fn new(limit_mib: Option<u64>) -> Self {
        Inflate {
            form: Form::Unknown,
            header: Header::new(),
            trailer: Vec::new(),
            state: None,
            checksum: Hasher::new(),
            block: Vec::new(),
            last: 0,
            more: false,
            inflated_bytes: 0,
            limit_mib,
        }
    }

    /// For text that is inflated already.
    pub fn of_text() -> Self {
        let mut inflate = Inflate::new(None);
        inflate.form = Form::Plain;
        inflate
    }

    /// The next block, from the front of `chunk`. `None` when the chunk is used up.
    pub fn next<'b, 'c: 'b>(&'b mut self, chunk: &mut &'c [u8]) -> Result<Option<&'b [u8]>, Fault> {
        while self.more || !chunk.is_empty() {
            let is_gzip = chunk.first() == Some(&GZIP);
            match self.form {
                Form::Unknown if !is_gzip => self.form = Form::Plain,
                Form::BetweenMembers if !is_gzip => return Err(Fault::TrailingBytes),
                Form::Unknown | Form::BetweenMembers => self.form = Form::Header,
                Form::Plain => {
                    let (block, rest) = chunk.split_at(chunk.len().min(BLOCK_BYTES));
                    *chunk = rest;
                    self.count(block.len())?;
                    return Ok(Some(block));
                }
                Form::Header => {
                    match self.header.take(chunk) {
                        Ok(true) => self.begin_body(),
                        Ok(false) => {}
                        Err(()) => self.form = Form::Corrupt,
                    }
                    self.more = matches!(self.form, Form::Corrupt);
                }
                Form::Body => {
                    self.inflate_block(chunk);
                    let bytes = self.block().len();
                    if bytes > 0 {
                        self.count(bytes)?;
                        self.checksum.update(&self.block[self.last..]);
                        return Ok(Some(self.block()));
                    }
                }
                Form::Trailer => {
                    let (taken, rest) = chunk.split_at(chunk.len().min(TRAILER_BYTES - self.trailer.len()));
                    self.trailer.extend_from_slice(taken);
                    *chunk = rest;
                    if self.trailer.len() == TRAILER_BYTES {
                        let is_whole = self.trailer == self.expected_trailer();
                        self.trailer.clear();
                        self.form = if is_whole { Form::BetweenMembers } else { Form::Corrupt };
                        self.more = !is_whole;
                    }
                }
                Form::Corrupt => return Err(Fault::CorruptGzip { inflated_bytes: self.inflated_bytes }),
            }
        }
        if !self.has_whole() {
            SPARE_BLOCK.set(mem::take(&mut self.block));
        }
        Ok(None)
    }

    /// To be called after the last chunk.
    pub fn finish(&self) -> Result<(), Fault> {
        match self.form {
            Form::Unknown => Err(Fault::Empty),
            Form::Plain | Form::BetweenMembers => Ok(()),
            Form::Header | Form::Body | Form::Trailer | Form::Corrupt => Err(Fault::TruncatedGzip),
        }
    }

    /// Whether another block can be made without more input.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// The block that [`Inflate::next`] returned last, if it was inflated.
    pub fn block(&self) -> &[u8] {
        &self.block[self.last..]
    }

    /// The whole inflated text, if it fits into one block.
    pub fn take_whole(&mut self) -> Option<Vec<u8>> {
        (self.has_whole() && !self.block.is_empty()).then(|| mem::take(&mut self.block))
    }

    fn has_whole(&self) -> bool {
        self.inflated_bytes == self.block.len() as u64
    }

    pub fn inflated_bytes(&self) -> u64 {
        self.inflated_bytes
    }

    /// Whether it is gzip, by what was read or comes next.
    pub fn is_gzip(&self, next: &[u8]) -> bool {
        match self.form {
            Form::Unknown => next.first() == Some(&GZIP),
            Form::Plain => false,
            Form::Header | Form::Body | Form::Trailer | Form::BetweenMembers | Form::Corrupt => true,
        }
    }

    fn begin_body(&mut self) {
        self.header = Header::new();
        self.state().reset(false);
        self.checksum.reset();
        self.form = Form::Body;
    }

    fn state(&mut self) -> &mut Decompress {
        self.state.get_or_insert_with(|| SPARE_STATE.take().unwrap_or_else(|| Decompress::new(false)))
    }

    /// Inflates into the block. An error counts once the bytes before it have been returned.
    fn inflate_block(&mut self, chunk: &mut &[u8]) {
        if self.block.capacity() == 0 {
            self.block = SPARE_BLOCK.take();
            self.block.clear();
        }
        if self.block.len() == BLOCK_BYTES || !self.has_whole() {
            self.block.clear();
        }
        self.last = self.block.len();
        self.block.reserve_exact(BLOCK_BYTES - self.last);
        let mut block = mem::take(&mut self.block);
        let state = self.state();
        let taken = state.total_in();
        let status = state.decompress_vec(chunk, &mut block, FlushDecompress::None);
        *chunk = &chunk[(state.total_in() - taken) as usize..];
        self.block = block;
        self.more = self.block.len() == BLOCK_BYTES;
        match status {
            Ok(Status::StreamEnd) => {
                self.form = Form::Trailer;
                self.more = false;
            }
            Ok(_) => {}
            Err(_) => {
                self.form = Form::Corrupt;
                self.more = true;
            }
        }
    }

    /// The trailer that the current member must have: checksum and length, modulo 2³².
    fn expected_trailer(&self) -> [u8; TRAILER_BYTES] {
        let checksum = self.checksum.clone().finalize();
        let length = self.state.as_ref().map_or(0, Decompress::total_out) as u32;
        let mut trailer = [0; TRAILER_BYTES];
        trailer[..4].copy_from_slice(&checksum.to_le_bytes());
        trailer[4..].copy_from_slice(&length.to_le_bytes());
        trailer
    }

    fn count(&mut self, bytes: usize) -> Result<(), Fault> {
        self.inflated_bytes += bytes as u64;
        match self.limit_mib {
            Some(limit_mib) if self.inflated_bytes > limit_mib.saturating_mul(1024 * 1024) => {
                Err(Fault::TooLarge { limit_mib })
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Inflate {
    fn drop(&mut self) {
        if self.block.capacity() > 0 {
            SPARE_BLOCK.set(mem::take(&mut self.block));
        }
        if self.state.is_some() {
            SPARE_STATE.set(self.state.take());
        }
    }
}

#[cfg(test)]
mod tests;
