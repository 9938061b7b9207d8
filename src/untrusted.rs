//! A string from a log. Anyone who makes API calls in the account can choose it.
//!
//! JSON carries it exactly. A terminal, an email client and a shell can each be deceived in their own way, so an
//! [`Untrusted`] has no `Display`: every text format must choose how to make it safe.

mod links;

use std::fmt::{self, Write};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A string that an attacker may have chosen.
///
/// ```compile_fail
/// let name = quarantine_alert::untrusted::Untrusted::new("x");
/// println!("{name}");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Untrusted(String);

/// What RFC 3986 does not allow in a URL, and the characters with which a shell or markup begins a command.
const NOT_IN_URLS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'$')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A string is carried exactly up to this many bytes. A longer one is cut.
pub const EXACT_BYTES: usize = 4 * 1024;

impl Untrusted {
    pub fn new(text: impl Into<String>) -> Self {
        Untrusted(text.into())
    }

    /// Whether the string passes a condition. The closure must not leak it.
    pub fn test(&self, condition: impl FnOnce(&str) -> bool) -> bool {
        condition(&self.0)
    }

    /// A part of the string, as untrusted as the whole.
    pub fn part(&self, find: impl FnOnce(&str) -> Option<&str>) -> Option<Untrusted> {
        find(&self.0).map(Untrusted::new)
    }

    /// The string after a trusted prefix, as untrusted as before.
    pub fn prefixed(&self, prefix: &str) -> Untrusted {
        Untrusted(format!("{prefix}{}", self.0))
    }

    /// Whether serializing it cuts it.
    pub fn is_cut(&self) -> bool {
        self.is_longer_than(EXACT_BYTES)
    }

    /// The number of bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Untrusted>() + self.0.capacity()
    }

    pub fn is_longer_than(&self, bytes: usize) -> bool {
        self.0.len() > bytes
    }

    /// The string itself if it is a name that IAM allows: at most 128 of `A-Z a-z 0-9 _ + = , . @ -`. Such a name is safe in
    /// any text and, quoted, in a command line.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
    pub fn iam_name(&self) -> Option<&str> {
        self.if_made_of(1..=128, |byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
    }

    /// The string itself if it is an account id: 12 digits.
    pub fn account_id(&self) -> Option<&str> {
        self.if_made_of(12..=12, |byte| byte.is_ascii_digit())
    }

    /// The string itself if it is an access key id: `A` and 15 to 127 of `A-Z 0-9`.
    pub fn access_key_id(&self) -> Option<&str> {
        let id = self.if_made_of(16..=128, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())?;
        id.starts_with('A').then_some(id)
    }

    /// The string itself if it may be the ARN of a policy: IAM names, `:` and `/`, and no URL.
    pub fn arn(&self) -> Option<&str> {
        self.if_made_of(20..=2048, |byte| byte.is_ascii_alphanumeric() || b"_+=,.@-:/".contains(&byte))
            .filter(|arn| !arn.contains("://"))
    }

    /// The string itself if it may be the name of a bucket. Old ones have capitals and underscores.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
    pub fn bucket_name(&self) -> Option<&str> {
        self.if_made_of(3..=63, |byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    }

    /// The string itself if it has the form of AWS's regions, partitions, request and event ids: letters, digits and `-`.
    pub fn identifier(&self) -> Option<&str> {
        self.if_made_of(1..=64, |byte| byte.is_ascii_alphanumeric() || byte == b'-')
    }

    fn if_made_of(&self, length: std::ops::RangeInclusive<usize>, allowed: impl Fn(u8) -> bool) -> Option<&str> {
        (length.contains(&self.0.len()) && self.0.bytes().all(allowed)).then_some(self.0.as_str())
    }

    /// A copy, cut to at most `max_bytes`.
    pub fn shortened(&self, max_bytes: usize) -> Untrusted {
        let mut copy = self.clone();
        copy.cut(max_bytes);
        copy
    }

    /// The longest part of ASCII letters, digits and `_` that has at least `min` and at most 128 characters.
    pub fn longest_word(&self, min: usize) -> Option<String> {
        let words = self.0.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| (min..=128).contains(&word.len())).max_by_key(|word| word.len()).map(str::to_owned)
    }

    /// See [`fingerprint`].
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.0)
    }

    /// Cuts it to at most `max_bytes`.
    pub fn cut(&mut self, max_bytes: usize) {
        self.0.truncate(self.0.floor_char_boundary(max_bytes));
    }

    /// One line of text for people, at most `max_chars` long. See [`visible`].
    pub fn visible(&self, max_chars: usize) -> String {
        visible(&self.0, max_chars)
    }

    /// [`Untrusted::visible`] without URLs, which a mail or chat client would make links.
    pub fn unlinked(&self, max_chars: usize) -> String {
        links::defanged(&self.visible(max_chars), links::Hosts::InUrls)
    }

    /// [`Untrusted::unlinked`] for free text, which may have the names of hosts alone. Names of users look like them.
    pub fn unlinked_text(&self, max_chars: usize) -> String {
        links::defanged(&self.visible(max_chars), links::Hosts::All)
    }

    /// A URL for people, in printable ASCII, at most `max_chars` of it. It is the same URL: what a URL may not contain is
    /// percent-encoded. No client makes a link of it.
    pub fn defanged_url(&self, max_chars: usize) -> String {
        let url = utf8_percent_encode(&self.0, NOT_IN_URLS).to_string();
        links::defanged(&visible(&url, max_chars), links::Hosts::All)
    }

    /// One line of printable ASCII, at most `max` characters long and never empty. Other characters become `?`.
    pub fn ascii(&self, max: usize) -> String {
        let text = links::defanged(&self.0, links::Hosts::InUrls);
        let is_longer = text.chars().nth(max).is_some();
        let mut text: String =
            text.chars().take(max).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect();
        if is_longer {
            text.replace_range(max.saturating_sub(2).., "..");
        }
        if text.trim().is_empty() { "unknown".into() } else { text }
    }
}

/// 32 hexadecimal digits that identify a text: the first half of its SHA-256.
pub fn fingerprint(text: &str) -> String {
    let number = Sha256::digest(text).iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte));
    format!("{number:032x}")
}

/// One line of text that hides nothing and has no effect on a terminal: control, zero-width and direction-changing
/// characters are shown as `\u{…}`, and a text of more than `max_chars` is cut with `…`.
pub fn visible(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == max_chars {
            line.push('…');
            break;
        }
        if acts(c) { line.extend(c.escape_unicode()) } else { line.push(c) }
    }
    line
}

/// Characters that move, hide or reorder text: Unicode's general categories Cc, Cf, Zl, Zp and Co, and blank letters
/// (UTS #39). Other spaces than U+0020 are visible, and not among them.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

/// A character as JSON escapes it.
pub fn push_escaped(json: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(json, "\\u{unit:04x}");
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Untrusted::new(text)
    }
}

impl Serialize for Untrusted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0[..self.0.floor_char_boundary(EXACT_BYTES)])
    }
}

/// Debug output ends up in logs and panics, so it shows only the length.
impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untrusted({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests;
