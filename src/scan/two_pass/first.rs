//! The first pass: inflates a file and searches it for needles.

use bytes::{Buf, Bytes};

use super::{OtherText, PassState, STORED_AT_ONCE, Settings};
use crate::scan::{Fault, Form, Needles, inflate::Inflate, needles::Search};

/// Where a zero byte shows that a file is no text.
const EARLY_BYTES: usize = 8192;

pub(super) struct FirstPass<'n> {
    inflate: Inflate,
    search: Search<'n>,
    settings: Settings,
    first_byte: Option<u8>,
    last_byte: Option<u8>,
    steps: u64,
    fault: Option<Fault>,
}

/// The result of the first pass.
pub(super) struct FirstPassEnd {
    pub inflated_bytes: u64,
    /// Where the last needle ends, in inflated bytes. `None` if there is no candidate.
    pub last_needle: Option<u64>,
    /// Whether the file is whole. The readable part of a broken one may still contain candidates.
    pub checked: Result<(), Fault>,
}

impl<'n> FirstPass<'n> {
    /// Yields after this many blocks, or parts of a chunk without one. After each, every waiting file would keep a block.
    const STEPS_AT_ONCE: u64 = 4;

    pub fn new(needles: &'n Needles, settings: Settings) -> Self {
        FirstPass {
            inflate: Inflate::new(settings.limit_mib),
            search: Search::new(needles),
            settings,
            first_byte: None,
            last_byte: None,
            steps: 0,
            fault: None,
        }
    }

    /// Searches the next block at the front of the chunk.
    pub fn search(&mut self, chunk: &mut Bytes) -> PassState {
        let all = &chunk[..chunk.len().min(STORED_AT_ONCE)];
        let mut rest = all;
        let searched = self.search_block(&mut rest);
        let used = all.len() - rest.len();
        chunk.advance(used);
        self.steps += 1;
        match searched {
            Ok(false) if chunk.is_empty() => PassState::Spent,
            Ok(_) if self.steps.is_multiple_of(Self::STEPS_AT_ONCE) => PassState::Yield,
            Ok(_) => PassState::Block,
            Err(fault) => {
                self.fault = Some(fault);
                PassState::Enough
            }
        }
    }

    /// `false` when the chunk is used up.
    fn search_block(&mut self, chunk: &mut &[u8]) -> Result<bool, Fault> {
        let form = self.settings.form;
        let is_text = |byte: &&u8| !form.is_blank(**byte);
        let Some(block) = self.inflate.next(chunk)? else { return Ok(false) };
        self.search.push(block);
        self.last_byte = block.iter().rfind(is_text).copied().or(self.last_byte);
        if self.first_byte.is_none() {
            self.first_byte = block.iter().find(is_text).copied();
            // Programs, films and archives contain a zero early.
            let has_zero = block[..block.len().min(EARLY_BYTES)].contains(&0);
            if self.settings.other_text == OtherText::FirstBlock || has_zero && !self.inflate.is_gzip() {
                self.begins_like_json()?;
            }
        }
        Ok(true)
    }

    fn begins_like_json(&self) -> Result<(), Fault> {
        match self.first_byte {
            None | Some(b'{' | b'[') => Ok(()),
            Some(byte) if self.inflate.is_gzip() => Err(Fault::GzipOfOther(byte)),
            Some(byte) => Err(Fault::NeitherGzipNorJson(byte)),
        }
    }

    fn ends_like_json(&self) -> Result<(), Fault> {
        match (self.first_byte, self.last_byte) {
            (None, _) | (_, None) => Err(Fault::Empty),
            (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) => Ok(()),
            (_, Some(b'}' | b']')) if self.settings.form == Form::Many => Ok(()),
            _ => Err(Fault::TruncatedJson),
        }
    }

    pub fn inflated_bytes(&self) -> u64 {
        self.inflate.inflated_bytes()
    }

    pub fn finish(mut self) -> FirstPassEnd {
        let read = self.fault.take().map_or(Ok(()), Err).and_then(|()| self.inflate.finish());
        let checked = read.and_then(|()| self.begins_like_json()).and_then(|()| self.ends_like_json());
        FirstPassEnd { inflated_bytes: self.inflate.inflated_bytes(), last_needle: self.search.last(), checked }
    }
}
