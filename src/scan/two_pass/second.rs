//! The second pass: goes from record to record, and returns those that contain a needle.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::{PassState, STORED_AT_ONCE, Settings};
use crate::scan::{Fault, Needles, inflate::Inflate, walk::Walk};

pub(super) struct SecondPass<'n> {
    inflate: Inflate,
    walk: Walk<'n>,
    /// Where the pass may end, in inflated bytes.
    pub last_needle: Option<u64>,
    fault: Option<Fault>,
}

impl<'n> SecondPass<'n> {
    pub fn new(needles: &'n Needles, settings: Settings, last_needle: Option<u64>) -> Self {
        let inflate = Inflate::new(settings.limit_mib);
        SecondPass { inflate, walk: Walk::new(needles, settings.form, last_needle), last_needle, fault: None }
    }

    /// Walks the next block at the front of the chunk. The candidates of one block bound the memory that they take.
    pub fn walk(&mut self, chunk: &mut Bytes, candidates: &mut VecDeque<Vec<u8>>) -> PassState {
        let all = &chunk[..chunk.len().min(STORED_AT_ONCE)];
        let mut rest = all;
        let walked = self.walk_block(&mut rest, candidates);
        let used = all.len() - rest.len();
        chunk.advance(used);
        match walked {
            Ok(_) if self.walk.is_done() => PassState::Enough,
            Ok(false) if chunk.is_empty() => PassState::Spent,
            Ok(_) => PassState::Yield,
            Err(fault) => {
                self.fault = Some(fault);
                PassState::Enough
            }
        }
    }

    fn walk_block(&mut self, chunk: &mut &[u8], candidates: &mut VecDeque<Vec<u8>>) -> Result<bool, Fault> {
        let Some(block) = self.inflate.next(chunk)? else { return Ok(false) };
        self.walk.block(block, candidates)?;
        Ok(true)
    }

    pub fn inflated_bytes(&self) -> u64 {
        self.inflate.inflated_bytes()
    }

    pub fn finish(self) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if !self.walk.is_done() {
            self.inflate.finish()?;
        }
        self.walk.finish()
    }
}
