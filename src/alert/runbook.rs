//! The steps of the response, in order, with the commands filled in.
//!
//! People paste these commands at three in the morning. A command contains a value of a log only if the value matches AWS's
//! own grammar, in single quotes and after a `=`, since a name may begin with `-`. Otherwise it contains a placeholder in
//! capitals.

use std::fmt::Write;

use time::{Duration, OffsetDateTime};

use super::console;
use crate::{
    rule::{EntityType, Match, Outcome, Policy},
    trail::record::rfc3339,
    untrusted::Untrusted,
};

/// One step of the runbook.
pub struct Step {
    /// One or two sentences.
    pub text: String,
    /// Ready to paste.
    pub commands: Vec<String>,
}

impl Step {
    fn new(text: impl Into<String>) -> Step {
        Step { text: text.into(), commands: Vec::new() }
    }

    fn with(self, commands: impl IntoIterator<Item = String>) -> Step {
        Step { commands: commands.into_iter().collect(), ..self }
    }
}

/// The steps as numbered text, each command on its own line.
pub(super) fn text(steps: &[Step]) -> String {
    let mut text = String::new();
    for (number, step) in (1..).zip(steps) {
        let _ = writeln!(text, "{number}. {}", step.text);
        for command in &step.commands {
            let _ = writeln!(text, "   {command}");
        }
    }
    text
}

pub(super) fn steps(matched: &Match, event_time: OffsetDateTime) -> Vec<Step> {
    let is_inline = matched.policy.as_ref().is_some_and(|policy| policy.arn.is_none());
    let detach = if is_inline { "delete" } else { "detach" };
    vec![
        deactivate(matched),
        contain(matched),
        Step::new(format!("Open the AWS support case about the key: {}", console::support(&matched.facts.partition))),
        search(matched, event_time),
        Step::new(
            "Remove everything that was created: users, access keys, login profiles, roles, instances, functions, email \
             identities.",
        ),
        Step::new("Rotate the credentials and redeploy the workloads that used them. Find out where the key leaked."),
        Step::new("Answer the support case."),
        Step::new("Only now detach the quarantine policy.").with(policy_command(matched, detach)),
    ]
}

fn deactivate(matched: &Match) -> Step {
    let name = quoted(matched.facts.entity.name.iam_name(), "ENTITY_NAME");
    match matched.facts.entity.kind {
        EntityType::User => {
            Step::new("Deactivate ALL active access keys of the user. Use another identity: a quarantined user cannot change its own keys.")
                .with([
                    format!("aws iam list-access-keys --user-name={name}"),
                    format!(
                        "aws iam update-access-key --user-name={name} --access-key-id={} --status Inactive",
                        own_key(matched)
                    ),
                ])
        }
        EntityType::Group => Step::new(
            "Deactivate ALL active access keys of every user in the group. Use an identity outside the group.",
        )
        .with([format!("aws iam get-group --group-name={name}")]),
        // The time is that of the paste, not of the alert: sessions may have been created in between.
        EntityType::Role => Step::new(
            "Find out who attached the policy: AWS attaches it only to users. If the role's sessions may be stolen, revoke \
             those issued until now. This interrupts every workload that uses them.",
        )
        .with([format!(
            "aws iam put-role-policy --role-name={name} --policy-name AWSRevokeOlderSessions --policy-document \
             '{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\",\
             \"Condition\":{{\"DateLessThan\":{{\"aws:TokenIssueTime\":\"'\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"'\"}}}}}}]}}'"
        )]),
    }
}

fn contain(matched: &Match) -> Step {
    match matched.outcome {
        Outcome::Quarantined => Step::new("Leave the quarantine policy attached until the support case is answered."),
        Outcome::Failed => Step::new(
            "Attach the policy that could not be attached. It denies some actions until the keys are inactive.",
        )
        .with(policy_command(matched, "attach")),
        Outcome::Removed => Step::new("Attach the quarantine policy again, unless all other steps were already done.")
            .with(policy_command(matched, "attach")),
        Outcome::Denied => Step::new(
            "Find the permissions boundary or service control policy (SCP) that denied it, and allow it. Then attach a \
             quarantine policy.",
        )
        .with(policy_command(matched, "attach")),
    }
}

fn search(matched: &Match, event_time: OffsetDateTime) -> Step {
    let region = quoted(matched.facts.region.identifier(), "REGION");
    let text = "Search CloudTrail for calls with the key, from 24 hours before the event, in all Regions. Follow every \
                AssumeRole call.";
    Step::new(text).with([format!(
        "aws cloudtrail lookup-events --region={region} --start-time='{}' --lookup-attributes AttributeKey=AccessKeyId,AttributeValue={}",
        rfc3339(event_time - Duration::HOUR * 24),
        own_key(matched),
    )])
}

/// The entity's own long-term key. A temporary one cannot be deactivated, and another's must not be.
fn own_key(matched: &Match) -> String {
    let key = matched.facts.actor.access_key_id.as_ref().filter(|_| matched.facts.entity.is_actor);
    let key = key.and_then(Untrusted::access_key_id).filter(|key| key.starts_with("AKIA"));
    quoted(key, "ACCESS_KEY_ID")
}

/// `None` for attaching an inline policy, which would need its document.
fn policy_command(matched: &Match, verb: &str) -> Option<String> {
    let kind = matched.facts.entity.kind;
    let name = quoted(matched.facts.entity.name.iam_name(), "ENTITY_NAME");
    let policy = match &matched.policy {
        Some(Policy { arn: Some(arn), .. }) => format!("--policy-arn={}", quoted(arn.arn(), "POLICY_ARN")),
        Some(_) if verb == "attach" => return None,
        Some(policy) => format!("--policy-name={}", quoted(policy.name.iam_name(), "POLICY_NAME")),
        // The record of a denied call does not name the policy. V3 has existed since 2024.
        None => {
            let partition = matched.facts.partition.identifier().unwrap_or("aws");
            format!("--policy-arn='arn:{partition}:iam::aws:policy/AWSCompromisedKeyQuarantineV3'")
        }
    };
    Some(format!("aws iam {verb}-{kind}-policy --{kind}-name={name} {policy}"))
}

fn quoted(value: Option<&str>, placeholder: &str) -> String {
    value.map_or_else(|| placeholder.to_owned(), |value| format!("'{value}'"))
}
