//! Copies of the table's documents in this process.

use std::collections::HashMap;

use super::{Decision, Document, Question};

/// The documents that this process has seen. Decisions use them while the table is unavailable, and alerted incidents in them
/// are final.
#[derive(Default)]
pub struct Memory(pub(super) HashMap<String, Document>);

/// Beyond these numbers all documents are forgotten, which can duplicate an alert but never lose one.
pub(super) const MAX_DOCUMENTS: usize = 1000;
/// Nearly every entity has one or two. They take half a kilobyte each.
pub(super) const MAX_KNOWN_INCIDENTS: usize = 20_000;

impl Memory {
    pub fn load(&self, entity: &str) -> Document {
        self.0.get(entity).cloned().unwrap_or_else(|| Document::unknown(entity))
    }

    /// The decision on a match, if it is final and this version of its document, or an earlier one, is known.
    pub fn final_decision(&self, question: &Question, version: u64) -> Option<Decision> {
        let document = self.0.get(&question.key.entity).filter(|document| document.version <= version)?;
        document.final_decision(question)
    }

    /// A newer known document stays: a table that can be read but not written falls behind.
    pub fn store(&mut self, document: Document) {
        if self.0.get(&document.dedup_key).is_some_and(|known| known.version > document.version) {
            return;
        }
        let others = self.0.values().filter(|known| known.dedup_key != document.dedup_key);
        let known = others.clone().map(|known| known.incidents.len()).sum::<usize>();
        if others.count() >= MAX_DOCUMENTS || known + document.incidents.len() > MAX_KNOWN_INCIDENTS {
            self.0.clear();
        }
        self.0.insert(document.dedup_key.clone(), document);
    }
}
