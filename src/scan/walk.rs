//! From record to record through inflated text, collecting those that contain a needle.
//!
//! A text is any number of documents. The elements of a document's lists ([`LISTS`]), or of a document that is a list, are
//! taken one by one; any other document is taken whole. The walk knows just enough JSON to see where they begin and end:
//! strings, escapes, brackets. It holds one at a time and never recurses, so neither size nor depth of a document can hurt it.

mod capture;
mod structure;
mod text;

use std::{collections::VecDeque, mem};

use memchr::{memchr, memmem::find};

use super::{Fault, Needles, content::is_between, needles::Hints};
use capture::{Capture, Captured};
use structure::{Place, end_of_brackets};
use text::{closing_quote, ends_in_escape, is_bare, is_list};

pub(super) struct Walk<'n> {
    needles: &'n Needles,
    /// Where the last needle ends, or what may be one. No candidate comes after it. `None` if that is not known.
    last_hint: Option<u64>,
    /// Where all of them end. `None` if that is not known, so that each element must be searched.
    hints: Option<Hints>,
    is_done: bool,
    position: Position,
    /// Open brackets.
    depth: u64,
    in_string: bool,
    /// Whether the next byte of the string is escaped.
    is_escaped: bool,
    /// The current key, or the current element of the list.
    element: Capture,
    /// The current document, or its part around a list.
    document: Capture,
    /// Whether the current document has a list.
    has_list: bool,
    /// Whether a record was too large.
    is_too_large: bool,
    /// Whether a part around a list contains a needle.
    has_other: bool,
    /// Where the last candidate ends.
    last_candidate: u64,
    walked: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Position {
    BeforeDocument,
    /// In the document's object, where a key is next.
    Key,
    /// In the document's object, after a key.
    AfterKey {
        is_list: bool,
    },
    /// In a value that is not a list of records.
    Value,
    /// Between the elements of a list, at this depth.
    List {
        depth: u64,
    },
    /// In an element of the list at this depth.
    Element {
        depth: u64,
    },
}

impl<'n> Walk<'n> {
    pub fn new(needles: &'n Needles, last_hint: Option<u64>, hints: Option<Hints>) -> Self {
        Walk {
            needles,
            last_hint,
            hints,
            is_done: false,
            position: Position::BeforeDocument,
            depth: 0,
            in_string: false,
            is_escaped: false,
            element: Capture::default(),
            document: Capture::default(),
            has_list: false,
            is_too_large: false,
            has_other: false,
            last_candidate: 0,
            walked: 0,
        }
    }

