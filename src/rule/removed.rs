//! A quarantine policy was detached: by the responder at the end of the runbook, by an administrator, by infrastructure as
//! code that does not know the policy, or by the attacker.

use super::{
    Alternative, Grade, Needle, Outcome, Rule, Severity, Subject,
    check::{DELETE, DETACH, INLINE, MANAGED, OF_IAM, SUCCEEDED},
};

pub(super) static RULE: Rule = Rule {
    id: "AWS.CloudTrail.IAMCompromisedKeyQuarantineRemoved",
    name: "AWS Compromised IAM Key Quarantine Removed",
    description: "An AWSCompromisedKeyQuarantine policy was detached from an IAM entity. \
                  Unless its access keys are inactive, they can be used again for everything that the entity may do.",
    tags: &["AWS", "Identity and Access Management", "Defense Impairment:Disable or Modify Tools"],
    reports: &["TA0112:T1685"],
    reference: "https://unit42.paloaltonetworks.com/malicious-operations-of-exposed-iam-keys-cryptojacking/",
    needles: &[Needle::fixed("CompromisedKeyQuarantine"), Needle::fixed("Policy_DO_NOT_REMOVE")],
    period_hours: None,
    alternatives: &[
        Alternative {
            outcome: Outcome::Removed,
            severity: Grade::Always(Severity::High),
            note: None,
            checks: &[&OF_IAM, &DETACH, &MANAGED, &SUCCEEDED],
            subject: Subject::with_managed_policy,
        },
        Alternative {
            outcome: Outcome::Removed,
            severity: Grade::Always(Severity::High),
            note: Some("AWS's form before 2020"),
            checks: &[&OF_IAM, &DELETE, &INLINE, &SUCCEEDED],
            subject: Subject::with_inline_policy,
        },
    ],
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rule::cases::{Expected, V2, call, does_not_match, inline, managed, matches, with};

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
                Expected { dedup_key: "user:alice:removed:e-1", ..USER },
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
            does_not_match(case, &record);
        }
    }
}
