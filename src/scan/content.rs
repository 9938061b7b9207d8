//! The content of a file, by its first and last bytes: text that may have records, or something that must be unpacked or converted
//! first.

use memchr::memmem;

use super::Fault;

/// A tar archive names itself here.
const TAR_AT: usize = 257;
/// The first bytes that show what a file is.
const HEAD_BYTES: usize = 512;
/// Where a zero byte shows that a file is not text.
const EARLY_BYTES: usize = 8192;

/// Every record has these keys. A file with none of them has no records.
const MARKS: [&[u8]; 2] = [b"eventSource", b"eventName"];
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

const PACKED: [(&[u8], Packed); 11] = [
    (b"PK\x03\x04", archive("a zip archive", "unzip")),
    (b"PK\x05\x06", archive("a zip archive", "unzip")),
    (b"7z\xbc\xaf\x27\x1c", archive("a 7z archive", "7z x")),
    (b"BZh", archive("compressed with bzip2", "bunzip2")),
    (b"\xfd7zXZ\x00", archive("compressed with xz", "unxz")),
    (b"\x28\xb5\x2f\xfd", archive("compressed with zstd", "unzstd")),
    (b"\x04\x22\x4d\x18", archive("compressed with lz4", "unlz4")),
    (b"\x1f\x9d", archive("compressed with compress", "gunzip")),
    (b"\x1f\x8b", archive("compressed with gzip more than twice", "gunzip")),
    (b"\xff\xfe", Packed::Utf16),
    (b"\xfe\xff", Packed::Utf16),
];

const fn archive(kind: &'static str, unpack: &'static str) -> Packed {
    Packed::Archive { kind, unpack }
}

/// Files of columns: Parquet, ORC, Arrow, Avro. They have zeros early, and may have records as text.
const COLUMNS: [&[u8]; 4] = [b"PAR1", b"ORC", b"ARROW1", b"Obj\x01"];

/// The content of a file, as far as it was seen.
#[derive(Default)]
pub(super) struct Content {
    head: Vec<u8>,
    seen: u64,
    is_binary: bool,
    /// The first and the last byte of the text, without what may be between documents.
    first: Option<u8>,
    last: Option<u8>,
    has_mark: bool,
    /// The end of the text so far, in which a mark may begin.
    tail: Vec<u8>,
}

impl Content {
    pub fn push(&mut self, block: &[u8]) {
        self.head.extend(block.iter().take(HEAD_BYTES - self.head.len()));
        let early = EARLY_BYTES.saturating_sub(usize::try_from(self.seen).unwrap_or(usize::MAX)).min(block.len());
        self.is_binary |= block[..early].contains(&0);
        self.seen += block.len() as u64;
        if self.first.is_none() {
            self.first = block.iter().find(|byte| !is_between(**byte)).copied();
        }
        self.last = block.iter().rfind(|byte| !is_between(**byte)).copied().or(self.last);
        if !self.has_mark {
            self.search_mark(block);
        }
    }

