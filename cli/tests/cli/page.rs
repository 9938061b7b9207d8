//! A page of a trace has the elements of its template and no others, whatever strings a log has.

use std::fs;

use serde_json::{Value, json};

use crate::{folder, scan, stored, support::path};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// The records of all calls that leave something behind, with this text after every string that a caller may choose.
fn records(text: &str) -> Vec<Value> {
    fn add(value: &mut Value, text: &str) {
        match value {
            Value::String(known) => known.push_str(text),
            Value::Array(values) => values.iter_mut().for_each(|value| add(value, text)),
            Value::Object(fields) => {
                // The others decide what the call is, and by whom.
                let kept = ["eventSource", "eventName", "eventTime", "accountId", "recipientAccountId", "policyArn"];
                fields
                    .iter_mut()
                    .filter(|(name, _)| !kept.contains(&name.as_str()))
                    .for_each(|(_, value)| add(value, text));
            }
            _ => {}
        }
    }
    let cases: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(path("src/trace/left_behind/cases.json")).unwrap()).unwrap();
    let mut records: Vec<Value> =
        cases.iter().flat_map(|case| [case["record"].clone(), case["undone"].clone()]).collect();
    records.retain(Value::is_object);
    for (number, record) in records.iter_mut().enumerate() {
        for field in ["userAgent", "sourceIPAddress", "awsRegion"] {
            record[field] = json!("x");
        }
        record["userIdentity"]["arn"] = json!("arn");
        record["eventID"] = json!(number.to_string());
        record["eventTime"] = json!(format!("2026-11-24T03:{:02}:{:02}Z", number / 60, number % 60));
        add(record, text);
        record["userIdentity"]["accessKeyId"] = json!(KEY);
    }
    let mut denied = records[0].clone();
    denied["eventID"] = json!(format!("denied{text}"));
    denied["errorCode"] = json!(format!("AccessDenied{text}AccessDenied"));
    records.push(denied);
    let name = format!("alice{text}");
    records.push(json!({
        "eventID": "quarantine", "eventTime": "2026-11-24T04:00:00Z", "eventSource": "iam.amazonaws.com", "eventName": "AttachUserPolicy",
        "recipientAccountId": "123456789012", "awsRegion": format!("us-east-1{text}"), "sourceIPAddress": format!("AWS Internal{text}"),
        "userIdentity": { "type": "IAMUser", "accountId": "123456789012", "userName": name, "accessKeyId": KEY },
        "requestParameters": { "userName": name, "policyArn": format!("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine{}", text.replace('/', "")) },
    }));
    records
}

/// The tags of the page of these records, in their order, and the number of its texts and calls.
fn tags(name: &str, text: &str) -> (Vec<String>, usize) {
    let folder = folder(name);
    fs::write(folder.join("log.json.gz"), stored(&records(text))).unwrap();
    let file = folder.join("page.html");
    let run = scan(&["trace", KEY, folder.to_str().unwrap(), "--format", "html", "--output", file.to_str().unwrap()]);
    assert_eq!(run.status, Some(1), "{}", run.stderr);
    let page = fs::read_to_string(&file).unwrap();
    let (mut tags, mut rest, mut calls) = (Vec::new(), page.as_str(), 0);
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, content) = after.split_once('>').unwrap();
        // The chart has other coordinates.
        tags.push(tag.replace(|c: char| c.is_ascii_digit(), ""));
        rest = content;
        // As a browser reads it, a script or a style ends at its end tag, whatever is in it.
        for name in ["script", "style"] {
            if tag == name || tag.starts_with(&format!("{name} ")) {
                let (inside, after) = content.split_once(&format!("</{name}")).unwrap();
                if tag.contains("application/json") {
                    let data: Value = serde_json::from_str(inside).unwrap();
                    calls = data["calls"].as_array().unwrap().len();
                    assert!(!inside.contains("<!--"), "a comment in a script");
                }
                rest = after.split_once('>').unwrap().1;
            }
        }
    }
    (tags, calls)
}

#[test]
fn no_string_of_a_log_adds_an_element_or_an_attribute() {
    let (expected, calls) = tags("page-plain", "x");
    assert!(calls > 100 && expected.len() > 500, "{calls} calls, {} tags", expected.len());
    let texts = [
        "</script><script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)' x='",
        "\" autofocus onfocus=alert(1) x=\"",
        "<!--<script>",
        "--></style></title><b>",
        "]]><svg/onload=alert(1)>",
        "&lt;b&gt;&#60;b&#62;&quot;",
        "\u{2028}\u{0}</textarea>`${7*7}`{{7*7}}",
    ];
    for (number, text) in texts.into_iter().enumerate() {
        let (found, found_calls) = tags(&format!("page-{number}"), text);
        let first = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert!(first.is_none() && found.len() == expected.len(), "{text}: {first:?}");
        assert_eq!(found_calls, calls, "{text}");
    }
}
