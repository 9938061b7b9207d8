//! The limits of SNS, and of JSON parsers.

use super::*;

#[test]
fn subject_and_sms_are_short_ascii_and_useful_for_every_name() {
    for (call, parameter, length) in [("AttachUserPolicy", "userName", 64), ("AttachGroupPolicy", "groupName", 128)] {
        for file in ["quarantined", "failed"] {
            let mut record = sample(file, 1);
            record["eventName"] = json!(call);
            record["requestParameters"][parameter] = json!("n".repeat(length));
            let message = rendered(&record);
            let sms = bodies(&message)["sms"].as_str().unwrap().to_owned();
            assert!((1..=99).contains(&message.subject.len()) && message.subject.contains("nnnnnnnnnnnnnnnn"));
            assert!(message.subject.ends_with("account 123456789012"), "{}", message.subject);
            assert!(
                (1..=140).contains(&sms.len()) && sms.is_ascii() && sms.ends_with("2026-11-24T03:02:11Z")
                    || file == "failed",
                "{sms}"
            );
        }
    }
}

#[test]
fn attributes_are_never_empty() {
    let mut record = sample("quarantined", 1);
    for field in ["awsRegion", "recipientAccountId"] {
        for value in [json!(""), json!(null), json!(" ")] {
            record[field] = value;
            assert!(rendered(&record).attributes.iter().all(|(_, value)| !value.trim().is_empty()));
        }
    }
}

#[test]
fn the_message_of_any_record_fits_and_keeps_its_keys() {
    let keys = |message: &Message| default(message).as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let small = rendered(&sample("quarantined", 1));
    assert_eq!((default(&small)["truncated"].clone(), keys(&small).len()), (json!(false), 34));
    let megabyte = "x".repeat(1_000_000);
    let controls = "\u{1}\"\\".repeat(60_000);
    let mut trimmed = 0;
    for (field, value) in [
        ("responseElements", json!({ "a": megabyte })),
        (
            "requestParameters",
            json!({ "userName": "a", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine", "a": megabyte }),
        ),
        (
            "requestParameters",
            json!({ "userName": controls, "policyArn": format!("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine{controls}") }),
        ),
        ("userAgent", json!(megabyte)),
        ("userAgent", json!(controls)),
        ("additionalEventData", json!(controls)),
        (
            "userIdentity",
            json!({ "type": controls, "arn": controls, "principalId": controls, "accessKeyId": controls }),
        ),
    ] {
        let mut record = sample("quarantined", 1);
        record["sourceIPAddress"] = json!(format!("AWS Internal{controls}"));
        record["eventID"] = json!(controls);
        record["awsRegion"] = json!(controls);
        record[field] = value;
        let message = rendered(&record);
        assert!(message.bytes() <= MAX_BYTES, "{field}: {} bytes", message.bytes());
        assert_eq!(keys(&message), keys(&small), "{field}");
        assert_eq!(default(&message)["truncated"], true, "{field}");
        trimmed += 1;
    }
    assert_eq!(trimmed, 7);
}

/// Many parsers have a limit for depth and numbers. serde's is 128, and it takes no number that an `f64` cannot hold.
#[test]
fn ordinary_parsers_take_the_alert_of_any_record() {
    let text = sample("quarantined", 1).to_string();
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for (value, is_cut) in
        [(deep.as_str(), true), (&"9".repeat(100_000), true), ("1e999", true), ("[[-1.5E+9]]", false)]
    {
        let text = text.replacen("\"requestParameters\":{", &format!("\"requestParameters\":{{\"x\":{value},"), 1);
        let alert = default(&render(alert_of(Record::parse(text.as_bytes()).unwrap()), HttpsFormat::Default));
        assert_eq!((&alert["truncated"], alert["entity"]["name"].as_str()), (&json!(is_cut), Some("ci-deploy")));
        let parameters = &alert["alertContext"]["record"]["requestParameters"];
        assert_eq!(
            (parameters["x"].is_null(), &parameters["userName"]),
            (is_cut && !parameters["x"].is_array(), &json!("ci-deploy"))
        );
    }
}

#[test]
fn parts_are_left_out_in_a_fixed_order() {
    let mut record = sample("quarantined", 1);
    record["responseElements"] = json!({ "a": 1 });
    let mut alert = alert(&record);
    assert!(alert.trim() && alert.related.is_none());
    let shown = |alert: &Alert| serde_json::to_value(alert).unwrap()["alertContext"]["record"].clone();
    assert!(
        alert.trim() && shown(&alert)["responseElements"].is_null() && !shown(&alert)["requestParameters"].is_null()
    );
    assert!(alert.trim() && shown(&alert)["requestParameters"].is_null() && !shown(&alert)["eventID"].is_null());
    assert!(alert.trim() && shown(&alert).is_null());
    assert!(!alert.trim() && alert.truncated);
}
