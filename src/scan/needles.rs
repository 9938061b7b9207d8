//! The byte strings that a file is searched for, and the search over a stream of blocks.

use std::collections::BTreeSet;

use memchr::memmem::Finder;

/// A set of needles. Whoever wants records from a scan brings the needles that those records hold; a byte
/// search is a hint, and parsed fields decide.
pub struct Needles {
    finders: Vec<Finder<'static>>,
    escape: Finder<'static>,
    /// `\u00` and one of these digits could write a character of a needle.
    escape_digits: &'static [u8],
    /// One less than the longest thing that is searched for.
    overlap: usize,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be searched for: a needle is 1 to {MOST_BYTES} ASCII letters, digits and `_`, since JSON may escape the rest at will"
)]
pub struct NeedleError(String);

/// An access key id has at most 128 characters.
const MOST_BYTES: usize = 128;
/// `\u004`: as much of an escape as must be seen at once.
const ESCAPE_BYTES: usize = 5;

impl Needles {
    /// # Errors
    /// A needle holds another character than an ASCII letter, a digit or `_`, or is empty or too long.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Needles, NeedleError> {
        let (mut finders, mut overlap, mut digits) = (Vec::new(), ESCAPE_BYTES - 1, false);
        // Rules share needles: each costs a pass.
        for text in BTreeSet::from_iter(texts) {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if !(1..=MOST_BYTES).contains(&text.len()) || !text.bytes().all(allowed) {
                return Err(NeedleError(text.into()));
            }
            overlap = overlap.max(text.len() - 1);
            digits |= text.bytes().any(|byte| byte.is_ascii_digit());
            finders.push(Finder::new(text.as_bytes()).into_owned());
        }
        // `\u003c`, `\u003d` and `\u003e` stand in ordinary records: look at `\u003` only if a digit could hide there.
        let escape_digits = if digits { b"34567".as_slice() } else { b"4567" };
        Ok(Needles { finders, escape: Finder::new(r"\u00").into_owned(), escape_digits, overlap })
    }

    /// Whether the text holds a needle, or an escape that may hide one.
    pub fn found_in(&self, text: &[u8]) -> bool {
        self.finders.iter().any(|finder| finder.find(text).is_some()) || self.escapes(text).next().is_some()
    }

    /// Where the last needle or suspicious escape ends.
    fn last_in(&self, text: &[u8]) -> Option<usize> {
        let needles =
            self.finders.iter().filter_map(|finder| finder.find_iter(text).last().map(|at| at + finder.needle().len()));
        needles.chain(self.escapes(text).last()).max()
    }

    /// The ends of all escapes that may hide a character of a needle.
    fn escapes<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = usize> + use<'_, 't> {
        self.escape
            .find_iter(text)
            .map(|at| at + ESCAPE_BYTES)
            .filter(move |&end| text.get(end - 1).is_some_and(|digit| self.escape_digits.contains(digit)))
    }
}

/// A search over blocks that follow each other: what lies across their borders is found too.
pub(super) struct Search<'n> {
    needles: &'n Needles,
    /// The end of what was searched, as long as the overlap.
    tail: Vec<u8>,
    /// How many bytes were searched.
    searched: u64,
    last: Option<u64>,
}

impl<'n> Search<'n> {
    pub fn new(needles: &'n Needles) -> Self {
        Search { needles, tail: Vec::new(), searched: 0, last: None }
    }

    pub fn push(&mut self, block: &[u8]) {
        let overlap = self.needles.overlap;
        let seam_start = self.searched - self.tail.len() as u64;
        self.tail.extend_from_slice(&block[..block.len().min(overlap)]);
        self.note(self.needles.last_in(&self.tail), seam_start);
        self.note(self.needles.last_in(block), self.searched);
        self.searched += block.len() as u64;
        if block.len() >= overlap {
            self.tail.clear();
            self.tail.extend_from_slice(&block[block.len() - overlap..]);
        } else {
            self.tail.drain(..self.tail.len().saturating_sub(overlap));
        }
    }

    /// Where the last needle ends, counted from the first byte of the first block.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    fn note(&mut self, end: Option<usize>, start: u64) {
        self.last = self.last.max(end.map(|end| start + end as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needles_that_json_may_escape_are_refused() {
        for text in ["", "arn:aws", "a b", "a/b", "ü", &"x".repeat(129)] {
            assert!(Needles::new([text]).is_err(), "{text}");
        }
        assert!(Needles::new(["Policy_DO_NOT_REMOVE", "AKIAIOSFODNN7EXAMPLE"]).is_ok());
    }

    #[test]
    fn the_last_needle_is_found_across_every_block_border() {
        let needles = Needles::new(["QuarantineX", "Attach"]).unwrap();
        for (text, end) in
            [("..Attach....QuarantineX..", 23), ("..QuarantineX....Attach.", 23), (r"...\u0051uar....", 8)]
        {
            for size in 1..=text.len() {
                let mut search = Search::new(&needles);
                text.as_bytes().chunks(size).for_each(|block| search.push(block));
                assert_eq!(search.last(), Some(end), "{text} in blocks of {size}");
            }
        }
    }

    #[test]
    fn escapes_that_hide_no_letter_are_passed_over() {
        let letters = Needles::new(["Quarantine"]).unwrap();
        let digits = Needles::new(["AKIA7"]).unwrap();
        assert!(!letters.found_in(br"\u003c \u003d \u003e \u0026 \u0027 \u2603 \n"));
        assert!(letters.found_in(br"\u005a") && letters.found_in(br"\u0061"));
        assert!(!letters.found_in(br"\u0037") && digits.found_in(br"\u0037"));
    }
}
