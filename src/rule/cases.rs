//! What a case of a rule is, and how it is held against the code; the cases stand beside the rules.

use serde_json::{Value, json};

use super::{ALL, Match, Outcome, Rules, Severity};
use crate::record::Record;

pub(super) const V2: &str = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2";

/// What is to come of a record: rule id behind the common prefix, outcome, severity, title and dedup key behind the
/// rule id and the account.
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

/// The record with one field replaced.
pub(super) fn with(mut record: Value, field: &str, value: Value) -> Value {
    record[field] = value;
    record
}

pub(super) fn judged(record: &Value) -> Option<Match> {
    Rules::new(true).judge(Record::parse(record.to_string().as_bytes()).unwrap())
}

/// Holds that the record is what the case says, that no other rule accepts it, and that the scan finds it.
pub(super) fn matches(case: &str, record: &Value, expected: &Expected) {
    let found = judged(record).unwrap_or_else(|| panic!("{case} is no match"));
    let id = format!("AWS.CloudTrail.IAMCompromisedKeyQuarantine{}", expected.rule);
    assert_eq!(found.rule.id, id, "{case}");
    assert_eq!((found.outcome, found.severity), (expected.outcome, expected.severity), "{case}");
    let title = found.outcome.title(found.entity.kind, &found.entity.name.visible(128), found.record.account_id());
    assert_eq!(title, format!("{} in account 123456789012", expected.title), "{case}");
    assert_eq!(found.dedup_key(), format!("{id}:123456789012:{}", expected.dedup_key), "{case}");
    let accepting = ALL.iter().flat_map(|rule| rule.alternatives).filter(|way| way.accepts(&found.record)).count();
    assert_eq!(accepting, 1, "{case} matches in several ways");
    assert!(Rules::new(true).needles().unwrap().found_in(record.to_string().as_bytes()), "{case} holds no needle");
}

/// Holds that no rule accepts the record.
pub(super) fn is_no_match(case: &str, record: &Value) {
    assert!(judged(record).is_none(), "{case} is a match");
}

#[test]
fn rules_have_what_an_alert_shows() {
    for rule in ALL {
        assert!(rule.id.starts_with("AWS.CloudTrail.IAMCompromisedKeyQuarantine"), "{}", rule.id);
        assert!(!rule.description.contains("  ") && rule.reference.starts_with("https://"), "{}", rule.id);
        assert!(!rule.reports.is_empty() && !rule.tags.is_empty() && !rule.alternatives.is_empty(), "{}", rule.id);
    }
}
