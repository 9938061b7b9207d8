use serde_json::json;

use super::*;
use crate::scan::Needle;

fn record(name: &str) -> Value {
    json!({ "eventSource": "s3.amazonaws.com", "eventName": name, "x": "needle" })
}

/// The names of the records in a text, and whether something else has a needle.
fn unwrapped(text: &str) -> (Vec<String>, bool) {
    let found = unwrap(text.as_bytes(), &Needles::new([Needle::fixed("needle")]));
    let name = |record: &Record| record.event_name.as_ref().unwrap().visible(99);
    (found.records.iter().map(name).collect(), found.has_other)
}

#[test]
fn a_record_is_found_in_every_envelope() {
    let text = record("A").to_string();
    let clean = json!({ "eventSource": "s3.amazonaws.com", "eventName": "Clean" });
    for envelope in [
        record("A"),
        json!({ "detail-type": "AWS API Call via CloudTrail", "detail": record("A") }),
        json!({ "EventName": "needle", "Resources": [{ "ResourceName": "needle" }], "CloudTrailEvent": text }),
        json!({ "Events": [{ "CloudTrailEvent": text }] }),
        json!({ "logEvents": [{ "id": "0", "message": text }, { "id": "1", "message": "START" }] }),
        json!({ "@timestamp": "2026-11-25T01:02:03.000Z", "message": text }),
        json!({ "message": json!({ "Records": [record("A")] }).to_string() }),
        json!({ "message": format!("2026-05-06T07:09:00.000Z {text}") }),
        json!({ "eventSource": "s3.amazonaws.com", "eventName": "A", "x": "needle", "message": text }),
        json!({ "Records": [text] }),
        json!([{ "Records": [[record("A")]] }]),
        json!([text]),
        // Only a record that contains a needle is wanted.
        json!([clean, record("A"), clean]),
        json!({ "logEvents": [{ "message": clean.to_string() }, { "message": text }] }),
        // An ordinary record may have the field of an Insights record.
        json!({ "eventSource": "s3.amazonaws.com", "eventName": "A", "x": "needle", "insightDetails": {} }),
    ] {
        assert_eq!(unwrapped(&envelope.to_string()), (vec!["A".into()], false), "{envelope}");
    }
}

#[test]
fn a_needle_outside_of_any_record_is_reported() {
    for other in [
        json!({ "api": { "operation": "needle" } }),
        json!({ "message": "a line with needle" }),
        json!({ "eventSource": 7, "eventName": "needle" }),
        json!({ "eventName": "A", "x": "needle" }),
        // Callers choose strings in other fields, and objects in other logs.
        json!({ "userAgent": record("A").to_string() }),
        json!({ "body": record("A") }),
        json!({ "eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": { "S": record("A").to_string() } }),
        json!({ "Body": format!("needle {}", record("A")), "Messages": [] }),
        json!("needle"),
        json!({ "message": record("A").to_string().replace('}', "") }),
        json!({ "eventCategory": "Insight", "insightDetails": {}, "detail": record("A") }),
    ] {
        assert_eq!(unwrapped(&other.to_string()), (vec![], true), "{other}");
    }
    // Text that was cut is no envelope.
    let cut = json!({ "eventSource": "s3.amazonaws.com", "eventName": "A", "message": "{\"x\":\"needle" }).to_string();
    assert_eq!(unwrapped(&cut), (vec!["A".into()], true));
    // A judged record excuses the names in it, and nothing else.
    for (rest, has_other) in [(json!(["needle"]), false), (json!({ "x": "another needle" }), true)] {
        let envelope = json!({ "detail": record("A"), "rest": rest }).to_string();
        assert_eq!(unwrapped(&envelope), (vec!["A".into()], has_other), "{envelope}");
    }
    let cut = record("B").to_string().replace('}', "");
    let messages = json!({ "events": [{ "message": record("A").to_string() }, { "message": cut }] }).to_string();
    assert_eq!(unwrapped(&messages), (vec!["A".into()], true));
    let list = json!([record("A"), { "x": "needle" }, record("B")]).to_string();
    assert_eq!(unwrapped(&list), (vec!["A".into(), "B".into()], true));
    // A string and the list in it are two envelopes.
    let around: [(&dyn Fn(Value) -> Value, u32); 3] = [
        (&|inner| json!([inner]), MAX_ENVELOPES),
        (&|inner| json!({ "detail": inner }), MAX_ENVELOPES),
        (&|inner| json!([inner.to_string()]), MAX_ENVELOPES / 2),
    ];
    for (envelope, most) in around {
        let within = |envelopes| (0..envelopes).fold(record("A"), |inner, _| envelope(inner)).to_string();
        assert_eq!(unwrapped(&within(most)), (vec!["A".into()], false), "{}", envelope(json!({})));
        assert_eq!(unwrapped(&within(most + 1)), (vec![], true), "{}", envelope(json!({})));
    }
    assert_eq!(unwrapped("{needle"), (vec![], true));
    assert_eq!(unwrapped(r#"{"x":"ne\u0065dle"}"#), (vec![], true));
}

#[test]
fn a_policy_call_without_a_readable_policy_is_reported() {
    let call = |parameters: serde_json::Value, code: serde_json::Value| {
        let call = json!({
            "eventSource": "iam.amazonaws.com", "eventName": "AttachUserPolicy", "x": "needle", "errorCode": code,
            "requestParameters": parameters,
        });
        unwrapped(&call.to_string()).1
    };
    let text = json!({ "policyArn": "x" }).to_string();
    for code in [json!(null), json!("LimitExceeded")] {
        assert!(call(json!(text), code.clone()) && call(json!([1]), code.clone()) && call(json!({}), code.clone()));
        assert!(!call(json!({ "policyArn": "x" }), code));
    }
    assert!(call(json!(null), json!(null)) && !call(json!(null), json!("AccessDenied")));
    let columns = json!({
        "eventSource": "iam.amazonaws.com", "eventName": "PutRolePolicy", "errorCode": "x",
        "requestParameters.policyName": "needle",
    });
    assert!(unwrapped(&columns.to_string()).1);
}

#[test]
fn nothing_else_is_reported() {
    let insight = json!({ "eventCategory": "Insight", "insightDetails": { "eventName": "needle" } });
    for other in [json!({ "x": 1 }), json!([[], "thread"]), insight] {
        assert_eq!(unwrapped(&other.to_string()), (vec![], false), "{other}");
    }
    // An escape that hides no needle, even next to a number that is out of range.
    assert_eq!(unwrapped(r#"{"x":"\u0041"}"#), (vec![], false));
    let odd = format!(r#"{{"detail":{},"x":["\u0041",1e999]}}"#, record("A"));
    assert_eq!(unwrapped(&odd), (vec!["A".into()], false));
    // A call that names no policy needs none.
    for name in ["DeleteUser", "PutUserPermissionsBoundary", "GetUserPolicy"] {
        let call = json!({
            "eventSource": "iam.amazonaws.com", "eventName": name, "requestParameters": { "userName": "needle" },
        });
        assert_eq!(unwrapped(&call.to_string()), (vec![name.into()], false));
    }
}
