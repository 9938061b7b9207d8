//! A quarantine policy was attached to a user, group or role, or attaching it failed.
//!
//! AWS acts as the compromised user on itself, from an address that begins with `AWS Internal`. The caller is a label,
//! never a filter: a customer's first test is to attach the policy by hand.

use super::{
    Alternative, EXPOSED_KEY_REPORTS, EXPOSED_KEY_TAGS, Grade, Needle, Outcome, Rule, Severity, Subject,
    check::{ATTACH, FAILED, INLINE, MANAGED, OF_IAM, PUT, SUCCEEDED},
};

pub(super) static RULE: Rule = Rule {
    id: "AWS.CloudTrail.IAMCompromisedKeyQuarantine",
    name: "AWS Compromised IAM Key Quarantine",
    description: "An AWSCompromisedKeyQuarantine policy was attached to an IAM entity, or attaching it failed. \
                  AWS attaches it when it finds an access key of the entity exposed, for example in a public repository. \
                  The policy denies only some actions. The key works for all others until it is deactivated.",
    tags: EXPOSED_KEY_TAGS,
    reports: EXPOSED_KEY_REPORTS,
    reference: "https://unit42.paloaltonetworks.com/malicious-operations-of-exposed-iam-keys-cryptojacking/",
    needles: &[Needle::fixed("CompromisedKeyQuarantine"), Needle::fixed("Policy_DO_NOT_REMOVE")],
    period_hours: None,
    alternatives: &[
        Alternative {
            outcome: Outcome::Quarantined,
            severity: Grade::Always(Severity::High),
            note: None,
            checks: &[&OF_IAM, &ATTACH, &MANAGED, &SUCCEEDED],
            subject: Subject::with_managed_policy,
        },
        Alternative {
            outcome: Outcome::Failed,
            severity: Grade::ByCaller { aws: Severity::Critical, others: Severity::High },
            note: None,
            checks: &[&OF_IAM, &ATTACH, &MANAGED, &FAILED],
            subject: Subject::with_managed_policy,
        },
        Alternative {
            outcome: Outcome::Quarantined,
            severity: Grade::Always(Severity::High),
            note: Some("AWS's form before 2020"),
            checks: &[&OF_IAM, &PUT, &INLINE, &SUCCEEDED],
            subject: Subject::with_inline_policy,
        },
    ],
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rule::cases::{Expected, V2, call, does_not_match, inline, judged, managed, matches, now, with};

    const QUARANTINED: Expected = Expected {
        rule: "",
        outcome: Outcome::Quarantined,
        severity: Severity::High,
        title: "IAM user alice quarantined",
        dedup_key: "user:alice:quarantined",
    };
    const FAILED: Expected = Expected {
        rule: "",
        outcome: Outcome::Failed,
        severity: Severity::Critical,
        title: "Quarantine of IAM user alice FAILED",
        dedup_key: "user:alice:failed",
    };
    const BY_HAND: Expected = Expected { dedup_key: "user:alice:quarantined:by-hand", ..QUARANTINED };
    const FAILED_BY_HAND: Expected =
        Expected { severity: Severity::High, dedup_key: "user:alice:failed:by-hand", ..FAILED };
    const UNDATED: Expected = Expected { dedup_key: "user:alice:quarantined:e-1", ..QUARANTINED };
    const GROUP: Expected =
        Expected { title: "IAM group admins quarantined", dedup_key: "group:admins:quarantined", ..QUARANTINED };
    const ROLE: Expected =
        Expected { title: "IAM role deploy quarantined", dedup_key: "role:deploy:quarantined", ..QUARANTINED };

    #[test]
    fn positive_cases() {
        let attach = || managed("AttachUserPolicy", V2);
        let arn = |arn| managed("AttachUserPolicy", arn);
        let failed = || with(attach(), "errorCode", json!("LimitExceededException"));
        for (case, record, expected) in [
            ("version 2", attach(), QUARANTINED),
            ("version 1", arn("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine"), QUARANTINED),
            ("version 4", arn("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV4"), QUARANTINED),
            ("version 17", arn("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV17"), QUARANTINED),
            ("a path", arn("arn:aws:iam::aws:policy/a/b/AWSCompromisedKeyQuarantineV3"), QUARANTINED),
            ("GovCloud", arn("arn:aws-us-gov:iam::aws:policy/AWSCompromisedKeyQuarantineV3"), QUARANTINED),
            ("China", arn("arn:aws-cn:iam::aws:policy/AWSCompromisedKeyQuarantineV3"), QUARANTINED),
            ("by hand", with(attach(), "sourceIPAddress", json!("192.0.2.1")), BY_HAND),
            ("no address", with(attach(), "sourceIPAddress", json!(null)), BY_HAND),
            ("no time", with(attach(), "eventTime", json!(null)), UNDATED),
            ("an unreadable time", with(attach(), "eventTime", json!("yesterday")), UNDATED),
            ("four minutes ahead", with(attach(), "eventTime", json!("2026-11-24T04:06:11Z")), QUARANTINED),
            ("55 minutes ahead", with(attach(), "eventTime", json!("2026-11-24T04:57:11Z")), UNDATED),
            ("an empty errorCode", with(attach(), "errorCode", json!("")), QUARANTINED),
            ("errorCode null", with(attach(), "errorCode", json!(null)), QUARANTINED),
            ("failed, by AWS", failed(), FAILED),
            ("failed, by hand", with(failed(), "sourceIPAddress", json!("192.0.2.1")), FAILED_BY_HAND),
            ("inline, 2018", inline("PutUserPolicy", "AWSExposedCredentialPolicy_DO_NOT_REMOVE"), QUARANTINED),
            ("inline", inline("PutUserPolicy", "AWSCompromisedKeyQuarantine"), QUARANTINED),
            ("inline, version 2", inline("PutUserPolicy", "AWSCompromisedKeyQuarantineV2"), QUARANTINED),
            ("a group", call("AttachGroupPolicy", json!({ "groupName": "admins", "policyArn": V2 })), GROUP),
            ("a role", call("AttachRolePolicy", json!({ "policyArn": V2, "roleName": "deploy" })), ROLE),
        ] {
            matches(case, &record, &expected);
        }
    }

    #[test]
    fn negative_cases() {
        let attach = || managed("AttachUserPolicy", V2);
        let arn = |arn| managed("AttachUserPolicy", arn);
        let denied = with(inline("PutUserPolicy", "AWSCompromisedKeyQuarantine"), "errorCode", json!("AccessDenied"));
        let document =
            json!({ "userName": "alice", "policyName": "x", "policyDocument": "AWSCompromisedKeyQuarantine" });
        for (case, record) in [
            ("a customer's look-alike", arn("arn:aws:iam::123456789012:policy/AWSCompromisedKeyQuarantineV2")),
            ("another name before it", arn("arn:aws:iam::aws:policy/xAWSCompromisedKeyQuarantineV2")),
            ("the name as a path", arn("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2/x")),
            ("a role's ARN", arn("arn:aws:iam::aws:role/AWSCompromisedKeyQuarantineV2")),
            ("another service's ARN", arn("arn:aws:sts::aws:policy/AWSCompromisedKeyQuarantineV2")),
            ("no partition", arn("arn::iam::aws:policy/AWSCompromisedKeyQuarantineV2")),
            ("no ARN", arn("AWSCompromisedKeyQuarantineV2")),
            ("another service", with(attach(), "eventSource", json!("sts.amazonaws.com"))),
            ("no service", with(attach(), "eventSource", json!(null))),
            ("another call", with(attach(), "eventName", json!("GetUserPolicy"))),
            ("a call of the same beginning", with(attach(), "eventName", json!("AttachUserPolicyX"))),
            ("an Insights record", with(attach(), "eventName", json!(null))),
            ("no parameters", with(attach(), "requestParameters", json!(null))),
            ("parameters of a wrong type", with(attach(), "requestParameters", json!(["policyArn", V2]))),
            ("a policy of a wrong type", call("AttachUserPolicy", json!({ "userName": "a", "policyArn": [V2] }))),
            ("the name inside a policy document", call("PutUserPolicy", document)),
            ("an inline name of a customer", inline("PutUserPolicy", "AWSCompromisedKeyQuarantineForever")),
            ("an inline version without digits", inline("PutUserPolicy", "AWSCompromisedKeyQuarantineV")),
            ("an inline name after another", inline("PutUserPolicy", "xAWSExposedCredentialPolicy_DO_NOT_REMOVE")),
            ("an inline policy that was not put", denied),
        ] {
            does_not_match(case, &record);
        }
    }

    #[test]
    fn a_name_that_iam_does_not_allow_becomes_a_fingerprint_in_the_dedup_key() {
        let key = |name: &str| {
            judged(&call("AttachUserPolicy", json!({ "userName": name, "policyArn": V2 }))).unwrap().dedup_key(now())
        };
        assert!(key("$(id)").starts_with("AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:user:sha256:"));
        assert_ne!(key("$(id)"), key("$(ID)"));
        assert_eq!(key(&"x".repeat(100_000)).len(), key("$(id)").len());
        let undated = with(managed("AttachUserPolicy", V2), "eventTime", json!(null));
        let without_id = judged(&with(undated, "eventID", json!(null))).unwrap().dedup_key(now());
        assert!(without_id.contains(":quarantined:sha256:"), "{without_id}");
    }
}
