//! The search for a set of needles in one text.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind, packed};
use memchr::memmem::Finder;

use super::Needle;

/// Searches for needles where [`packed`] cannot, and tests whether a text has one.
pub enum Finders {
    Few(Vec<Finder<'static>>),
    Many(Box<AhoCorasick>),
}

/// Up to this many needles, a pass for each costs about as much as one for all.
const FEW: usize = 12;
/// A table for this many needles takes a few megabytes.
const TABLED: usize = 500;

/// A search for a few needles and for escapes in one pass, where the processor has vectors for it. An escape must not cover the
/// beginning of a needle, since what it finds does not overlap.
pub fn packed(needles: &BTreeSet<Needle>, escape: &str) -> Option<packed::Searcher> {
    let is_covered = |needle: &Needle| {
        (1..escape.len()).any(|at| needle.0.starts_with(&escape[at..]) || escape[at..].starts_with(&*needle.0))
    };
    if needles.len() > FEW || needles.iter().any(is_covered) {
        return None;
    }
    let mut builder = packed::Config::new().match_kind(packed::MatchKind::LeftmostLongest).builder();
    builder.extend(needles.iter().map(|needle| needle.0.as_bytes())).add(escape);
    builder.build()
}

impl Finders {
    pub fn new(needles: &BTreeSet<Needle>) -> Finders {
        let few = || needles.iter().map(|needle| Finder::new(needle.0.as_bytes()).into_owned()).collect();
        if needles.len() <= FEW {
            return Finders::Few(few());
        }
        // The automaton with one table is twice as fast, and larger than any cache for thousands of needles.
        let kind = if needles.len() <= TABLED { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let builder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).kind(Some(kind)).clone();
        // It only fails for more needles than memory holds.
        let many = builder.build(needles.iter().map(|needle| needle.0.as_bytes()));
        many.map_or_else(|_| Finders::Few(few()), |many| Finders::Many(many.into()))
    }

    pub fn are_in(&self, text: &[u8]) -> bool {
        match self {
            Finders::Few(finders) => finders.iter().any(|finder| finder.find(text).is_some()),
            Finders::Many(automaton) => automaton.is_match(text),
        }
    }

    /// Takes where each needle ends.
    pub fn each_in(&self, text: &[u8], mut take: impl FnMut(usize)) {
        match self {
            Finders::Few(finders) => finders.iter().for_each(|finder| {
                finder.find_iter(text).for_each(|at| take(at + finder.needle().len()));
            }),
            // Needles overlap only within one word, so within one string of one record.
            Finders::Many(automaton) => automaton.find_iter(text).for_each(|found| take(found.end())),
        }
    }
}
