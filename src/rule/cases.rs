//! How the cases of a rule are checked. The cases are next to the rules.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{ALL, Match, Outcome, Rules, Severity};
use crate::trail::record::Record;

pub(super) const V2: &str = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2";

/// The expected match of a record. `rule` follows the common prefix of the rule ids, `dedup_key` follows rule id and
/// account.
pub(super) struct Expected {
    pub rule: &'static str,
    pub outcome: Outcome,
    pub severity: Severity,
    pub title: &'static str,
    pub dedup_key: &'static str,
}

/// A call that AWS made.
pub(super) fn call(event_name: &str, parameters: Value) -> Value {
    json!({
        "eventSource": "iam.amazonaws.com", "eventName": event_name, "recipientAccountId": "123456789012",
        "sourceIPAddress": "AWS Internal", "requestID": "r-1", "requestParameters": parameters,
        "eventTime": "2026-11-24T03:02:11Z", "eventID": "e-1",
        "userIdentity": { "type": "IAMUser", "userName": "alice" },
    })
}

/// A call about the user alice and this managed policy.
pub(super) fn managed(event_name: &str, arn: &str) -> Value {
    call(event_name, json!({ "userName": "alice", "policyArn": arn }))
}

/// A call about the user alice and this inline policy.
pub(super) fn inline(event_name: &str, name: &str) -> Value {
    call(event_name, json!({ "userName": "alice", "policyName": name, "policyDocument": "{}" }))
}

/// An hour after the records.
pub(super) fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_492_931).unwrap()
}

/// The record with one field replaced.
pub(super) fn with(mut record: Value, field: &str, value: Value) -> Value {
    record[field] = value;
    record
}

pub(super) fn judged(record: &Value) -> Option<Match> {
    Rules::all().judge(Record::parse(record.to_string().as_bytes()).unwrap())
}

/// Asserts that the record makes this match and no other, and that the scan finds it.
pub(super) fn matches(case: &str, record: &Value, expected: &Expected) {
    let found = judged(record).unwrap_or_else(|| panic!("{case} does not match"));
    let id = format!("AWS.CloudTrail.IAMCompromisedKeyQuarantine{}", expected.rule);
    assert_eq!(found.rule.id, id, "{case}");
    assert_eq!((found.outcome, found.severity), (expected.outcome, expected.severity), "{case}");
    let title = found.title(&found.facts.entity.name.visible(128));
    assert_eq!(title, format!("{} in account 123456789012", expected.title), "{case}");
    assert_eq!(found.dedup_key(now()), format!("{id}:123456789012:{}", expected.dedup_key), "{case}");
    let text = record.to_string();
    let parsed = Record::parse(text.as_bytes()).unwrap();
    let accepting = ALL.iter().flat_map(|rule| rule.alternatives).filter(|each| each.accepts(&parsed)).count();
    assert_eq!(accepting, 1, "{case} passes several conditions");
    assert!(Rules::all().needles().may_be_in(text.as_bytes()), "{case} has no needle");
}

/// Asserts that no rule accepts the record.
pub(super) fn does_not_match(case: &str, record: &Value) {
    assert!(judged(record).is_none(), "{case} matches");
}

#[test]
fn rules_have_what_an_alert_shows() {
    for rule in ALL {
        assert!(rule.id.starts_with("AWS.CloudTrail.IAMCompromisedKeyQuarantine"), "{}", rule.id);
        assert!(!rule.description.contains("  ") && rule.reference.starts_with("https://"), "{}", rule.id);
        assert!(!rule.reports.is_empty() && !rule.tags.is_empty() && !rule.alternatives.is_empty(), "{}", rule.id);
    }
}
