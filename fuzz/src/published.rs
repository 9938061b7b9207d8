//! What every published message must keep, whatever made it.

use std::{collections::BTreeSet, sync::LazyLock};

use quarantine_alert::{
    message::{MAX_BYTES, Message},
    untrusted::acts,
};
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::{schema, text};

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../schema/alert.schema.json")).expect("the schema is JSON"));

/// A command without its values and placeholders.
pub fn masked(command: &str) -> String {
    static VALUE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:'[A-Za-z0-9_+=,.@:/-]{1,2048}')+|\b(ENTITY_NAME|ACCESS_KEY_ID|REGION|POLICY_ARN|POLICY_NAME|ROOT_ARN|USER_NAME)\b|s3://LOG_BUCKET")
            .expect("it is an expression")
    });
    VALUE.replace_all(command, "VALUE").into_owned()
}

/// The deepest nesting of a JSON text, and its longest number.
pub fn shape(json: &str) -> (usize, usize) {
    let (mut depth, mut deepest, mut number, mut longest) = (0_usize, 0, 0, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        let is_digit = !in_string && (byte.is_ascii_digit() || b"-+.eE".contains(&byte));
        number = if is_digit { number + 1 } else { 0 };
        longest = longest.max(number);
        deepest = deepest.max(depth);
    }
    (deepest, longest)
}

/// Whether it has a number that no parser can represent.
pub fn has_infinite(json: &str) -> bool {
    serde_json::from_str::<Value>(json).is_err()
}

/// Every URL in a text is one of ours.
fn has_only_own_links(text: &str) -> bool {
    const OWN: [&str; 5] = [
        "console.",
        "support.console.aws.amazon.com/",
        "unit42.paloaltonetworks.com/",
        "docs.aws.amazon.com/",
        "attack.mitre.org/",
    ];
    let is_own = |(at, _): (usize, &str)| {
        let (before, after) = (&text[..at], &text[at + 3..]);
        let is_defanged = before.ends_with('[') && after.starts_with(']');
        is_defanged
            || before.ends_with("s3")
            || before.ends_with("https") && OWN.iter().any(|own| after.starts_with(own))
    };
    let is_host = |(at, _): (usize, &str)| {
        // A bucket may be named like a host.
        let begins_word = !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_./-".contains(c));
        begins_word && text[at..at + 4].eq_ignore_ascii_case("www.")
    };
    text.match_indices("://").all(is_own)
        && !text
            .match_indices(['w', 'W'])
            .filter(|(at, _)| text.is_char_boundary(at + 4) && at + 4 <= text.len())
            .any(is_host)
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// Checks everything that every message must keep. `commands` are those of ordinary alerts, masked.
///
/// # Panics
/// One of them is broken.
pub fn check(message: &Message, has_card: bool, commands: &BTreeSet<String>) {
    let attributes: usize =
        message.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len()).sum();
    assert!(message.body.len() + attributes <= MAX_BYTES, "{} bytes", message.body.len() + attributes);
    assert!(is_line(&message.subject) && message.subject.len() < 100, "{:?}", message.subject);
    assert!(message.attributes.iter().all(|(_, value)| !value.trim().is_empty()));

    let bodies: Value = serde_json::from_str(&message.body).expect("the body is JSON");
    let body = |name: &str| bodies[name].as_str().expect("every protocol has a text");
    assert_eq!(bodies.as_object().map(serde_json::Map::len), Some(3 + usize::from(has_card)));
    assert!(is_line(body("sms")) && body("sms").len() <= 140, "{:?}", body("sms"));

    let (depth, longest) = shape(body("default"));
    assert!(depth <= 64 && longest <= 64, "{depth} levels, a number of {longest} bytes");
    let alert: Value = serde_json::from_str(body("default")).expect("the alert is JSON");
    schema::check(&SCHEMA, &alert, "alert").unwrap_or_else(|violation| panic!("{violation}"));

    let email = body("email");
    assert!(!email.replace('\n', "").contains(acts), "{email}");
    assert!(has_only_own_links(email), "{email}");
    for line in email.lines().filter(|line| line.starts_with("   ") && !line.contains(" × ")) {
        let command = masked(line.trim_start());
        assert!(commands.contains(&command), "{command} in {line}");
    }
    for line in alert["runbook"].as_str().expect("a text").lines() {
        let is_step = line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
        assert!(is_step || line.starts_with("   "), "{line}");
    }
    if has_card {
        let card: Value = serde_json::from_str(body("https")).expect("the card is JSON");
        assert_eq!((&card["version"], &card["source"]), (&json!("1.0"), &json!("custom")));
        let description = card["content"]["description"].as_str().expect("a text");
        let link = format!("<{}|Open in the console>", alert["link"].as_str().expect("a link"));
        let rest = description.replacen(&link, "", 1);
        for text in [
            &rest,
            card["content"]["title"].as_str().expect("a text"),
            card["metadata"]["summary"].as_str().expect("a text"),
        ] {
            assert!(!text.contains(['<', '>', '&']) && has_only_own_links(text), "{text}");
            // A value is code, so it has two backticks, and no more.
            assert_eq!(text.matches('`').count() % 2, 0, "{text}");
        }
    }
}

/// The field, which is made if its parent is an object.
fn field<'v>(record: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    let mut value = record;
    for name in path[1..].split('/') {
        if value.is_null() {
            *value = json!({});
        }
        value = value.as_object_mut()?.entry(name).or_insert(Value::Null);
    }
    Some(value)
}

/// A value with changes that the input chooses: each has the number of a field, how it is changed, and content.
pub fn changed(base: &Value, fields: &[&str], parts: &[&[u8]]) -> Value {
    let mut value = base.clone();
    for part in parts {
        let [at, how, content @ ..] = part else { continue };
        let Some(field) = field(&mut value, fields[usize::from(*at) % fields.len()]) else { continue };
        let content = text(content);
        *field = match (how % 8, field.as_str()) {
            (0 | 1, Some(known)) => json!(format!("{known}{content}")),
            (2, Some(known)) => json!(format!("{content}{known}")),
            (3, _) => serde_json::from_str(&content).unwrap_or_default(),
            (4, _) => {
                // Large strings are rare: each takes as long as a hundred other inputs.
                let is_large = how / 8 == 31 && content.len() % 16 == 1;
                let bytes = if is_large { 300_000 } else { 2000 };
                json!(content.repeat(bytes / content.len().max(1)))
            }
            _ => json!(content),
        };
    }
    value
}
