//! A quarantine policy was attached to a user, group or role, or attaching it failed.
//!
//! AWS acts as the compromised user on itself, from an address that begins with `AWS Internal`. Who made the
//! call is a label, never a filter: the first thing that a customer does is attach the policy by hand.

use super::{EntityType, Finding, Outcome, Policy, Rule, Severity};
use crate::record::Record;

pub(super) static RULE: Rule = Rule {
    id: "AWS.CloudTrail.IAMCompromisedKeyQuarantine",
    name: "AWS Compromised IAM Key Quarantine",
    description: "An AWSCompromisedKeyQuarantine policy was attached to an IAM entity, or attaching it failed. \
                  AWS does this when it finds an access key of the entity exposed, in a public repository for example. \
                  The policy denies only some actions: the key still works for others until it is deactivated.",
    tags: &[
        "AWS",
        "Identity and Access Management",
        "Initial Access:Valid Accounts",
        "Credential Access:Unsecured Credentials",
    ],
    reports: &["TA0001:T1078.004", "TA0006:T1552.001"],
    reference: "https://unit42.paloaltonetworks.com/malicious-operations-of-exposed-iam-keys-cryptojacking/",
    needles: &["CompromisedKeyQuarantine", "Policy_DO_NOT_REMOVE"],
    condition,
};

