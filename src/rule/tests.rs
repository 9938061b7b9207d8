//! What deduplication and the queue take from a match.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    ALL, Match, Outcome,
    cases::{V2, call, judged, managed, now, with},
};

fn matched(record: &Value) -> Match {
    judged(record).unwrap()
}

fn attach() -> Value {
    managed("AttachUserPolicy", V2)
}

fn by_hand(record: Value) -> Value {
    with(record, "sourceIPAddress", json!("192.0.2.1"))
}

/// A call that the quarantine denied to alice.
fn enforced() -> Value {
    let message = "User: alice is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::b/k\" with an explicit \
                   deny in an identity-based policy: arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3";
    let record = with(by_hand(call("GetObject", json!(null))), "errorCode", json!("AccessDenied"));
    with(record, "errorMessage", json!(message))
}

#[test]
fn all_incidents_of_an_entity_are_in_one_document() {
    for record in [
        attach(),
        by_hand(attach()),
        with(attach(), "errorCode", json!("LimitExceeded")),
        with(attach(), "eventTime", json!(null)),
        managed("DetachUserPolicy", V2),
        enforced(),
    ] {
        let key = "AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:user:alice";
        assert_eq!(matched(&record).entity_key(), key, "{record}");
    }
    let role = call("AttachRolePolicy", json!({ "roleName": "alice", "policyArn": V2 }));
    assert_ne!(matched(&role).entity_key(), matched(&attach()).entity_key());
}

#[test]
fn matches_of_one_key_may_be_two_incidents_only_if_their_time_is_usable() {
    // The clocks may differ by five minutes.
    for (time, is_usable) in [
        (json!("2026-11-24T03:02:11Z"), true),
        (json!("2026-11-24T04:07:11Z"), true),
        (json!("2026-11-24T04:07:12Z"), false),
        (json!(null), false),
    ] {
        assert_eq!(matched(&with(attach(), "eventTime", time.clone())).has_window(now()), is_usable, "{time}");
    }
}

#[test]
fn calls_of_aws_and_critical_matches_are_urgent() {
    for (record, outcome, is_by_aws) in [
        (attach(), Outcome::Quarantined, true),
        (with(attach(), "errorCode", json!("LimitExceeded")), Outcome::Failed, true),
        (by_hand(attach()), Outcome::Quarantined, false),
        (by_hand(managed("DetachUserPolicy", V2)), Outcome::Removed, false),
        (enforced(), Outcome::Enforced, false),
    ] {
        let found = matched(&record);
        assert_eq!((found.outcome, found.is_by_aws(), found.is_urgent()), (outcome, is_by_aws, is_by_aws), "{record}");
    }
}

#[test]
fn credentials_in_use_alert_once_a_day_and_everything_else_as_configured() {
    let configured = Duration::from_secs(7 * 3600);
    assert_eq!(matched(&enforced()).period(configured), Duration::from_secs(24 * 3600));
    assert_eq!(matched(&attach()).period(configured), configured);
}

#[test]
fn an_alternative_reads_as_outcome_severity_and_note() {
    let shown: Vec<String> = ALL.iter().flat_map(|rule| rule.alternatives).map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "quarantined, HIGH",
            "failed, CRITICAL if AWS made the call, else HIGH",
            "quarantined, HIGH (AWS's form before 2020)",
            "removed, HIGH",
            "removed, HIGH (AWS's form before 2020)",
            "denied, MEDIUM",
            "enforced, MEDIUM",
        ]
    );
}

/// The ARN and the partition of the entity.
fn named(record: &Value) -> (String, String) {
    let facts = matched(record).facts;
    (facts.entity.arn.visible(99), facts.partition.visible(99))
}

#[test]
fn the_arn_is_one_that_the_record_has_or_made_of_account_and_name() {
    let role = || call("AttachRolePolicy", json!({ "roleName": "deploy", "policyArn": V2 }));
    let by = |record, identity: Value| named(&with(record, "userIdentity", identity)).0;
    let issuer = |arn: &str| json!({ "sessionContext": { "sessionIssuer": { "arn": arn } } });
    let path = "arn:aws:iam::123456789012:role/a/path/deploy";
    assert_eq!(by(role(), issuer(path)), path);
    let user = "arn:aws:iam::123456789012:user/a/path/alice";
    assert_eq!(by(attach(), json!({ "arn": user })), user);
    // Others may attach it, too.
    for other in ["arn:aws:iam::123456789012:role/admin", "arn:aws:iam::210987654321:role/deploy"] {
        assert_eq!(by(role(), issuer(other)), "arn:aws:iam::123456789012:role/deploy", "{other}");
    }
}

#[test]
fn the_partition_is_that_of_the_policy_or_else_of_the_actor_or_the_region() {
    let partition = |record| named(&record).1;
    let of_policy = |partition| managed("AttachUserPolicy", &V2.replace(":aws:iam", &format!(":{partition}:iam")));
    assert_eq!(partition(of_policy("aws-cn")), "aws-cn");
    // The parameters of a failed call may be any text.
    let failed = || with(of_policy("anything"), "errorCode", json!("MalformedPolicyDocument"));
    let actor = json!({ "arn": "arn:aws-us-gov:iam::123456789012:user/alice" });
    assert_eq!(partition(with(failed(), "userIdentity", actor)), "aws-us-gov");
    for (region, expected) in [
        (json!("us-gov-west-1"), "aws-us-gov"),
        (json!("cn-north-1"), "aws-cn"),
        (json!("eusc-de-east-1"), "aws-eusc"),
        (json!("us-east-1"), "aws"),
        (json!(null), "aws"),
    ] {
        assert_eq!(partition(with(failed(), "awsRegion", region)), expected);
    }
}