    fn search_mark(&mut self, block: &[u8]) {
        let longest = MARKS.iter().map(|mark| mark.len()).max().unwrap_or(0);
        let is_in = |text: &[u8]| MARKS.iter().any(|mark| memmem::find(text, mark).is_some());
        self.tail.extend(block.iter().take(longest));
        self.has_mark = is_in(&self.tail) || is_in(block) || memmem::find(&self.head, RECORDS).is_some();
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

    /// Whether it has records, as far as that can be known without parsing it.
    pub fn has_records(&self) -> bool {
        self.has_mark && !self.is_empty_list()
    }

    /// Whether a record may be in it.
    pub fn has_mark(&self) -> bool {
        self.has_mark
    }

    pub fn is_utf16(&self) -> bool {
        self.packed() == Some(Packed::Utf16)
    }

    /// Whether the rest of the file need not be read: nothing can be found in it.
    pub fn is_hopeless(&self, is_gzip: bool) -> Result<(), Fault> {
        if self.head.len() < HEAD_BYTES {
            return Ok(());
        }
        match self.packed() {
            Some(packed @ Packed::Archive { .. }) => Err(Fault::Packed(packed)),
            None if self.is_binary && !is_gzip && !self.has_columns() => self.begins_like_json(is_gzip),
            _ => Ok(()),
        }
    }

    /// Whether it has the beginning of documents.
    pub fn begins_like_json(&self, is_gzip: bool) -> Result<(), Fault> {
        match self.packed() {
            Some(packed) => Err(Fault::Packed(packed)),
            None if matches!(self.first, None | Some(b'{' | b'[')) => Ok(()),
            None => Err(self.other(is_gzip)),
        }
    }

    /// Whether it has the beginning and the end of documents, and records.
    pub fn is_whole(&self, is_gzip: bool) -> Result<(), Fault> {
        self.begins_like_json(is_gzip)?;
        match (self.first, self.last) {
            (None, _) | (_, None) => Err(Fault::Empty),
            (_, Some(b'}' | b']')) if self.has_mark || self.is_empty_list() => Ok(()),
            (_, Some(b'}' | b']')) => Err(Fault::NoRecords),
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
        self.seen <= HEAD_BYTES as u64
            && (serde_json::from_slice::<Lists>(&self.head).is_ok()
                || serde_json::from_slice::<[(); 0]>(&self.head).is_ok())
    }

    fn packed(&self) -> Option<Packed> {
        let is_tar = self.head.get(TAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar"));
        // JSON has no zero bytes.
        if let [first, second, ..] = self.head[..]
            && (first == 0) != (second == 0)
            && [first, second].iter().any(|byte| b"{[".contains(byte))
        {
            return Some(Packed::Utf16);
        }
        let known = PACKED.iter().find(|(magic, _)| self.head.starts_with(magic)).map(|(_, packed)| *packed);
        known.or_else(|| is_tar.then(|| archive("a tar archive", "tar -xf")))
    }

    fn has_columns(&self) -> bool {
        COLUMNS.iter().any(|magic| self.head.starts_with(magic))
    }

    fn other(&self, is_gzip: bool) -> Fault {
        let byte = self.first.unwrap_or_default();
        if is_gzip { Fault::GzipOfOther(byte) } else { Fault::NeitherGzipNorJson(byte) }
    }
}

/// Whether a byte may be between documents: a blank, a byte order mark, or a part of the time that CloudWatch Logs writes before each
/// record of an export.
pub(super) fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_digit() || b"-:.+TZ".contains(&byte) || BYTE_ORDER_MARK.contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &[u8], block_bytes: usize) -> Content {
        let mut content = Content::default();
        text.chunks(block_bytes).for_each(|block| content.push(block));
        content
    }

    #[test]
    fn archives_and_utf_16_are_known_from_their_first_bytes() {
        let tar = [[b'x'; TAR_AT].as_slice(), b"ustar\x0000", &[0; 600]].concat();
        for (magic, kind) in [
            (b"PK\x03\x04".as_slice(), "a zip archive"),
            (b"BZh91AY", "compressed with bzip2"),
            (b"\xfd7zXZ\x00\x00", "compressed with xz"),
            (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
            (&tar, "a tar archive"),
        ] {
            for block_bytes in [1, 7, 4096] {
                let found = content(magic, block_bytes).is_whole(false);
                assert!(
                    matches!(found, Err(Fault::Packed(Packed::Archive { kind: found, .. })) if found == kind),
                    "{kind}: {found:?}"
                );
            }
        }
        assert!(content(b"\xff\xfe{\x00}\x00", 1).is_utf16() && content(b"\xfe\xff\x00{\x00}", 9).is_utf16());
    }

    #[test]
    fn a_file_of_records_begins_and_ends_like_json() {
        let record = r#"{"eventSource":"s3.amazonaws.com"}"#;
        for text in [
            format!("{{\"Records\":[{record}]}}"),
            format!("\u{feff}{record}\r\n\r\n{record}\r\n"),
            format!("2026-05-06T07:09:00.000Z {record}\n"),
            r#"{"Records":[]}"#.into(),
            "{\n  \"Events\": []\n}\n".into(),
            "[]".into(),
        ] {
            for block_bytes in [1, 7, 4096] {
                assert!(content(text.as_bytes(), block_bytes).is_whole(false).is_ok(), "{text}");
            }
        }
        for (text, fault) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("{}", "without CloudTrail records"),
            ("[{}]", "without CloudTrail records"),
            ("id,price", "neither gzip nor JSON"),
            (r#"{"eventSource":"#, "ends early"),
        ] {
            let found = content(text.as_bytes(), 4096).is_whole(false).unwrap_err().to_string();
            assert!(found.contains(fault), "{text}: {found}");
        }
    }
}
