//! The function's own alerts, one a line.

use std::fmt::Write;

use quarantine_alert::{alert::Alert, untrusted::acts};
use serde::Serialize;

pub fn array(alerts: &[Alert]) -> anyhow::Result<String> {
    let alerts: Vec<String> = alerts.iter().map(one_line).collect::<Result<_, _>>()?;
    Ok(if alerts.is_empty() { "[]\n".into() } else { format!("[\n{}\n]\n", alerts.join(",\n")) })
}

pub fn lines(alerts: &[Alert]) -> anyhow::Result<String> {
    alerts.iter().map(|alert| Ok(one_line(alert)? + "\n")).collect()
}

/// As JSON in one line in which nothing acts on a terminal: the raw record is carried as it was logged, so it may hold
/// line breaks between its fields, and anything in its strings, where it can be written as an escape.
pub fn one_line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if acts(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
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
    fn a_line_says_the_same_and_nothing_in_it_acts() {
        let hostile = json!({ "userAgent": "a\u{9b}2J\u{202e}b\u{e0041}\u{7f}é", "x": ["\n"] });
        let pretty = serde_json::to_string_pretty(&hostile).unwrap();
        let line = one_line(&RawValue::from_string(pretty).unwrap()).unwrap();
        assert!(!line.chars().any(acts) && line.contains('é') && line.contains(r"\u009b"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), hostile);
    }
}
