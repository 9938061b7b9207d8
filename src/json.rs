//! JSON that others wrote, parsed one level at a time: neither its depth nor a value that cannot be read hides the rest.

mod bounded;

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

pub use bounded::bounded;

/// An object. The last of duplicate fields counts, as with most JSON parsers. Values stay text, so that deep nesting cannot
/// overflow the stack.
#[derive(Default)]
pub struct Fields<'a>(
    /// In their order. Few are asked for, and most names differ in length, so that a map costs more than it saves.
    Vec<(Name<'a>, &'a RawValue)>,
);

/// Most names have no escapes, and need no copy.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'a>, D::Error> {
        deserializer.deserialize_map(OfMap)
    }
}

struct OfMap;

impl<'de> Visitor<'de> for OfMap {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        // As many as most records have, and few enough for the allocator of small blocks.
        let mut fields = Vec::with_capacity(24);
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

/// Why a text is not what it should be, without its values: they may be secrets, or a megabyte.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line}, column {column}")]
pub struct JsonError {
    problem: Problem,
    line: usize,
    column: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Incomplete,
    Malformed,
    OtherType,
}

impl<'a> Fields<'a> {
    /// # Errors
    /// The text is not a JSON object.
    pub fn of(text: &'a str) -> Result<Fields<'a>, JsonError> {
        Ok(serde_json::from_str(text)?)
    }

    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rfind(|(found, _)| found.0 == name).map(|(_, value)| *value)
    }

    /// A field of another type counts as missing, as with all methods here.
    pub fn text(&self, name: &str) -> Option<String> {
        self.str(name).map(Cow::into_owned)
    }

    /// The same without a copy, if the field has no escapes.
    pub fn str(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.raw(name)?.get())
    }

    /// Whether the field is this text.
    pub fn is(&self, name: &str, text: &str) -> bool {
        self.str(name).is_some_and(|found| found == text)
    }

    pub fn object(&self, name: &str) -> Option<Fields<'a>> {
        self.value(name)
    }

    pub fn list(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        self.value(name)
    }

    /// A value of a type that serde reads.
    pub fn value<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &'a RawValue)> {
        let fields: BTreeMap<&str, &RawValue> = self.0.iter().map(|(name, value)| (&*name.0, *value)).collect();
        fields.into_iter()
    }
}

/// The text of a JSON string, copied only if it has escapes. `None` for any other value.
pub fn text(json: &str) -> Option<Cow<'_, str>> {
    let plain = json.strip_prefix('"')?.strip_suffix('"')?;
    match memchr::memchr(b'\\', plain.as_bytes()) {
        None => Some(Cow::Borrowed(plain)),
        Some(_) => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// The same text as UTF-8 that every JSON parser takes: bytes that are not UTF-8 and lone surrogates become U+FFFD. JSON's
/// grammar allows `"\ud800"`, but strict parsers refuse the whole document (RFC 8259, section 8.2).
pub fn repaired(text: &[u8]) -> Cow<'_, str> {
    // The lossy conversion is several times slower, even for text that needs none.
    let json = str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed);
    if ["\\ud", "\\uD"].iter().all(|escape| memchr::memmem::find(text, escape.as_bytes()).is_none()) {
        return json;
    }
    let mut repaired = String::with_capacity(json.len());
    let mut rest = json.as_ref();
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at(at);
        repaired.push_str(before);
        let taken = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(_), _) => {
                repaired.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            // In text that is not JSON, the escaped character may have several bytes.
            (None, _) => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        repaired.push_str(&escape[..taken]);
        rest = &escape[taken..];
    }
    repaired.push_str(rest);
    repaired.into()
}

/// The surrogate whose escape the text begins with.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok().filter(|unit| (0xD800..=0xDFFF).contains(unit))
}

/// serde's own text would repeat the value.
impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> JsonError {
        let problem = match error.classify() {
            serde_json::error::Category::Eof => Problem::Incomplete,
            serde_json::error::Category::Data => Problem::OtherType,
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => Problem::Malformed,
        };
        JsonError { problem, line: error.line(), column: error.column() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Incomplete => "its JSON ends early",
            Problem::Malformed => "its JSON is malformed",
            Problem::OtherType => "its JSON has a value of another type",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_hides_no_other() {
        let text = format!(r#"{{"a":{}1{},"b":1e999,"c":"x","c":"y"}}"#, "[".repeat(9999), "]".repeat(9999));
        let fields = Fields::of(&text).unwrap();
        assert_eq!((fields.text("a"), fields.text("b"), fields.text("c")), (None, None, Some("y".into())));
    }

    #[test]
    fn an_error_does_not_repeat_the_value() {
        let sentence = |text: &str| Fields::of(text).err().unwrap().to_string();
        assert_eq!(
            sentence(&format!("\"{}\"", "secret".repeat(9))),
            "its JSON has a value of another type at line 1, column 56"
        );
        assert_eq!(sentence("{\"a\":"), "its JSON ends early at line 1, column 5");
        assert_eq!(sentence("{secret"), "its JSON is malformed at line 1, column 2");
    }

    #[test]
    fn lone_surrogates_and_invalid_utf8_are_replaced() {
        let text = repaired(b"\"a\\ud800b\\uDC00\xff\\ud83d\\ude00\\\\ud800\"");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), "a\u{fffd}b\u{fffd}\u{fffd}😀\\ud800");
        assert_eq!(repaired(b"\\"), "\\");
    }
}
