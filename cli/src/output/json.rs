//! JSON in which nothing acts on a terminal.

use quarantine_alert::untrusted::{acts, push_escaped};
use serde::Serialize;

/// One array, one value per line.
pub fn array<T: Serialize>(values: &[T]) -> anyhow::Result<String> {
    let values: Vec<String> = values.iter().map(one_line).collect::<Result<_, _>>()?;
    Ok(if values.is_empty() { "[]\n".into() } else { format!("[\n{}\n]\n", values.join(",\n")) })
}

/// One value on one line.
pub fn one<T: Serialize>(value: &T) -> anyhow::Result<String> {
    Ok(one_line(value)? + "\n")
}

/// One value per line.
pub fn lines<T: Serialize>(values: &[T]) -> anyhow::Result<String> {
    values.iter().map(|value| Ok(one_line(value)? + "\n")).collect()
}

/// One line. A raw record is carried as it was logged: it may have line breaks between its fields, and any character in its
/// strings.
fn one_line<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if acts(c) => push_escaped(&mut line, c),
            c => line.push(c),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, value::RawValue};

    use super::*;

    #[test]
    fn a_line_has_the_same_value_and_nothing_in_it_acts() {
        let hostile = json!({ "userAgent": "a\u{9b}2J\u{202e}b\u{e0041}\u{7f}é", "x": ["\n"] });
        let pretty = serde_json::to_string_pretty(&hostile).unwrap();
        let line = one_line(&RawValue::from_string(pretty).unwrap()).unwrap();
        assert!(!line.chars().any(acts) && line.contains('é') && line.contains(r"\u009b"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), hostile);
    }
}
