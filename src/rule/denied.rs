//! AWS was denied an attach to the user that it acted as. CloudTrail omits the parameters of a denied call, so it is a
//! guess that the policy was a quarantine policy: low confidence, and `DENIED_ATTEMPTS=off` switches the rule off.

use super::{
    Alternative, Check, EXPOSED_KEY_REPORTS, EXPOSED_KEY_TAGS, EntityType, Grade, Needle, Outcome, Rule, Severity,
    Subject, check::OF_IAM,
};
use crate::{trail::record::Record, untrusted::Untrusted};

pub(super) static RULE: Rule = Rule {
    id: "AWS.CloudTrail.IAMCompromisedKeyQuarantineDenied",
    name: "AWS Compromised IAM Key Quarantine Denied",
    description: "AWS, acting as an IAM user, was denied attaching a policy to that user. A quarantine looks like this if \
                  a permissions boundary or a service control policy (SCP) forbids it: the key may be exposed, and \
                  nothing contains it.",
    tags: EXPOSED_KEY_TAGS,
    reports: EXPOSED_KEY_REPORTS,
    reference: "https://unit42.paloaltonetworks.com/malicious-operations-of-exposed-iam-keys-cryptojacking/",
    needles: &[Needle::fixed("AttachUserPolicy")],
    period_hours: None,
    alternatives: &[Alternative {
        outcome: Outcome::Denied,
        severity: Grade::Always(Severity::Medium),
        note: None,
        checks: &[&OF_IAM, &ATTACH_USER, &ACCESS_DENIED, &NO_PARAMETERS, &BY_AWS, &OF_ITSELF],
        subject: |record| {
            Some(Subject { kind: EntityType::User, name: named_user(record)?, policy: None, account_id: None })
        },
    }],
};

static ATTACH_USER: Check = Check {
    field: "eventName",
    operator: "is",
    values: "AttachUserPolicy",
    passes: |record| record.event_name.as_ref().is_some_and(|name| name.test(|name| name == "AttachUserPolicy")),
};

static ACCESS_DENIED: Check = Check {
    field: "errorCode",
    operator: "is",
    values: "AccessDenied",
    passes: |record| record.error_code.as_ref().is_some_and(|code| code.test(|code| code == "AccessDenied")),
};

static NO_PARAMETERS: Check = Check {
    field: "requestParameters",
    operator: "is",
    values: "null",
    passes: |record| record.request_parameters.is_none(),
};

static BY_AWS: Check = Check {
    field: "sourceIPAddress",
    operator: "starts with",
    values: "AWS Internal",
    passes: Record::is_aws_internal,
};

static OF_ITSELF: Check = Check {
    field: "errorMessage",
    operator: "names after \"on resource: user\"",
    values: "userIdentity.userName",
    passes: |record| {
        let user = &record.user_identity;
        let of_arn = || user.arn.as_ref()?.part(|arn| arn.rsplit('/').next());
        named_user(record).is_some_and(|named| user.user_name.clone().or_else(of_arn) == Some(named))
    },
};

/// The user that the policy was to be attached to.
fn named_user(record: &Record) -> Option<Untrusted> {
    record.error_message.as_ref()?.part(|message| {
        let (_, after) = message.split_once(" on resource: user ")?;
        after.split_whitespace().next()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rule::{
        OptionalRules, Rules,
        cases::{Expected, V2, call, does_not_match, managed, matches, with},
    };

    const DENIED: Expected = Expected {
        rule: "Denied",
        outcome: Outcome::Denied,
        severity: Severity::Medium,
        title: "Quarantine of IAM user alice possibly denied",
        dedup_key: "user:alice:denied",
    };

    fn denied() -> Value {
        let message = "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: iam:AttachUserPolicy \
                       on resource: user alice because no identity-based policy allows it";
        let record = with(call("AttachUserPolicy", json!(null)), "errorCode", json!("AccessDenied"));
        with(record, "errorMessage", json!(message))
    }

    #[test]
    fn positive_cases() {
        matches("denied", &denied(), &DENIED);
        let by_arn = json!({ "type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/a/path/alice" });
        matches("no user name but in the ARN", &with(denied(), "userIdentity", by_arn), &DENIED);
        matches("AWS Internal and a number", &with(denied(), "sourceIPAddress", json!("AWS Internal/3")), &DENIED);
    }

    #[test]
    fn negative_cases() {
        let other =
            json!("User: x is not authorized to perform: iam:AttachUserPolicy on resource: user bob because no");
        for (case, record) in [
            ("a person was denied", with(denied(), "sourceIPAddress", json!("192.0.2.1"))),
            ("another user is named", with(denied(), "errorMessage", other)),
            ("no message", with(denied(), "errorMessage", json!(null))),
            ("another error", with(denied(), "errorCode", json!("Throttling"))),
            ("it succeeded", with(denied(), "errorCode", json!(null))),
            ("a role", with(denied(), "eventName", json!("AttachRolePolicy"))),
            ("another service", with(denied(), "eventSource", json!("sts.amazonaws.com"))),
            ("another policy, not denied", managed("AttachUserPolicy", "arn:aws:iam::aws:policy/ReadOnlyAccess")),
        ] {
            does_not_match(case, &record);
        }
        // With parameters, the record names the policy: a failed quarantine, or something else.
        let named = with(denied(), "requestParameters", json!({ "userName": "alice", "policyArn": V2 }));
        assert_eq!(crate::rule::cases::judged(&named).unwrap().outcome, Outcome::Failed);
    }

    #[test]
    fn the_rule_can_be_switched_off() {
        let record = || Record::parse(denied().to_string().as_bytes()).unwrap();
        let without = Rules::new(OptionalRules { denied: false, ..OptionalRules::default() });
        assert!(Rules::all().judge(record()).is_some() && without.judge(record()).is_none());
        assert!(!without.needles().may_be_in(b"AttachUserPolicy"));
    }
}
