//! As much of JSON's grammar as a walk needs.

use memchr::memchr;

use crate::scan::forms::LISTS;

/// Where the quote is that closes the string whose content begins at `begin`.
#[inline]
pub fn closing_quote(block: &[u8], begin: usize) -> Option<usize> {
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
pub fn ends_in_escape(text: &[u8]) -> bool {
    text.ends_with(b"\\") && text.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Whether JSON may have a byte outside of strings and brackets. A needle has others.
pub fn is_bare(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_digit() || byte.is_ascii_lowercase() || b",:+-.E".contains(&byte)
}

/// Whether a key, with its quotes, is that of a list of records, however it is escaped.
pub fn is_list(key: &[u8]) -> bool {
    serde_json::from_slice::<String>(key).is_ok_and(|key| LISTS.contains(&key.as_str()))
}
