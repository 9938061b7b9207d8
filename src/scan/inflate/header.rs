//! A gzip member's header, byte by byte (RFC 1952, section 2.3).

use crc32fast::Hasher;

/// The first byte of a gzip member; no JSON begins with it.
pub(in crate::scan) const GZIP: u8 = 0x1f;

/// CloudTrail's headers have ten bytes. A name or a comment may follow.
const MAX_BYTES: usize = 4096;

const CHECKSUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// The part of a header that has arrived.
pub(super) struct Header {
    bytes: usize,
    flags: u8,
    field: Field,
    checksum: Hasher,
}

/// The field that the next byte belongs to.
#[derive(Clone, Copy)]
enum Field {
    /// Magic number, method, flags, time and system.
    Fixed,
    ExtraLength(Option<u8>),
    Extra(u16),
    Name,
    Comment,
    /// The lower half of the CRC-32 of the header so far.
    Checksum(Option<u8>),
    End,
}

impl Header {
    pub fn new() -> Self {
        Header { bytes: 0, flags: 0, field: Field::Fixed, checksum: Hasher::new() }
    }

    /// Takes bytes from the front of the chunk. `true` when the header is complete.
    ///
    /// # Errors
    /// The bytes are no header that the RFC allows, or a longer one than any log file has.
    pub fn take(&mut self, chunk: &mut &[u8]) -> Result<bool, ()> {
        let mut taken = 0;
        let all = *chunk;
        while taken < all.len() && !matches!(self.field, Field::End) {
            self.byte(all[taken])?;
            taken += 1;
        }
        *chunk = &all[taken..];
        Ok(matches!(self.field, Field::End))
    }

    fn byte(&mut self, byte: u8) -> Result<(), ()> {
        let next = match self.field {
            Field::Fixed => {
                // The first byte was seen before.
                match self.bytes {
                    1 if byte != 0x8b => return Err(()),
                    2 if byte != 8 => return Err(()),
                    3 if byte & RESERVED != 0 => return Err(()),
                    3 => self.flags = byte,
                    _ => {}
                }
                if self.bytes < 9 { Field::Fixed } else { self.after(0) }
            }
            Field::ExtraLength(None) => Field::ExtraLength(Some(byte)),
            Field::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.after(EXTRA),
                length => Field::Extra(length),
            },
            Field::Extra(1) => self.after(EXTRA),
            Field::Extra(left) => Field::Extra(left - 1),
            Field::Name if byte == 0 => self.after(NAME),
            Field::Comment if byte == 0 => self.after(COMMENT),
            Field::Checksum(None) => Field::Checksum(Some(byte)),
            Field::Checksum(Some(low)) => {
                let [expected_low, expected_high, ..] = self.checksum.clone().finalize().to_le_bytes();
                if [low, byte] != [expected_low, expected_high] {
                    return Err(());
                }
                Field::End
            }
            same @ (Field::Name | Field::Comment | Field::End) => same,
        };
        if !matches!(self.field, Field::Checksum(_)) && self.flags & CHECKSUM != 0 || self.bytes < 4 {
            self.checksum.update(&[byte]);
        }
        self.bytes += 1;
        self.field = next;
        if self.bytes <= MAX_BYTES { Ok(()) } else { Err(()) }
    }

    /// The field after that one, in the order of the RFC.
    fn after(&self, done: u8) -> Field {
        let has = |flag: u8| self.flags & flag != 0;
        match done {
            0 if has(EXTRA) => Field::ExtraLength(None),
            0 | EXTRA if has(NAME) => Field::Name,
            0 | EXTRA | NAME if has(COMMENT) => Field::Comment,
            _ if has(CHECKSUM) => Field::Checksum(None),
            _ => Field::End,
        }
    }
}
