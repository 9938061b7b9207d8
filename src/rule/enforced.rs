//! A quarantine policy denied a call: the exposed credentials are in use, and a quarantine is in force, even if its attach was never
//! seen.
//!
//! Since January 2026, AWS names the denying policy at the end of access-denied messages. It names one policy only, and
//! CloudTrail cuts messages at 1 KB, so the absence of such records proves nothing.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>

use super::{
    Alternative, Check, EXPOSED_KEY_REPORTS, EXPOSED_KEY_TAGS, EntityType, Grade, Needle, Outcome, Policy, Rule,
    Severity, Subject, check::FAILED,
};
use crate::{
    trail::record::{Record, UserIdentity},
    untrusted::Untrusted,
};

pub(super) static RULE: Rule = Rule {
    id: "AWS.CloudTrail.IAMCompromisedKeyQuarantineEnforced",
    name: "AWS Compromised IAM Key Quarantine Enforced",
    description: "An AWSCompromisedKeyQuarantine policy denied a call. Somebody uses the quarantined credentials: the \
                  attacker, or a workload that was not moved to new ones. The quarantine may be older than this trail. The \
                  policy denies only some actions. The credentials work for all others until they are deactivated.",
    tags: EXPOSED_KEY_TAGS,
    reports: EXPOSED_KEY_REPORTS,
    reference: "https://unit42.paloaltonetworks.com/malicious-operations-of-exposed-iam-keys-cryptojacking/",
    needles: &[Needle::fixed("CompromisedKeyQuarantine")],
    period_hours: Some(24),
    alternatives: &[Alternative {
        outcome: Outcome::Enforced,
        severity: Grade::Always(Severity::Medium),
        note: None,
        checks: &[&FAILED, &BY_QUARANTINE],
        subject: |record| {
            let policy = Some(denying_policy(record)?);
            let (kind, name) = entity(&record.user_identity);
            // The record may be of the account whose resource was asked for.
            let account_id = record.caller_account_id().map(str::to_owned);
            Some(Subject { kind, name: name.unwrap_or_else(|| "unknown".into()), policy, account_id })
        },
    }],
};

static BY_QUARANTINE: Check = Check {
    field: "errorMessage",
    operator: "ends with",
    values: "an explicit deny in an identity-based policy: arn:*:iam::aws:policy/[path/]AWSCompromisedKeyQuarantine*",
    passes: |record| denying_policy(record).is_some(),
};

const DENY: &str = " with an explicit deny in an identity-based policy: ";

/// CloudTrail cuts a longer message.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>
const MAX_MESSAGE_BYTES: usize = 1024;

/// The quarantine policy that a message names as the reason, at its end. The resource stands earlier in the message, and may
/// contain the same words: an attacker chooses the keys of objects.
fn denying_policy(record: &Record) -> Option<Policy> {
    // Its keys are the only resources that may contain any text.
    let may_be_encoded =
        record.event_source.as_ref().is_none_or(|source| source.test(|source| source != "s3.amazonaws.com"));
    let arn = record.error_message.as_ref()?.part(|message| {
        let message = message.trim_end();
        let (before, reason) = message.rsplit_once(DENY)?;
        let end = reason.find(|c: char| !c.is_ascii_alphanumeric() && !"_+=,@-:/".contains(c)).unwrap_or(reason.len());
        let (arn, rest) = reason.split_at(end);
        let is_in_quotes = before.contains('"') && !before.ends_with('"');
        let is_whole = message.len() < MAX_MESSAGE_BYTES;
        (!is_in_quotes && is_end(rest, is_whole, may_be_encoded)).then_some(arn)
    })?;
    Policy::of_family(arn)
}

/// Whether nothing but AWS's own text follows the ARN. A message that is cut may have been cut in the name of the resource, except
/// where that cannot be.
fn is_end(rest: &str, is_whole: bool, may_be_encoded: bool) -> bool {
    let is_word = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"');
    let after = |prefix: &str| rest.strip_prefix(prefix).is_some_and(is_word);
    is_whole && (matches!(rest, "" | ".") || after(". Go to https://"))
        || (is_whole || may_be_encoded) && after(". Encoded authorization failure message: ")
}

