//! A quarantine policy was taken off: by the responder at the end of the runbook, by a tired administrator, by
//! infrastructure as code that knows nothing of it, or by the attacker.

use super::{
    Alternative, Outcome, Policy, Rule, Severity,
    check::{DELETE, DETACH, INLINE, MANAGED, OF_IAM, SUCCEEDED},
    finding,
};

pub(super) static RULE: Rule = Rule {
    id: "AWS.CloudTrail.IAMCompromisedKeyQuarantineRemoved",
    name: "AWS Compromised IAM Key Quarantine Removed",
    description: "An AWSCompromisedKeyQuarantine policy was taken off an IAM entity. \
                  Unless its keys are off, they can do again all that they could before AWS found them exposed.",
    tags: &["AWS", "Identity and Access Management", "Defense Impairment:Disable or Modify Tools"],
    reports: &["TA0112:T1685"],
    reference: "https://unit42.paloaltonetworks.com/malicious-operations-of-exposed-iam-keys-cryptojacking/",
    needles: &["CompromisedKeyQuarantine", "Policy_DO_NOT_REMOVE"],
    alternatives: &[
        Alternative {
            means: "removed, HIGH",
            checks: &[&OF_IAM, &DETACH, &MANAGED, &SUCCEEDED],
            finding: |record| finding(record, "Detach", Outcome::Removed, Severity::High, Policy::managed),
        },
        Alternative {
            means: "removed, HIGH, of the form before 2020",
            checks: &[&OF_IAM, &DELETE, &INLINE, &SUCCEEDED],
            finding: |record| finding(record, "Delete", Outcome::Removed, Severity::High, Policy::inline),
        },
    ],
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rule::cases::{Expected, V2, call, inline, is_no_match, managed, matches, with};

    const USER: Expected = Expected {
        rule: "Removed",
        outcome: Outcome::Removed,
        severity: Severity::High,
        title: "Quarantine of IAM user alice REMOVED",
        dedup_key: "user:alice:removed:r-1",
    };
    const ROLE: Expected =
        Expected { title: "Quarantine of IAM role deploy REMOVED", dedup_key: "role:deploy:removed:r-1", ..USER };

    #[test]
    fn positive_cases() {
        let detach = || managed("DetachUserPolicy", V2);
        for (case, record, expected) in [
            ("detached", detach(), USER),
            ("by hand", with(detach(), "sourceIPAddress", json!("192.0.2.1")), USER),
            (
                "a later one",
                with(detach(), "requestID", json!("r-2")),
                Expected { dedup_key: "user:alice:removed:r-2", ..USER },
            ),
            (
                "no request id",
                with(detach(), "requestID", json!(null)),
                Expected { dedup_key: "user:alice:removed", ..USER },
            ),
            ("inline, 2018", inline("DeleteUserPolicy", "AWSExposedCredentialPolicy_DO_NOT_REMOVE"), USER),
            ("inline, version 3", inline("DeleteUserPolicy", "AWSCompromisedKeyQuarantineV3"), USER),
            ("a role", call("DetachRolePolicy", json!({ "roleName": "deploy", "policyArn": V2 })), ROLE),
        ] {
            matches(case, &record, &expected);
        }
    }

    #[test]
    fn negative_cases() {
        let detach = || managed("DetachUserPolicy", V2);
        for (case, record) in [
            ("it was not detached", with(detach(), "errorCode", json!("NoSuchEntityException"))),
            ("another policy", managed("DetachUserPolicy", "arn:aws:iam::aws:policy/ReadOnlyAccess")),
            (
                "a customer's look-alike",
                managed("DetachUserPolicy", "arn:aws:iam::123456789012:policy/AWSCompromisedKeyQuarantine"),
            ),
            ("another service", with(detach(), "eventSource", json!("organizations.amazonaws.com"))),
            ("an inline policy of a customer", inline("DeleteUserPolicy", "AWSCompromisedKeyQuarantineForever")),
            ("the policy itself", call("DeletePolicy", json!({ "policyArn": V2 }))),
        ] {
            is_no_match(case, &record);
        }
    }
}