    /// Whether the last needle is passed.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// To be called at the end of the text, or once the last needle is passed. `last_needle` is where the last needle ends that is
    /// written without escapes: it must be in a candidate.
    pub fn finish(&self, last_needle: Option<u64>) -> Result<(), Fault> {
        match self.position {
            _ if self.is_too_large => Err(Fault::RecordTooLarge),
            _ if self.has_other || last_needle.is_some_and(|last| last > self.last_candidate) => Err(Fault::NotJudged),
            _ if self.is_done => Ok(()),
            Position::BeforeDocument => Ok(()),
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
        for capture in [&mut self.element, &mut self.document] {
            capture.carry(block, self.needles);
        }
        Ok(())
    }

    /// Continues in the open string, to its end or that of the block. Returns where it is then, as do the other steps.
    fn string(&mut self, block: &[u8], at: usize, candidates: &mut VecDeque<Vec<u8>>) -> usize {
        let at = self.skip_string(block, at);
        match self.position {
            _ if self.in_string => {}
            Position::Key => {
                let is_list = self.element.end_key(&block[..at]).is_some_and(|key| is_list(&key));
                self.position = Position::AfterKey { is_list };
            }
            Position::List { .. } => self.end_element(&block[..at], candidates),
            Position::BeforeDocument => self.end_document(&block[..at], candidates),
            Position::AfterKey { .. } | Position::Value | Position::Element { .. } => {}
        }
        at
    }

    /// Continues in an element, to its end or that of the block.
    fn element(&mut self, block: &[u8], at: usize, list: u64, candidates: &mut VecDeque<Vec<u8>>) -> usize {
        let mut place = Place { in_string: false, is_escaped: mem::take(&mut self.is_escaped) };
        if let Some(end) = end_of_brackets(&block[at..], &mut self.depth, list, &mut place) {
            self.position = Position::List { depth: list };
            self.end_element(&block[..at + end], candidates);
            return at + end;
        }
        Place { in_string: self.in_string, is_escaped: self.is_escaped } = place;
        block.len()
    }

    /// Takes one byte outside of strings and elements.
    fn structure(&mut self, block: &[u8], at: usize, candidates: &mut VecDeque<Vec<u8>>) -> Result<usize, Fault> {
        let byte = block[at];
        let next = at + 1;
        match (byte, self.position) {
            (b'"', position) => self.position = self.open_string(position, at)?,
            (b'{' | b'[', position) => {
                self.depth += 1;
                self.position = self.open(byte, position, block, at)?;
            }
            (b'}' | b']', position) => {
                self.depth = self.depth.checked_sub(1).ok_or_else(|| self.malformed(next))?;
                self.position = self.close(byte, position, &block[..next], candidates)?;
            }
            (b',', Position::AfterKey { .. }) => self.position = Position::Key,
            (_, Position::BeforeDocument) if !is_between(byte) => return Err(self.malformed(next)),
            (_, position) if position != Position::BeforeDocument && !is_bare(byte) => return Err(self.malformed(next)),
            _ => {}
        }
        Ok(next)
    }

    fn open_string(&mut self, position: Position, at: usize) -> Result<Position, Fault> {
        match position {
            // `jq` writes a string per line without `-r`.
            Position::BeforeDocument => self.document.begin(at, self.walked),
            Position::Key | Position::List { .. } => self.element.begin(at, self.walked),
            Position::AfterKey { .. } | Position::Value | Position::Element { .. } => {}
        }
        self.in_string = true;
        Ok(position)
    }

    fn open(&mut self, byte: u8, position: Position, block: &[u8], at: usize) -> Result<Position, Fault> {
        match (position, byte) {
            (Position::BeforeDocument, b'{') => {
                self.document.begin(at, self.walked);
                Ok(Position::Key)
            }
            (Position::BeforeDocument, _) => Ok(Position::List { depth: self.depth }),
            (Position::AfterKey { is_list: true }, b'[') => {
                self.has_list = true;
                self.end_frame(&block[..at]);
                Ok(Position::List { depth: self.depth })
            }
            (Position::AfterKey { .. }, _) => Ok(Position::Value),
            (Position::List { depth }, _) => {
                self.element.begin(at, self.walked);
                Ok(Position::Element { depth })
            }
            (Position::Value | Position::Element { .. }, _) => Ok(position),
            (Position::Key, _) => Err(self.malformed(at + 1)),
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
            Position::Value => Ok(Position::AfterKey { is_list: false }),
            Position::List { .. } | Position::Key | Position::AfterKey { .. } if self.depth == 0 => {
                self.end_document(text, candidates);
                Ok(Position::BeforeDocument)
            }
            Position::List { .. } if byte == b']' => {
                self.document.begin(text.len(), self.walked);
                Ok(Position::AfterKey { is_list: false })
            }
            _ => Err(self.malformed(text.len())),
        }
    }

    fn end_document(&mut self, text: &[u8], candidates: &mut VecDeque<Vec<u8>>) {
        if mem::take(&mut self.has_list) {
            self.end_frame(text);
        } else {
            let end = self.walked + text.len() as u64;
            let document = self.document.end(text, end, self.needles, self.hints.as_ref());
            self.take(document, text.len(), candidates);
        }
    }

    /// The part of a document before, between or after its lists. It has no records. CloudWatch Logs names the subscription
    /// filter in it, which may be named after the policy.
    fn end_frame(&mut self, text: &[u8]) {
        let end = self.walked + text.len() as u64;
        self.has_other |= match self.document.end(text, end, self.needles, self.hints.as_ref()) {
            Captured::Nothing => false,
            Captured::TooLarge => true,
            Captured::Text(frame) => {
                let is_of_cloudwatch = find(&frame, b"\"subscriptionFilters\"").is_some();
                self.needles.are_in(&frame) && !(is_of_cloudwatch && memchr(b'{', &frame[1..]).is_none())
            }
        };
    }

    fn end_element(&mut self, text: &[u8], candidates: &mut VecDeque<Vec<u8>>) {
        let end = self.walked + text.len() as u64;
        let element = self.element.end(text, end, self.needles, self.hints.as_ref());
        self.take(element, text.len(), candidates);
    }

    /// Takes what ends here, if it is a candidate.
    fn take(&mut self, captured: Captured, at: usize, candidates: &mut VecDeque<Vec<u8>>) {
        let end = self.walked + at as u64;
        match captured {
            Captured::Nothing => {}
            Captured::TooLarge => self.is_too_large = true,
            Captured::Text(candidate) => {
                self.last_candidate = end;
                candidates.push_back(candidate);
            }
        }
        self.is_done = self.last_hint.is_some_and(|last| end >= last);
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
        Fault::MalformedJson { inflated_bytes: self.walked + at as u64 }
    }
}

#[cfg(test)]
mod tests;
