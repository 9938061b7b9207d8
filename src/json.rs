//! JSON that others wrote, parsed one level at a time: neither its depth nor a value that cannot be read hides the rest.

use std::{
    borrow::{Borrow, Cow},
    collections::BTreeMap,
    fmt,
};

use serde::Deserialize;
use serde_json::value::RawValue;

/// An object. The last of duplicate fields counts, as with most JSON parsers. Values stay text, so that deep nesting cannot
/// overflow the stack.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub struct Fields<'a>(#[serde(borrow)] BTreeMap<Name<'a>, &'a RawValue>);

/// Most names have no escapes, and need no copy.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
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
        self.0.get(name).copied()
    }

    /// A field of another type counts as missing, as with all methods here.
    pub fn text(&self, name: &str) -> Option<String> {
        self.str(name).map(Cow::into_owned)
    }

    /// The same without a copy, if the field has no escapes.
    pub fn str(&self, name: &str) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        self.value(name).map(|Text(text)| text)
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
        self.0.keys().map(|name| &*name.0)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (&*name.0, *value))
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

/// Ordinary parsers of other languages take 64 levels (.NET), 100 (Ruby) or 128 (serde). An alert has two around a record, and
/// real records have fewer than 20.
const MAX_DEPTH: usize = 60;
/// A longer number cannot be exact. Python refuses one of 4,301 digits, and with it the whole document.
const MAX_NUMBER_BYTES: usize = 64;

/// The same JSON with `null` in place of what ordinary parsers refuse: a value in more than [`MAX_DEPTH`] others, and a number that
/// is longer than [`MAX_NUMBER_BYTES`] or that no `f64` can hold.
pub fn bounded(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let (mut text, mut copied, mut at, mut depth) = (String::new(), 0, 0, 0_usize);
    while at < bytes.len() {
        let (end, is_refused) = match bytes[at] {
            b'"' => (string_end(bytes, at), false),
            b'{' | b'[' if depth == MAX_DEPTH => (value_end(bytes, at), true),
            b'{' | b'[' => {
                depth += 1;
                (at + 1, false)
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                (at + 1, false)
            }
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let end = at + bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                let is_finite = json[at..end].parse::<f64>().is_ok_and(f64::is_finite);
                (end, end - at > MAX_NUMBER_BYTES || !is_finite)
            }
            _ => (at + 1, false),
        };
        if is_refused {
            text.push_str(&json[copied..at]);
            text.push_str("null");
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return json.into();
    }
    text.push_str(&json[copied..]);
    text.into()
}

/// Where the string ends that begins here.
fn string_end(json: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(found) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        match json[at - 1] {
            b'"' => return at,
            // The escaped character.
            _ => at += 1,
        }
    }
    json.len()
}

/// Where the object or list ends that begins here.
fn value_end(json: &[u8], begin: usize) -> usize {
    let (mut at, mut depth) = (begin, 0_usize);
    while at < json.len() {
        match json[at] {
            b'"' => {
                at = string_end(json, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
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

impl JsonError {
    /// Whether it is JSON, but of another type.
    pub fn is_other_type(&self) -> bool {
        self.problem == Problem::OtherType
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

    #[test]
    fn what_parsers_refuse_becomes_null() {
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(bounded(&deep(60)), deep(60));
        assert_eq!(bounded(&deep(61)), deep(60).replace('1', "null"));
        assert_eq!(bounded(&deep(100_000)), deep(60).replace('1', "null"));
        let text = format!(r#"{{"a":{},"b":"]\"[[","c":{{"d":{}}}}}"#, deep(99), deep(99).replace('1', r#""]\"[""#));
        let found: serde_json::Value = serde_json::from_str(&bounded(&text)).unwrap();
        assert_eq!((&found["b"], found["c"]["d"].is_array()), (&serde_json::json!("]\"[["), true));
        for (number, is_kept) in [
            ("-12.5e+3", true),
            ("18446744073709551616", true),
            ("0.1000000000000000055511151231257827021181583404541015625", true),
            ("1e308", true),
            ("1e309", false),
            ("-1E999", false),
            (&"9".repeat(64), true),
            (&"9".repeat(65), false),
            (&"9".repeat(100_000), false),
            (&format!("0.{}", "3".repeat(99)), false),
        ] {
            let text = format!(r#"{{"a":[{number},"{number}"],"b":{number}}}"#);
            let shown = if is_kept { number } else { "null" };
            assert_eq!(bounded(&text), format!(r#"{{"a":[{shown},"{number}"],"b":{shown}}}"#));
        }
        // Anything is taken, even if it is not JSON.
        for text in ["", "\"", "\"\\", "]]]", "-", "[1"] {
            _ = bounded(text);
        }
    }
}
