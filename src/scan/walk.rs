//! From record to record through inflated text, collecting those that contain a needle.
//!
//! The walk knows just enough JSON to see where a record begins and ends: strings, escapes, brackets. It holds one record
//! at a time and never recurses, so neither size nor depth of a document can hurt it.

mod capture;

use std::{collections::VecDeque, mem};

use memchr::memchr;

use super::{Fault, Form, Needles};
use capture::Capture;

pub(super) struct Walk<'n> {
    needles: &'n Needles,
    form: Form,
    /// Where the last needle ends. No candidate comes after it.
    last_needle: Option<u64>,
    is_done: bool,
    position: Position,
    /// Open brackets.
    depth: u64,
    in_string: bool,
    /// Whether the next byte of the string is escaped.
    is_escaped: bool,
    /// The current key, or the current element of the list.
    element: Capture,
    /// The current document, if it may itself be a record.
    document: Capture,
    has_list: bool,
    walked: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Position {
    BeforeDocument,
    /// In the document's object, where a key is next.
    Key,
    /// In the document's object, after a key.
    AfterKey {
        is_records: bool,
    },
    /// In a value that is not the list of records.
    Value,
    /// Between the elements of the list of records, at this depth.
    List {
        depth: u64,
    },
    /// In an element of the list at this depth: a record, or a list.
    Element {
        depth: u64,
    },
    AfterDocument,
}

impl<'n> Walk<'n> {
    pub fn new(needles: &'n Needles, form: Form, last_needle: Option<u64>) -> Self {
        Walk {
            needles,
            form,
            last_needle,
            is_done: false,
            position: Position::BeforeDocument,
            depth: 0,
            in_string: false,
            is_escaped: false,
            element: Capture::default(),
            document: Capture::default(),
            has_list: false,
            walked: 0,
        }
    }

    /// Whether the last needle is passed.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// To be called at the end of the document, or once the last needle is passed.
    pub fn finish(&self) -> Result<(), Fault> {
        match self.position {
            _ if self.element.was_too_large || self.document.was_too_large => Err(Fault::RecordTooLarge),
            _ if self.is_done => Ok(()),
            _ if !self.has_list => Err(Fault::NoRecords),
            Position::AfterDocument => Ok(()),
            Position::BeforeDocument if self.form == Form::Many => Ok(()),
            _ => Err(Fault::TruncatedJson),
        }
    }

    /// Walks the next block. The candidates that end in it are added to `candidates`, those before a fault included.
    pub fn block(&mut self, block: &[u8], candidates: &mut VecDeque<Vec<u8>>) -> Result<(), Fault> {
        let mut at = 0;
        while at < block.len() && !self.is_done {
            at = match self.position {
                _ if self.in_string => self.string(block, at, candidates),
                Position::Element { depth } => self.element(block, at, depth, candidates),
                _ => self.structure(block, at, candidates)?,
            };
        }
        self.walked += block.len() as u64;
        self.element.carry(block);
        self.document.carry(block);
        Ok(())
    }

    /// Continues in the open string, to its end or that of the block. Returns where it is then, as do the other steps.
    fn string(&mut self, block: &[u8], at: usize, candidates: &mut VecDeque<Vec<u8>>) -> usize {
        let at = self.skip_string(block, at);
        match self.position {
            _ if self.in_string => {}
            Position::Key => {
                let key = self.element.end(&block[..at], |_| true);
                self.position = Position::AfterKey { is_records: key.is_some_and(|key| is_records(&key)) };
            }
            Position::List { .. } => self.end_element(&block[..at], candidates),
            _ => {}
        }
        at
    }