/// The user of the call, or the user or role behind its session.
///
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>
fn entity(user: &UserIdentity) -> (EntityType, Option<Untrusted>) {
    let is = |kind: &Option<Untrusted>, wanted| kind.as_ref().is_some_and(|kind| kind.test(|kind| kind == wanted));
    let last = |arn: &Option<Untrusted>| arn.as_ref()?.part(|arn| arn.rsplit('/').next());
    if is(&user.kind, "IAMUser") {
        return (EntityType::User, user.user_name.clone().or_else(|| last(&user.arn)));
    }
    if let Some(issuer) = &user.session_issuer {
        let name = issuer.user_name.clone().or_else(|| last(&issuer.arn));
        if is(&issuer.kind, "Role") {
            return (EntityType::Role, name);
        }
        if is(&issuer.kind, "IAMUser") {
            return (EntityType::User, name);
        }
    }
    let of_arn = |prefix: &str, part: fn(&str) -> Option<&str>| {
        user.arn.as_ref()?.part(|arn| part(arn.splitn(6, ':').nth(5)?.strip_prefix(prefix)?))
    };
    if let Some(name) = of_arn("user/", |path| path.rsplit('/').next()) {
        return (EntityType::User, Some(name));
    }
    let role = of_arn("assumed-role/", |path| path.split('/').next());
    role.map_or_else(|| (EntityType::Unknown, user.principal_id.clone()), |role| (EntityType::Role, Some(role)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rule::{
        OptionalRules, Rules,
        cases::{Expected, V2, call, does_not_match, judged, managed, matches, with},
    };

    const USER: Expected = Expected {
        rule: "Enforced",
        outcome: Outcome::Enforced,
        severity: Severity::Medium,
        title: "Quarantined IAM user alice STILL IN USE",
        dedup_key: "user:alice:enforced",
    };
    const ROLE: Expected =
        Expected { title: "Quarantined IAM role deploy STILL IN USE", dedup_key: "role:deploy:enforced", ..USER };
    const UNKNOWN: Expected = Expected {
        title: "Quarantined IAM identity unknown STILL IN USE",
        dedup_key: "unknown:unknown:enforced",
        ..USER
    };

    const V3: &str = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3";

    fn message(resource: &str, end: &str) -> String {
        format!(
            "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: s3:GetObject on resource: {resource} {end}"
        )
    }

    fn denied(message: &str) -> Value {
        let record = with(call("GetObject", json!(null)), "eventSource", json!("s3.amazonaws.com"));
        let record = with(record, "sourceIPAddress", json!("203.0.113.66"));
        with(with(record, "errorCode", json!("AccessDenied")), "errorMessage", json!(message))
    }

    fn by(policy: &str) -> Value {
        denied(&message(
            "\"arn:aws:s3:::b/k\"",
            &format!("with an explicit deny in an identity-based policy: {policy}"),
        ))
    }

    /// A message of this length, which names the resource without quotes.
    fn without_quotes(bytes: usize) -> Value {
        let said = format!("with an explicit deny in an identity-based policy: {V3}");
        let resource = "x".repeat(bytes - message("", &said).len());
        denied(&message(&resource, &said))
    }

    #[test]
    fn positive_cases() {
        let said = format!("with an explicit deny in an identity-based policy: {V3}");
        let encoded = format!("{V3}. Encoded authorization failure message: {}", "x".repeat(2000));
        for (case, record) in [
            ("the ARN alone", by(V3)),
            ("a full stop", by(&format!("{V3}."))),
            ("a link", by(&format!("{V3}. Go to https://console.aws.amazon.com/x?y=%22z"))),
            ("a message that is cut", with(by(&encoded), "eventSource", json!("ec2.amazonaws.com"))),
            ("another partition, and a path", by("arn:aws-us-gov:iam::aws:policy/a/AWSCompromisedKeyQuarantineV9")),
            ("any code", with(by(V3), "errorCode", json!("Client.UnauthorizedOperation"))),
            ("the same words in the key", denied(&message(&format!("\"arn:aws:s3:::b/x {said}\""), &said))),
            ("a resource without quotes", denied(&message("arn:aws:s3:::b/k", &said))),
            ("the longest message that is not cut", without_quotes(MAX_MESSAGE_BYTES - 1)),
        ] {
            matches(case, &record, &USER);
        }
        let session = |kind: &str, issuer: Value| json!({ "type": kind, "arn": "arn:aws:sts::123456789012:x/y/z", "sessionContext": { "sessionIssuer": issuer } });
        for (case, identity, expected) in [
            ("an ARN without a type", json!({ "arn": "arn:aws:iam::1:user/a/alice" }), &USER),
            ("a user's ARN alone", json!({ "type": "IAMUser", "arn": "arn:aws:iam::1:user/a/alice" }), &USER),
            ("a federated user", session("FederatedUser", json!({ "type": "IAMUser", "userName": "alice" })), &USER),
            ("a role", session("AssumedRole", json!({ "type": "Role", "arn": "arn:aws:iam::1:role/a/deploy" })), &ROLE),
            ("a role without issuer", json!({ "arn": "arn:aws:sts::1:assumed-role/deploy/x" }), &ROLE),
            ("nobody", json!(null), &UNKNOWN),
            ("root", session("X", json!({ "type": "Root" })), &UNKNOWN),
            (
                "a caller of another account",
                json!({ "type": "AWSAccount", "principalId": "AIDAX" }),
                &Expected {
                    title: "Quarantined IAM identity AIDAX STILL IN USE",
                    dedup_key: "unknown:AIDAX:enforced",
                    ..USER
                },
            ),
        ] {
            matches(case, &with(by(V3), "userIdentity", identity), expected);
        }
    }

    #[test]
    fn negative_cases() {
        let said = format!("with an explicit deny in an identity-based policy: {V3}");
        let in_key =
            |end: &str| denied(&message(&format!("\"arn:aws:s3:::b/x {said}{end}\""), "because no policy allows it"));
        let cut = format!("\"arn:aws:s3:::b/{} {said}", "x".repeat(800));
        let forged = format!("\"arn:aws:s3:::b/x\" {said}. Go to https://{}", "a".repeat(900));
        for (case, record) in [
            ("no errorCode", with(by(V3), "errorCode", json!(null))),
            ("no message", with(by(V3), "errorMessage", json!(null))),
            ("the key has the words", in_key("")),
            ("the key has the words and a link", in_key(". Go to https://x")),
            ("the key ends the message", denied(&message(&format!("\"arn:aws:s3:::b/x {said}\""), ""))),
            ("the message is cut in the key", denied(message(&cut, "").trim_end())),
            ("the message may be cut in a key without quotes", without_quotes(MAX_MESSAGE_BYTES)),
            ("the message is cut in a key with a quote and a link", denied(&message(&forged, ""))),
            (
                "because no",
                denied(&message("\"x\"", "because no identity-based policy allows the s3:GetObject action")),
            ),
            ("a customer's policy", by("arn:aws:iam::123456789012:policy/AWSCompromisedKeyQuarantineV3")),
            ("a session policy", denied(&message("\"x\"", &said.replace("an identity-based", "a session")))),
            ("a boundary", denied(&message("\"x\"", &said.replace("identity-based policy", "permissions boundary")))),
            ("other text after it", by(&format!("{V3} and so on"))),
            ("a link with more text", by(&format!("{V3}. Go to https://x y"))),
        ] {
            does_not_match(case, &record);
        }
        // A failed attach of the quarantine names it in its parameters, too: the more serious rule counts.
        let attach = with(by(V3), "eventSource", json!("iam.amazonaws.com"));
        let attach = with(attach, "eventName", json!("AttachUserPolicy"));
        let attach = with(attach, "requestParameters", managed("AttachUserPolicy", V2)["requestParameters"].clone());
        assert_eq!(judged(&attach).unwrap().outcome, Outcome::Failed);
    }

    #[test]
    fn the_account_is_that_of_the_entity() {
        let identity = json!({ "type": "IAMUser", "userName": "alice", "accountId": "210987654321" });
        let matched = judged(&with(by(V3), "userIdentity", identity)).unwrap();
        assert_eq!(matched.facts.account_id, "210987654321");
        assert!(matched.facts.entity.arn.test(|arn| arn == "arn:aws:iam::210987654321:user/alice"));
        assert_eq!(matched.facts.recipient_account_id, "123456789012");
    }

    #[test]
    fn the_policy_has_no_full_stop() {
        for end in [".", ". Go to https://x", ""] {
            let policy = judged(&by(&format!("{V3}{end}"))).unwrap().policy.unwrap();
            assert_eq!(
                (policy.name.visible(99).as_str(), policy.arn.unwrap().arn()),
                ("AWSCompromisedKeyQuarantineV3", Some(V3))
            );
        }
    }

    #[test]
    fn the_rule_can_be_switched_off() {
        let record = || Record::parse(by(V3).to_string().as_bytes()).unwrap();
        let without = Rules::new(OptionalRules { enforced: false, ..OptionalRules::default() });
        assert!(Rules::all().judge(record()).is_some() && without.judge(record()).is_none());
    }
}
