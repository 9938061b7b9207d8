//! The content of a file, by its first and last bytes: text that may have records, or something that must be unpacked or converted
//! first.

use memchr::memmem;

use super::Fault;

/// A tar archive names itself here.
const TAR_AT: usize = 257;
/// The first bytes that show what a file is.
const HEAD_BYTES: usize = 8192;
/// These are enough to know an archive.
const ARCHIVE_BYTES: usize = 512;

/// Every record has this key, perhaps in a string, and the name of a service as its value. Other files have one of them at most.
const SOURCES: [&[u8]; 2] = [b"eventSource\"", b"eventSource\\"];
const SERVICE: &[u8] = b".amazonaws.com";
/// CloudTrail's own files begin with it.
const RECORDS: &[u8] = b"\"Records\"";

/// Windows programs begin a text with it (U+FEFF in UTF-8).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Something that may contain log files or records, and is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// An archive or another compression, and how to unpack it.
    Archive { kind: &'static str, unpack: &'static str },
    /// Text in UTF-16.
    Utf16,
}

const PACKED: [(&[u8], Packed); 18] = [
    (b"PK\x03\x04", archive("a zip archive", "unzip")),
    (b"PK\x05\x06", archive("a zip archive", "unzip")),
    (b"PK\x07\x08", archive("a zip archive", "unzip")),
    (b"7z\xbc\xaf\x27\x1c", archive("a 7z archive", "7z x")),
    (b"Rar!\x1a\x07", archive("a rar archive", "unrar x")),
    (b"\xfd7zXZ\x00", archive("compressed with xz", "unxz")),
    (b"\x5d\x00\x00", archive("compressed with lzma", "unlzma")),
    (b"LZIP", archive("compressed with lzip", "lzip -d")),
    (b"\x28\xb5\x2f\xfd", archive("compressed with zstd", "unzstd")),
    (b"\x50\x2a\x4d\x18", archive("compressed with zstd", "unzstd")),
    (b"\x04\x22\x4d\x18", archive("compressed with lz4", "unlz4")),
    (b"\x02\x21\x4c\x18", archive("compressed with lz4", "unlz4")),
    (b"\xff\x06\x00\x00sNaPpY", archive("compressed with snappy", "snzip -d")),
    (b"\x78\x9c", archive("compressed with zlib", "zlib-flate -uncompress")),
    (b"\x1f\x9d", archive("compressed with compress", "gunzip")),
    (b"\x1f\x8b", archive("compressed with gzip more than twice", "gunzip")),
    (b"\xff\xfe", Packed::Utf16),
    (b"\xfe\xff", Packed::Utf16),
];

/// Programs contain the texts of rules, this one too.
const PROGRAMS: [&[u8]; 4] = [b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"];

const fn archive(kind: &'static str, unpack: &'static str) -> Packed {
    Packed::Archive { kind, unpack }
}

/// The content of a file, as far as it was seen.
#[derive(Default)]
pub(super) struct Content {
    head: Vec<u8>,
    seen: u64,
    /// The first and the last byte of the text, without what may be between documents.
    first: Option<u8>,
    last: Option<u8>,
    has_source: bool,
    has_service: bool,
    /// The end of the text so far, in which one of them may begin.
    tail: Vec<u8>,
}

/// The records of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Records {
    Some,
    /// It is a list without any, such as a search that found nothing returns.
    EmptyList,
    #[default]
    None,
}

impl Content {
    pub fn push(&mut self, block: &[u8]) {
        self.head.extend_from_slice(&block[..block.len().min(HEAD_BYTES - self.head.len())]);
        self.seen += block.len() as u64;
        if self.first.is_none() {
            self.first = block.iter().find(|byte| !is_between(**byte)).copied();
        }
        self.last = block.iter().rfind(|byte| !is_between(**byte)).copied().or(self.last);
        if !self.has_source || !self.has_service {
            self.search_marks(block);
        }
    }

    fn search_marks(&mut self, block: &[u8]) {
        let longest = SERVICE.len();
        self.tail.extend(block.iter().take(longest));
        let is_in = |mark: &[u8]| memmem::find(&self.tail, mark).is_some() || memmem::find(block, mark).is_some();
        self.has_source = self.has_source || SOURCES.iter().any(|source| is_in(source));
        self.has_service = self.has_service || is_in(SERVICE);
        if block.len() > longest {
            self.tail = block[block.len() - longest..].to_vec();
        } else {
            self.tail.drain(..self.tail.len().saturating_sub(longest));
        }
    }