    /// Continues in an element, to its end or that of the block.
    fn element(&mut self, block: &[u8], mut at: usize, list: u64, candidates: &mut VecDeque<Vec<u8>>) -> usize {
        let mut depth = self.depth;
        while depth > list
            && let Some(&byte) = block.get(at)
        {
            at += 1;
            match byte {
                b'"' => match closing_quote(block, at) {
                    Some(quote) => at = quote + 1,
                    None => {
                        self.in_string = true;
                        at = self.skip_string(block, at);
                    }
                },
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
        self.depth = depth;
        if depth == list {
            self.position = Position::List { depth: list };
            self.end_element(&block[..at], candidates);
            self.is_done = self.is_past_last_needle(at);
        }
        at
    }

    /// Takes one byte outside of strings and elements.
    fn structure(&mut self, block: &[u8], at: usize, candidates: &mut VecDeque<Vec<u8>>) -> Result<usize, Fault> {
        let byte = block[at];
        let next = at + 1;
        match (byte, self.position) {
            (b'"', position) => self.position = self.open_string(position, at)?,
            (b'{' | b'[', position) => {
                self.depth += 1;
                self.position = self.open(byte, position, at)?;
            }
            (b'}' | b']', position) => {
                self.depth = self.depth.checked_sub(1).ok_or_else(|| self.malformed(next))?;
                self.position = self.close(byte, position, &block[..next], candidates)?;
            }
            (b',', Position::AfterKey { .. }) => self.position = Position::Key,
            (_, Position::BeforeDocument | Position::AfterDocument) if !self.form.is_blank(byte) => {
                return Err(self.malformed(next));
            }
            _ => {}
        }
        Ok(next)
    }

    fn open_string(&mut self, position: Position, at: usize) -> Result<Position, Fault> {
        match position {
            Position::BeforeDocument | Position::AfterDocument => return Err(self.malformed(at + 1)),
            Position::Key => self.element.begin(at),
            Position::List { .. } if self.keeps_any_element() => self.element.begin(at),
            _ => {}
        }
        self.in_string = true;
        Ok(position)
    }

    fn open(&mut self, byte: u8, position: Position, at: usize) -> Result<Position, Fault> {
        match (position, byte) {
            (Position::BeforeDocument, b'{') => {
                if self.form == Form::Many {
                    self.document.begin(at);
                }
                Ok(Position::Key)
            }
            (Position::BeforeDocument, _) | (Position::AfterKey { is_records: true }, b'[') => {
                self.has_list = true;
                self.document.discard();
                Ok(Position::List { depth: self.depth })
            }
            (Position::AfterKey { .. }, _) => Ok(Position::Value),
            (Position::List { depth }, _) => {
                if byte == b'{' || self.keeps_any_element() {
                    self.element.begin(at);
                }
                Ok(Position::Element { depth })
            }
            (Position::Value | Position::Element { .. }, _) => Ok(position),
            (Position::Key | Position::AfterDocument, _) => Err(self.malformed(at + 1)),
        }
    }

    /// `text` is the block up to the bracket.
    fn close(
        &mut self,
        byte: u8,
        position: Position,
        text: &[u8],
        candidates: &mut VecDeque<Vec<u8>>,
    ) -> Result<Position, Fault> {
        match position {
            Position::Value if self.depth > 1 => Ok(position),
            Position::Value => Ok(Position::AfterKey { is_records: false }),
            Position::List { .. } | Position::Key | Position::AfterKey { .. } if self.depth == 0 => {
                Ok(self.end_document(text, candidates))
            }
            Position::List { .. } if byte == b']' => Ok(Position::AfterKey { is_records: false }),
            _ => Err(self.malformed(text.len())),
        }
    }

    fn end_document(&mut self, text: &[u8], candidates: &mut VecDeque<Vec<u8>>) -> Position {
        match self.form {
            Form::One => Position::AfterDocument,
            Form::Many => {
                self.has_list |= self.document.is_open();
                candidates.extend(self.document.end(text, |part| self.needles.found_in(part)));
                self.is_done = self.is_past_last_needle(text.len());
                Position::BeforeDocument
            }
        }
    }

    fn end_element(&mut self, text: &[u8], candidates: &mut VecDeque<Vec<u8>>) {
        candidates.extend(self.element.end(text, |part| self.needles.found_in(part)));
    }

    /// Whether an element that is not an object is a candidate. In an export it may contain a record, which would be missed
    /// without notice.
    fn keeps_any_element(&self) -> bool {
        self.form == Form::Many
    }

    fn is_past_last_needle(&self, at: usize) -> bool {
        self.last_needle.is_some_and(|last| self.walked + at as u64 >= last)
    }

    /// Skips the open string from `at` on. Returns where it, or the block, ends.
    fn skip_string(&mut self, block: &[u8], at: usize) -> usize {
        let begin = at + usize::from(mem::take(&mut self.is_escaped));
        match closing_quote(block, begin) {
            Some(quote) => {
                self.in_string = false;
                quote + 1
            }
            None => {
                self.is_escaped = ends_in_escape(&block[begin..]);
                block.len()
            }
        }
    }

    fn malformed(&self, at: usize) -> Fault {
        if self.has_list { Fault::MalformedJson { inflated_bytes: self.walked + at as u64 } } else { Fault::NoRecords }
    }
}

/// Where the quote is that closes the string whose content begins at `begin`.
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

/// Whether the byte after this part of a string is escaped: an odd number of backslashes precedes it.
#[inline]
fn ends_in_escape(text: &[u8]) -> bool {
    text.ends_with(b"\\") && text.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Whether a key, with its quotes, is `Records`, however it is escaped.
fn is_records(key: &[u8]) -> bool {
    serde_json::from_slice::<String>(key).is_ok_and(|key| key == "Records")
}
