//! One pass over a file: it inflates, and then searches for needles, or walks from record to record, or does both.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::{STORED_AT_ONCE, Settings};
use crate::scan::{
    Fault, KeyIds, Needles, Records,
    content::Content,
    layers::Layers,
    needles::{Hints, Search},
    walk::Walk,
};

pub(super) struct Pass<'n> {
    layers: Layers,
    look: Option<Look<'n>>,
    walk: Option<Walk<'n>>,
    steps: u64,
    fault: Option<Fault>,
}

/// The search for needles, and for what the file is.
pub(super) struct Look<'n> {
    search: Search<'n>,
    content: Content,
    /// How far text is searched that does not begin like JSON, in bytes.
    other_bytes: Option<u64>,
}

/// The state of a pass within the current chunk.
pub(super) enum PassState {
    /// The chunk is used up.
    Spent,
    /// A block was read, or a part of the chunk held none.
    Block,
    /// It is time to give way to other tasks.
    Yield,
    /// The pass needs no more of the file.
    Enough,
}

/// What a search has found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Findings {
    /// Where the last needle ends that is written without escapes, in inflated bytes.
    pub last_needle: Option<u64>,
    /// Where the last needle ends, or what may be one. `None` if there is no candidate.
    pub last_hint: Option<u64>,
    /// Whether the file is CloudTrail's, or a copy of its records, as far as that can be known without parsing it.
    pub is_log: bool,
    pub records: Records,
    pub begins_like_json: bool,
}

/// The result of a pass.
pub(super) struct PassEnd {
    pub inflated_bytes: u64,
    /// `None` if the pass has not searched.
    pub findings: Option<Findings>,
    pub key_ids: Option<KeyIds>,
    /// Whether the file is whole. The readable part of a broken one may still contain candidates.
    pub checked: Result<(), Fault>,
}

impl<'n> Pass<'n> {
    /// A searching pass yields after this many steps. After each, every waiting file would keep a block.
    const STEPS_AT_ONCE: u64 = 4;

    pub fn search(needles: &'n Needles, settings: Settings) -> Self {
        let other_bytes = settings.other_mib.map(|mib| mib.saturating_mul(1024 * 1024));
        let look = Look { search: Search::new(needles), content: Content::default(), other_bytes };
        Pass { layers: Layers::new(settings.limit_mib), look: Some(look), walk: None, steps: 0, fault: None }
    }

    /// `layers` are those of what is fed.
    pub fn walk(needles: &'n Needles, layers: Layers, last_hint: Option<u64>, hints: Option<Hints>) -> Self {
        Pass { layers, look: None, walk: Some(Walk::new(needles, last_hint, hints)), steps: 0, fault: None }
    }

    pub fn search_and_walk(needles: &'n Needles, settings: Settings) -> Self {
        Pass { walk: Some(Walk::new(needles, None, None)), ..Pass::search(needles, settings) }
    }

    /// Whether it searches only.
    pub fn is_search(&self) -> bool {
        self.walk.is_none()
    }

    pub fn has_searched(&self) -> bool {
        self.look.is_some()
    }

    /// Reads the next block at the front of the chunk. The candidates of one block bound the memory that they take.
    pub fn step(&mut self, chunk: &mut Bytes, candidates: &mut VecDeque<Vec<u8>>) -> PassState {
        let all = &chunk[..chunk.len().min(STORED_AT_ONCE)];
        let mut rest = all;
        let read = self.block(&mut rest, candidates);
        let used = all.len() - rest.len();
        chunk.advance(used);
        self.steps += 1;
        match read {
            Ok(_) if self.walk.as_ref().is_some_and(Walk::is_done) => PassState::Enough,
            Ok(false) if chunk.is_empty() => PassState::Spent,
            Ok(_) if self.walk.is_some() || self.steps.is_multiple_of(Self::STEPS_AT_ONCE) => PassState::Yield,
            Ok(_) => PassState::Block,
            Err(fault) => {
                self.fault = Some(fault);
                PassState::Enough
            }
        }
    }

    /// `false` when the chunk is used up.
    fn block(&mut self, chunk: &mut &[u8], candidates: &mut VecDeque<Vec<u8>>) -> Result<bool, Fault> {
        let is_gzip = self.layers.is_gzip(chunk);
        let Some(block) = self.layers.next(chunk)? else { return Ok(false) };
        if let Some(look) = &mut self.look {
            look.block(block, is_gzip)?;
        }
        if let Some(walk) = &mut self.walk {
            walk.block(block, candidates)?;
        }
        Ok(true)
    }

    pub fn inflated_bytes(&self) -> u64 {
        self.layers.inflated_bytes()
    }

    /// Where the search has found something. `None` if that is not known.
    pub fn hints(&mut self) -> Option<Hints> {
        // The places in UTF-16 are other ones.
        self.look.as_mut().filter(|look| !look.content.is_utf16()).and_then(|look| look.search.hints())
    }

    /// The whole text, if it is gzip and small.
    pub fn take_whole(&mut self) -> Option<Vec<u8>> {
        self.layers.take_whole()
    }

    /// `last_needle` is what an earlier pass has found.
    pub fn finish(mut self, last_needle: Option<u64>) -> PassEnd {
        let findings = self.look.as_ref().map(Look::findings);
        let key_ids = self.look.as_mut().and_then(|look| look.search.key_ids());
        let checked = self.check(findings.map_or(last_needle, |findings| findings.last_needle));
        PassEnd { inflated_bytes: self.layers.inflated_bytes(), findings, key_ids, checked }
    }

    fn check(&mut self, last_needle: Option<u64>) -> Result<(), Fault> {
        let is_gzip = self.layers.is_gzip(&[]);
        match (self.fault.take(), &self.look) {
            // The first byte shows more than where the walk had to end.
            (Some(fault @ Fault::MalformedJson { .. }), Some(look)) => {
                return look.content.check_beginning(is_gzip).and(Err(fault));
            }
            (Some(fault), _) => return Err(fault),
            (None, _) => {}
        }
        if !self.walk.as_ref().is_some_and(Walk::is_done) {
            self.layers.finish()?;
        }
        self.walk.as_ref().map_or(Ok(()), |walk| walk.finish(last_needle))?;
        self.look.as_ref().map_or(Ok(()), |look| look.content.check_whole(is_gzip))
    }
}

impl Look<'_> {
    fn block(&mut self, block: &[u8], is_gzip: bool) -> Result<(), Fault> {
        self.content.push(block);
        if self.content.is_utf16() {
            // Its ASCII characters have a zero byte each.
            self.search.push(&block.iter().copied().filter(|byte| *byte != 0).collect::<Vec<_>>());
        } else {
            self.search.push(block);
        }
        if self.other_bytes.is_some_and(|most| self.content.seen() > most) {
            self.content.check_beginning(is_gzip)?;
        }
        self.content.check_readable(is_gzip)
    }

    fn findings(&self) -> Findings {
        Findings {
            last_needle: self.search.last_needle(),
            last_hint: self.search.last_hint(),
            is_log: self.content.is_log(),
            records: self.content.records(),
            begins_like_json: self.content.check_beginning(true).is_ok(),
        }
    }
}
