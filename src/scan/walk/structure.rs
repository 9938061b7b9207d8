//! The brackets of JSON, 64 bytes at a time: each byte of interest is a bit, so that a string costs no more than its bytes.
//!
//! Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019: <https://arxiv.org/abs/1902.08318>

use wide::u8x16;

const WORD_BYTES: usize = 64;
const LANE: usize = 16;

/// Where the walk is in a string, between two words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub in_string: bool,
    /// Whether the next byte of the string is escaped.
    pub is_escaped: bool,
}

/// Where the bracket ends that brings the depth down to `least`, or `None` if none in the text does. `depth` and `place` are those
/// where the text begins, and then those where the search ends.
pub fn end_of_brackets(text: &[u8], depth: &mut u64, least: u64, place: &mut Place) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let length = rest.len().min(WORD_BYTES);
        let brackets = match rest.first_chunk() {
            Some(word) => brackets(word, length, place),
            None => {
                let mut word = [b' '; WORD_BYTES];
                word[..length].copy_from_slice(rest);
                brackets(&word, length, place)
            }
        };
        if let Some(bracket) = brackets.descend(depth, least) {
            return Some(at + bracket + 1);
        }
        at += length;
    }
    None
}

/// The brackets of a word outside of strings, a bit for each byte.
struct Brackets {
    opening: u64,
    closing: u64,
}

impl Brackets {
    /// The bracket with which the depth falls to `least`. `depth` becomes that after the word, or after that bracket.
    #[inline]
    fn descend(&self, depth: &mut u64, least: u64) -> Option<usize> {
        // Most words have fewer closing brackets than there are open ones.
        if *depth - least > u64::from(self.closing.count_ones()) {
            *depth = *depth + u64::from(self.opening.count_ones()) - u64::from(self.closing.count_ones());
            return None;
        }
        let mut all = self.opening | self.closing;
        while all != 0 {
            let at = all.trailing_zeros();
            all &= all - 1;
            if self.opening >> at & 1 == 1 {
                *depth += 1;
            } else {
                *depth -= 1;
                if *depth == least {
                    return Some(at as usize);
                }
            }
        }
        None
    }
}

/// The brackets of the next word, of which `length` bytes count. `place` is where it begins, and then where it ends. Outside of
/// strings there are no backslashes in JSON.
#[inline]
fn brackets(word: &[u8; WORD_BYTES], length: usize, place: &mut Place) -> Brackets {
    let [mut quotes, mut backslashes, mut opening, mut closing] = [0u64; 4];
    for (number, lane) in word.as_chunks::<LANE>().0.iter().enumerate() {
        let bytes = u8x16::new(*lane);
        // `{` and `[` differ in one bit only, as do `}` and `]`.
        let folded = bytes | u8x16::splat(0x20);
        let bits =
            |bytes: u8x16, byte: u8| u64::from(bytes.simd_eq(u8x16::splat(byte)).to_bitmask()) << (number * LANE);
        quotes |= bits(bytes, b'"');
        backslashes |= bits(bytes, b'\\');
        opening |= bits(folded, b'{');
        closing |= bits(folded, b'}');
    }
    let (escaped, carry) = escaped(backslashes, place.is_escaped);
    quotes &= !escaped;
    // From each quote to the next, all bits are set.
    let carried = if place.in_string { u64::MAX } else { 0 };
    let strings = [1, 2, 4, 8, 16, 32].iter().fold(quotes, |bits, by| bits ^ bits << by) ^ carried;
    place.in_string = strings >> (length - 1) & 1 == 1;
    place.is_escaped = if length == WORD_BYTES { carry } else { escaped >> length & 1 == 1 };
    Brackets { opening: opening & !strings, closing: closing & !strings }
}

/// The bytes that a backslash escapes, and whether the next word's first byte is one. Few words have any.
#[inline]
fn escaped(mut backslashes: u64, is_first: bool) -> (u64, bool) {
    let (mut escaped, mut carry) = (u64::from(is_first), false);
    while backslashes != 0 {
        let at = backslashes.trailing_zeros() as usize;
        backslashes &= backslashes - 1;
        if escaped >> at & 1 == 0 {
            match at + 1 {
                WORD_BYTES => carry = true,
                next => escaped |= 1 << next,
            }
        }
    }
    (escaped, carry)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// The same, byte by byte.
    fn plain(text: &[u8], place: &mut Place) -> (u64, u64) {
        let (mut opening, mut closing) = (0, 0);
        for (at, byte) in text.iter().enumerate() {
            let is_escaped = std::mem::take(&mut place.is_escaped);
            match byte {
                b'\\' => place.is_escaped = !is_escaped,
                b'"' if !is_escaped => place.in_string = !place.in_string,
                b'{' | b'[' if !place.in_string => opening |= 1 << at,
                b'}' | b']' if !place.in_string => closing |= 1 << at,
                _ => {}
            }
        }
        (opening, closing)
    }

    proptest! {
        #[test]
        fn words_give_what_bytes_give(text in vec(select(br#"{}[]"\a, {\"\\"#.to_vec()), 1..64 * 8)) {
            let (mut place, mut expected) = (Place::default(), Place::default());
            for part in text.chunks(WORD_BYTES) {
                let mut word = [b' '; WORD_BYTES];
                word[..part.len()].copy_from_slice(part);
                let found = brackets(&word, part.len(), &mut place);
                prop_assert_eq!((found.opening, found.closing), plain(part, &mut expected));
                prop_assert_eq!(place, expected);
            }
        }
    }
}
