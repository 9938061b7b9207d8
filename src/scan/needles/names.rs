//! The names of calls, as needles.

use std::collections::HashSet;

use memchr::memmem::Finder;

/// Names of calls, each a needle that is found only as the value of `eventName`: one search for this key costs less than one for
/// each name.
pub struct Names {
    key: Finder<'static>,
    names: HashSet<&'static str>,
    longest: usize,
}

const NAME_KEY: &str = "eventName";
/// Between the key and the name are quotes, a colon, spaces, and backslashes where a record is a string in another document.
/// More than these may be anything, and count as a name.
const MOST_SEPARATORS: usize = 16;

impl Names {
    pub fn new(names: HashSet<&'static str>) -> Option<Names> {
        let longest = names.iter().map(|name| name.len()).max()?;
        Some(Names { key: Finder::new(NAME_KEY), names, longest })
    }

    pub fn have_digit(&self) -> bool {
        self.names.iter().any(|name| name.bytes().any(|byte| byte.is_ascii_digit()))
    }

    /// The most bytes from the first of the key to the first after the name.
    pub fn span(&self) -> usize {
        NAME_KEY.len() + MOST_SEPARATORS + self.longest + 1
    }

    /// The ends of all names in a text. A name that the text's end cuts is none.
    pub fn ends<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = usize> + use<'_, 't> {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        self.key.find_iter(text).filter_map(move |at| {
            let from = at + NAME_KEY.len();
            let rest = &text[from..];
            let Some(start) = rest.iter().take(MOST_SEPARATORS + 1).position(is_word) else {
                return (rest.len() > MOST_SEPARATORS).then_some(from);
            };
            let word = &rest[start..];
            let end = word.iter().take(self.longest + 1).position(|byte| !is_word(byte))?;
            let name = str::from_utf8(&word[..end]).ok()?;
            self.names.contains(name).then_some(from + start + end)
        })
    }
}
