//! JSON that ordinary parsers take.

use std::borrow::Cow;

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

#[cfg(test)]
mod tests {
    use super::*;

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
