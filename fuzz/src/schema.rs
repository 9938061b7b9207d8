//! A check against the part of JSON Schema that `schema/alert.schema.json` uses.

use regex_lite::Regex;
use serde_json::Value;

/// How the value violates the schema.
///
/// # Errors
/// The first violation.
pub fn check(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{at}: {what}: {value}"));
    for (keyword, expected) in schema.as_object().into_iter().flatten() {
        match keyword.as_str() {
            "$schema" | "title" | "description" => {}
            "type" => {
                let is = |name: &Value| match name.as_str().unwrap_or_default() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    other => panic!("the schema has the type {other}"),
                };
                if !expected.as_array().map_or_else(|| is(expected), |names| names.iter().any(is)) {
                    return fail("wrong type");
                }
            }
            "enum" if !expected.as_array().is_some_and(|values| values.contains(value)) => return fail("not listed"),
            "const" if expected != value => return fail("another constant"),
            "enum" | "const" => {}
            "required" => {
                let names = expected.as_array().into_iter().flatten().filter_map(Value::as_str);
                let fields = value.as_object();
                for name in names {
                    if fields.is_some_and(|fields| !fields.contains_key(name)) {
                        return fail(&format!("no {name}"));
                    }
                }
            }
            "properties" => {
                for (name, property) in expected.as_object().into_iter().flatten() {
                    if let Some(field) = value.get(name) {
                        check(property, field, &format!("{at}.{name}"))?;
                    }
                }
            }
            "additionalProperties" if *expected == Value::Bool(false) => {
                let known = schema["properties"].as_object();
                for name in value.as_object().into_iter().flat_map(|fields| fields.keys()) {
                    if !known.is_some_and(|known| known.contains_key(name)) {
                        return fail(&format!("unknown {name}"));
                    }
                }
            }
            "additionalProperties" => {}
            "items" => {
                for element in value.as_array().into_iter().flatten() {
                    check(expected, element, &format!("{at}[]"))?;
                }
            }
            "maxItems" if value.as_array().is_some_and(|list| list.len() as u64 > expected.as_u64().unwrap_or(0)) => {
                return fail("too many");
            }
            "minLength"
                if value
                    .as_str()
                    .is_some_and(|text| (text.chars().count() as u64) < expected.as_u64().unwrap_or(0)) =>
            {
                return fail("too short");
            }
            "minimum" if value.as_f64().is_some_and(|number| number < expected.as_f64().unwrap_or(0.0)) => {
                return fail("too small");
            }
            "maxItems" | "minLength" | "minimum" => {}
            "pattern" => {
                let pattern = pattern(expected.as_str().unwrap_or_default());
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    return fail("another pattern");
                }
            }
            other => panic!("the schema has the keyword {other}"),
        }
    }
    Ok(())
}

/// Compiled once.
fn pattern(text: &str) -> Regex {
    use std::{cell::RefCell, collections::HashMap};
    thread_local! {
        static PATTERNS: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    PATTERNS.with_borrow_mut(|known| {
        known
            .entry(text.to_owned())
            .or_insert_with(|| Regex::new(text).expect("the schema has an invalid pattern"))
            .clone()
    })
}