fn condition(record: &Record) -> Option<Finding> {
    let failed = record.error_code.is_some();
    let (entity, policy) = if let Some(entity) = EntityType::of_call(record, "Attach") {
        (entity, Policy::managed(record)?)
    } else if let Some(entity) = EntityType::of_call(record, "Put").filter(|_| !failed) {
        (entity, Policy::inline(record)?)
    } else {
        return None;
    };
    let (outcome, severity) = match (failed, record.is_aws_internal()) {
        (false, _) => (Outcome::Quarantined, Severity::High),
        (true, false) => (Outcome::Failed, Severity::High),
        (true, true) => (Outcome::Failed, Severity::Critical),
    };
    Some(Finding { outcome, severity, entity, policy: Some(policy) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rule::{Match, judge};

    const V2: &str = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2";

    fn judged(record: Value) -> Option<Match> {
        judge(Record::parse(record.to_string().as_bytes()).unwrap())
    }

    fn attach(event_name: &str, parameters: Value) -> Value {
        json!({
            "eventSource": "iam.amazonaws.com", "eventName": event_name, "recipientAccountId": "123456789012",
            "sourceIPAddress": "AWS Internal", "requestParameters": parameters,
        })
    }

    /// The record of the other cases with one field replaced.
    fn with(field: &str, value: Value) -> Value {
        let mut record = attach("AttachUserPolicy", json!({ "userName": "alice", "policyArn": V2 }));
        record[field] = value;
        record
    }

    fn with_arn(arn: &str) -> Value {
        with("requestParameters", json!({ "userName": "alice", "policyArn": arn }))
    }

    fn put(name: &str) -> Value {
        attach("PutUserPolicy", json!({ "userName": "alice", "policyName": name, "policyDocument": "{}" }))
    }

    #[test]
    fn matches() {
        use Outcome::{Failed, Quarantined};
        use Severity::{Critical, High};
        let by_hand_and_failed = {
            let mut record = with("errorCode", json!("NoSuchEntityException"));
            record["sourceIPAddress"] = json!("192.0.2.1");
            record
        };
        let group = attach("AttachGroupPolicy", json!({ "groupName": "admins", "policyArn": V2 }));
        let role = attach("AttachRolePolicy", json!({ "roleName": "deploy", "policyArn": V2 }));
        let alice = "AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:user:alice:quarantined";
        let alice_failed = "AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:user:alice:failed";
        for (case, record, outcome, severity, dedup_key) in [
            ("version 2", with_arn(V2), Quarantined, High, alice),
            ("version 1", with_arn("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine"), Quarantined, High, alice),
            ("version 4", with_arn("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV4"), Quarantined, High, alice),
            (
                "version 17",
                with_arn("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV17"),
                Quarantined,
                High,
                alice,
            ),
            ("a path", with_arn("arn:aws:iam::aws:policy/a/b/AWSCompromisedKeyQuarantineV3"), Quarantined, High, alice),
            (
                "GovCloud",
                with_arn("arn:aws-us-gov:iam::aws:policy/AWSCompromisedKeyQuarantineV3"),
                Quarantined,
                High,
                alice,
            ),
            ("China", with_arn("arn:aws-cn:iam::aws:policy/AWSCompromisedKeyQuarantineV3"), Quarantined, High, alice),
            ("by hand", with("sourceIPAddress", json!("192.0.2.1")), Quarantined, High, alice),
            ("an empty errorCode", with("errorCode", json!("")), Quarantined, High, alice),
            ("errorCode null", with("errorCode", json!(null)), Quarantined, High, alice),
            ("failed, by AWS", with("errorCode", json!("LimitExceededException")), Failed, Critical, alice_failed),
            ("failed, by hand", by_hand_and_failed, Failed, High, alice_failed),
            ("inline, 2018", put("AWSExposedCredentialPolicy_DO_NOT_REMOVE"), Quarantined, High, alice),
            ("inline", put("AWSCompromisedKeyQuarantine"), Quarantined, High, alice),
            ("inline, version 2", put("AWSCompromisedKeyQuarantineV2"), Quarantined, High, alice),
            (
                "a group",
                group,
                Quarantined,
                High,
                "AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:group:admins:quarantined",
            ),
            (
                "a role",
                role,
                Quarantined,
                High,
                "AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:role:deploy:quarantined",
            ),
        ] {
            let found = judged(record).unwrap_or_else(|| panic!("{case} is no match"));
            assert_eq!((found.outcome, found.severity), (outcome, severity), "{case}");
            assert_eq!(found.rule.id, RULE.id, "{case}");
            assert_eq!(found.dedup_key(), dedup_key, "{case}");
        }
    }

    #[test]
    fn near_misses() {
        for (case, record) in [
            (
                "a customer's policy of the same name",
                with_arn("arn:aws:iam::123456789012:policy/AWSCompromisedKeyQuarantineV2"),
            ),
            ("another name before it", with_arn("arn:aws:iam::aws:policy/xAWSCompromisedKeyQuarantineV2")),
            ("the name as a path", with_arn("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2/x")),
            ("a role's ARN", with_arn("arn:aws:iam::aws:role/AWSCompromisedKeyQuarantineV2")),
            ("another service's ARN", with_arn("arn:aws:sts::aws:policy/AWSCompromisedKeyQuarantineV2")),
            ("no partition", with_arn("arn::iam::aws:policy/AWSCompromisedKeyQuarantineV2")),
            ("no ARN", with_arn("AWSCompromisedKeyQuarantineV2")),
            ("another service", with("eventSource", json!("sts.amazonaws.com"))),
            ("no service", with("eventSource", json!(null))),
            ("another call", with("eventName", json!("DetachUserPolicy"))),
            ("a call of the same ending", with("eventName", json!("AttachUserPolicyX"))),
            ("an Insights record", with("eventName", json!(null))),
            ("no parameters", with("requestParameters", json!(null))),
            ("parameters of a wrong type", with("requestParameters", json!(["policyArn", V2]))),
            ("a policy of a wrong type", with("requestParameters", json!({ "userName": "alice", "policyArn": [V2] }))),
            (
                "the name inside a policy document",
                attach(
                    "PutUserPolicy",
                    json!({ "userName": "alice", "policyName": "x", "policyDocument": "AWSCompromisedKeyQuarantine" }),
                ),
            ),
            ("an inline policy that a customer named", put("AWSCompromisedKeyQuarantineForever")),
            ("an inline version without digits", put("AWSCompromisedKeyQuarantineV")),
            ("an inline name after another", put("xAWSExposedCredentialPolicy_DO_NOT_REMOVE")),
            ("an inline policy that was not put", {
                let mut record = put("AWSCompromisedKeyQuarantine");
                record["errorCode"] = json!("AccessDenied");
                record
            }),
        ] {
            assert!(judged(record).is_none(), "{case} is a match");
        }
    }

    #[test]
    fn a_name_that_iam_does_not_allow_stands_in_the_dedup_key_as_a_fingerprint() {
        let key = |name: &str| {
            let record = attach("AttachUserPolicy", json!({ "userName": name, "policyArn": V2 }));
            judged(record).unwrap().dedup_key()
        };
        assert!(key("$(id)").starts_with("AWS.CloudTrail.IAMCompromisedKeyQuarantine:123456789012:user:sha256:"));
        assert_ne!(key("$(id)"), key("$(ID)"));
        assert_eq!(key(&"x".repeat(100_000)).len(), key("$(id)").len());
    }

    #[test]
    fn every_match_holds_a_needle() {
        let needles = crate::rule::needles().unwrap();
        for record in
            [with_arn(V2), put("AWSExposedCredentialPolicy_DO_NOT_REMOVE"), put("AWSCompromisedKeyQuarantine")]
        {
            assert!(needles.found_in(record.to_string().as_bytes()));
        }
    }
}