    /// In bytes.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The records in it, as far as that can be known without parsing it.
    pub fn records(&self) -> Records {
        match self.has_source && self.has_service {
            true => Records::Some,
            false if self.is_empty_list() => Records::EmptyList,
            false => Records::None,
        }
    }

    /// Whether CloudTrail wrote it, or a copy of its records.
    pub fn is_log(&self) -> bool {
        let begin = &self.head[..self.head.len().min(ARCHIVE_BYTES)];
        self.has_source && self.has_service || memmem::find(begin, RECORDS).is_some()
    }

    pub fn is_utf16(&self) -> bool {
        self.packed() == Some(Packed::Utf16)
    }

    /// An error if nothing can be found in the rest of the file.
    pub fn check_readable(&self, is_gzip: bool) -> Result<(), Fault> {
        if self.head.len() < ARCHIVE_BYTES {
            return Ok(());
        }
        match self.packed() {
            Some(packed @ Packed::Archive { .. }) => Err(Fault::Packed(packed)),
            None if PROGRAMS.iter().any(|magic| self.head.starts_with(magic)) => Err(self.other(is_gzip)),
            _ => Ok(()),
        }
    }

    /// An error unless it has the beginning of documents.
    pub fn check_beginning(&self, is_gzip: bool) -> Result<(), Fault> {
        match self.packed() {
            Some(packed) => Err(Fault::Packed(packed)),
            None if matches!(self.first, None | Some(b'{' | b'[' | b'"')) => Ok(()),
            None => Err(self.other(is_gzip)),
        }
    }

    /// An error unless it has the beginning and the end of documents, and records.
    pub fn check_whole(&self, is_gzip: bool) -> Result<(), Fault> {
        self.check_beginning(is_gzip)?;
        match (self.first, self.last) {
            (None, _) | (_, None) => Err(Fault::Empty),
            (_, Some(b'}' | b']')) | (Some(b'"'), Some(b'"')) if self.is_log() || self.is_empty_list() => Ok(()),
            (_, Some(b'}' | b']')) | (Some(b'"'), Some(b'"')) => Err(Fault::NoRecords),
            _ => Err(Fault::TruncatedJson),
        }
    }

    /// Whether it is a list without records, such as a search that found nothing returns.
    fn is_empty_list(&self) -> bool {
        #[derive(serde::Deserialize)]
        struct Lists {
            #[serde(rename = "Records", alias = "Events", alias = "events", alias = "logEvents")]
            _list: [(); 0],
        }
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Empty {
            _Lists(Lists),
            _List([(); 0]),
        }
        let mut documents = serde_json::Deserializer::from_slice(&self.head).into_iter::<Empty>().peekable();
        self.seen <= HEAD_BYTES as u64 && documents.peek().is_some() && documents.all(|document| document.is_ok())
    }

    fn packed(&self) -> Option<Packed> {
        // A header has zero bytes between its fields. Callers can place the word in a record, but no zero byte before it.
        let is_tar =
            self.head.get(TAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar") && self.head[..TAR_AT].contains(&0));
        if is_utf16_without_mark(&self.head) {
            return Some(Packed::Utf16);
        }
        if self.head.starts_with(b"BZh") && self.head.get(4..10) == Some(b"1AY&SY") {
            return Some(archive("compressed with bzip2", "bunzip2"));
        }
        let known = PACKED.iter().find(|(magic, _)| self.head.starts_with(magic)).map(|(_, packed)| *packed);
        known.or_else(|| is_tar.then(|| archive("a tar archive", "tar -xf")))
    }

    fn other(&self, is_gzip: bool) -> Fault {
        let byte = self.first.unwrap_or_default();
        if is_gzip { Fault::GzipOfOther(byte) } else { Fault::NeitherGzipNorJson(byte) }
    }
}

/// Whether nearly every second byte is zero, as in UTF-16 of ASCII.
fn is_utf16_without_mark(head: &[u8]) -> bool {
    let pairs = head.chunks_exact(2).take(32);
    let zeros = |at: usize| pairs.clone().filter(|pair| pair[at] == 0 && pair[1 - at] != 0).count();
    let most = pairs.len() * 3 / 4;
    pairs.len() >= 2 && (zeros(0) > most || zeros(1) > most)
}

/// Whether a byte may be between documents: a blank, a byte order mark, or a part of the time that CloudWatch Logs writes before each
/// record of an export.
pub(super) fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_digit() || b"-:.+TZ".contains(&byte) || BYTE_ORDER_MARK.contains(&byte)
}

#[cfg(test)]
mod tests;
