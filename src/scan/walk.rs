//! From record to record through inflated text, keeping those that hold a needle.
//!
//! The walker knows just enough JSON to tell where a record begins and ends: strings, escapes, brackets. It
//! keeps one record at a time and never recurses, so neither size nor depth of a document can hurt it.

use std::mem;

use memchr::memchr;

use super::{Documents, MOST_RECORD_BYTES, Needles, ScanError};

pub(super) struct Walk<'n> {
    needles: &'n Needles,
    documents: Documents,
    /// Where the last needle ends: behind it no candidate comes.
    last_needle: u64,
    is_done: bool,
    place: Place,
    /// Open brackets.
    depth: u64,
    in_string: bool,
    /// Whether the string's next byte is escaped.
    escaped: bool,
    /// The current record or key as far as earlier blocks hold it; `None` where none is being read.
    text: Option<Vec<u8>>,
    /// The current document as far as earlier blocks hold it, where it may itself be a record.
    lone: Option<Vec<u8>>,
    seen_records: bool,
    /// Whether a record was passed over for its size.
    passed_over: bool,
    walked: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    BeforeDocument,
    /// In the document's object, where a key is next.
    Key,
    /// In the document's object, after a key; whether it was `Records`.
    AfterKey {
        is_records: bool,
    },
    /// In a value that is not the list of records, below this depth.
    Value,
    /// In the list of records, which stands at this depth, between its elements.
    List {
        depth: u64,
    },
    /// In an element of the list that is no object, or in a record.
    Element {
        depth: u64,
    },
    AfterDocument,
}

impl<'n> Walk<'n> {
    pub fn new(needles: &'n Needles, documents: Documents, last_needle: u64) -> Self {
        Walk {
            needles,
            documents,
            last_needle,
            is_done: false,
            place: Place::BeforeDocument,
            depth: 0,
            in_string: false,
            escaped: false,
            text: None,
            lone: None,
            seen_records: false,
            passed_over: false,
            walked: 0,
        }
    }

    /// Whether the last needle is behind.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// To be called at the end of the document, or once all needles are behind.
    pub fn finish(&self) -> Result<(), ScanError> {
        match self.place {
            _ if self.passed_over => Err(ScanError::RecordTooLarge),
            _ if self.is_done => Ok(()),
            _ if !self.seen_records => Err(ScanError::NoRecords),
            Place::AfterDocument => Ok(()),
            Place::BeforeDocument if self.documents == Documents::Many => Ok(()),
            _ => Err(ScanError::TruncatedJson),
        }
    }

    /// Walks the next block; the candidates that end in it are added to `candidates`, also where it fails.
    pub fn push(&mut self, block: &[u8], candidates: &mut Vec<Vec<u8>>) -> Result<(), ScanError> {
        let mut at = 0;
        // Where in this block the texts that are being kept begin.
        let (mut start, mut lone_start) = (0, 0);
        while at < block.len() {
            if self.in_string {
                at = self.string(block, at);
                match self.place {
                    _ if self.in_string => {}
                    Place::Key => {
                        let is_records = self.keep(&block[start..at]).is_some_and(|key| is_records(&key));
                        self.place = Place::AfterKey { is_records };
                    }
                    Place::List { .. } => candidates.extend(self.candidate(&block[start.min(at)..at])),
                    _ => {}
                }
                continue;
            }
            if let Place::Element { depth } = self.place {
                at = self.element(block, at, depth);
                if self.depth == depth {
                    self.place = Place::List { depth };
                    candidates.extend(self.candidate(&block[start..at]));
                    if self.walked + at as u64 >= self.last_needle {
                        self.is_done = true;
                        return Ok(());
                    }
                }
                continue;
            }
            let byte = block[at];
            at += 1;
            match (byte, self.place) {
                (b'"', Place::BeforeDocument | Place::AfterDocument) => return Err(self.malformed(at)),
                (b'"', place) => {
                    self.in_string = true;
                    if place == Place::Key || matches!(place, Place::List { .. }) && self.keeps_all() {
                        (self.text, start) = (Some(Vec::new()), at - 1);
                    }
                }
                (b'{' | b'[', place) => {
                    self.depth += 1;
                    self.place = match (place, byte) {
                        (Place::BeforeDocument, b'{') => {
                            if self.keeps_all() {
                                (self.lone, lone_start) = (Some(Vec::new()), at - 1);
                            }
                            Place::Key
                        }
                        (Place::BeforeDocument, _) | (Place::AfterKey { is_records: true }, b'[') => {
                            self.seen_records = true;
                            self.lone = None;
                            Place::List { depth: self.depth }
                        }
                        (Place::AfterKey { .. }, _) => Place::Value,
                        (Place::List { depth }, _) => {
                            if byte == b'{' || self.keeps_all() {
                                (self.text, start) = (Some(Vec::new()), at - 1);
                            }
                            Place::Element { depth }
                        }
                        // Elements are walked in `element`.
                        (Place::Value | Place::Element { .. }, _) => place,
                        (Place::Key | Place::AfterDocument, _) => return Err(self.malformed(at)),
                    };
                }
                (b'}' | b']', place) => {
                    self.depth = self.depth.checked_sub(1).ok_or_else(|| self.malformed(at))?;
                    self.place = match place {
                        Place::Value if self.depth > 1 => place,
                        Place::Value => Place::AfterKey { is_records: false },
                        Place::List { .. } | Place::Key | Place::AfterKey { .. } if self.depth == 0 => {
                            if let Some(lone) = self.lone.take() {
                                self.seen_records = true;
                                let record = self.grown(lone, &block[lone_start..at]);
                                candidates.extend(record.filter(|record| self.needles.found_in(record)));
                            }
                            if self.documents == Documents::Many && self.walked + at as u64 >= self.last_needle {
                                self.is_done = true;
                                return Ok(());
                            }
                            match self.documents {
                                Documents::One => Place::AfterDocument,
                                Documents::Many => Place::BeforeDocument,
                            }
                        }
                        Place::List { .. } if byte == b']' => Place::AfterKey { is_records: false },
                        _ => return Err(self.malformed(at)),
                    };
                }
                (b',', Place::AfterKey { .. }) => self.place = Place::Key,
                (_, Place::BeforeDocument | Place::AfterDocument) if !self.documents.is_blank(byte) => {
                    return Err(self.malformed(at));
                }
                _ => {}
            }
        }
        self.walked += block.len() as u64;
        if let Some(text) = self.keep(&block[start.min(block.len())..]) {
            self.text = Some(text);
        }
        if let Some(lone) = self.lone.take() {
            self.lone = self.grown(lone, &block[lone_start..]);
        }
        Ok(())
    }

