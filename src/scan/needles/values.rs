//! The values of one key, if they are words.

use memchr::memmem::Finder;

/// Finds the words that are values of one key: one search for the key costs less than one for each word.
pub struct Values {
    key: Finder<'static>,
    longest: usize,
}

/// A value of the key.
#[derive(Debug, PartialEq, Eq)]
pub enum Value<'t> {
    Word {
        word: &'t str,
        /// Where it ends in the text.
        end: usize,
    },
    /// It may be anything, and the key ends here.
    Unknown { end: usize },
}

/// Between the key and the word are quotes, a colon, spaces, and backslashes where a record is a string in another document.
/// More than these may be anything.
const MAX_SEPARATORS: usize = 16;

impl Values {
    /// Of words that have at most `longest` bytes.
    pub fn new(key: &'static str, longest: usize) -> Values {
        Values { key: Finder::new(key), longest }
    }

    /// The most bytes from the first of the key to the first after the word.
    pub fn span(&self) -> usize {
        self.key.needle().len() + MAX_SEPARATORS + self.longest + 1
    }

    /// All values in a text. Longer words are left out, as is one that the text's end cuts.
    pub fn find<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = Value<'t>> + use<'_, 't> {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        self.key.find_iter(text).filter_map(move |at| {
            let from = at + self.key.needle().len();
            let rest = &text[from..];
            let Some(start) = rest.iter().take(MAX_SEPARATORS + 1).position(is_word) else {
                return (rest.len() > MAX_SEPARATORS).then_some(Value::Unknown { end: from });
            };
            let word = &rest[start..];
            let end = word.iter().take(self.longest + 1).position(|byte| !is_word(byte))?;
            let word = str::from_utf8(&word[..end]).ok()?;
            Some(Value::Word { word, end: from + start + end })
        })
    }
}