    /// Whether an element that is no object is a candidate, too: in an export a record may stand in it, which nobody
    /// would be told of.
    fn keeps_all(&self) -> bool {
        self.documents == Documents::Many
    }

    /// Walks on through an element, up to its end or that of the block; returns where it is then.
    fn element(&mut self, block: &[u8], mut at: usize, list_depth: u64) -> usize {
        let mut depth = self.depth;
        while let Some(&byte) = block.get(at) {
            at += 1;
            match byte {
                b'"' => match closing_quote(block, at) {
                    Some(quote) => at = quote + 1,
                    None => {
                        self.in_string = true;
                        at = self.string(block, at);
                    }
                },
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => continue,
            }
            if depth == list_depth {
                break;
            }
        }
        self.depth = depth;
        at
    }

    /// Passes over the string that is open, from `at` on; returns where it, or the block, ends.
    fn string(&mut self, block: &[u8], at: usize) -> usize {
        let begin = at + usize::from(mem::take(&mut self.escaped));
        match closing_quote(block, begin) {
            Some(quote) => {
                self.in_string = false;
                quote + 1
            }
            None => {
                self.escaped = ends_in_escape(&block[begin..]);
                block.len()
            }
        }
    }

    /// The record that ends with this part, if it holds a needle. Few do, so that most are not even copied.
    fn candidate(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        if self.text.as_ref()?.is_empty() && !self.needles.found_in(end) {
            self.text = None;
            return None;
        }
        self.keep(end).filter(|record| self.needles.found_in(record))
    }

    /// The text that is being kept, with its part in this block; `None` where there is none, or it is too large.
    fn keep(&mut self, part: &[u8]) -> Option<Vec<u8>> {
        let text = self.text.take()?;
        self.grown(text, part)
    }

    fn grown(&mut self, mut text: Vec<u8>, part: &[u8]) -> Option<Vec<u8>> {
        if text.len() + part.len() > MOST_RECORD_BYTES {
            self.passed_over = true;
            return None;
        }
        text.extend_from_slice(part);
        Some(text)
    }

    fn malformed(&self, at: usize) -> ScanError {
        if self.seen_records {
            ScanError::MalformedJson { inflated_bytes: self.walked + at as u64 }
        } else {
            ScanError::NoRecords
        }
    }
}

/// Where the quote is that closes the string whose inside begins at `begin`.
#[inline]
fn closing_quote(block: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin;
    loop {
        at += memchr(b'"', &block[at..])? + 1;
        let inside = &block[begin..at - 1];
        if !ends_in_escape(inside) {
            return Some(at - 1);
        }
    }
}

/// Whether the byte behind this text of a string is escaped: an odd number of backslashes stands before it.
#[inline]
fn ends_in_escape(text: &[u8]) -> bool {
    text.ends_with(b"\\") && text.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Whether a key, with its quotes, is `Records`, however it is escaped.
fn is_records(key: &[u8]) -> bool {
    serde_json::from_slice::<String>(key).is_ok_and(|key| key == "Records")
}
