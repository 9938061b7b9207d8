//! What to do, in this order, with the commands filled in.
//!
//! People paste these commands at three in the morning. So a command holds nothing of a log but what matches
//! AWS's own grammar, in single quotes and behind a `=`, since a name may begin with `-`; for everything else a
//! placeholder in capitals stands there.

use std::fmt::Write;

use time::{Duration, OffsetDateTime};

use super::{place, rfc3339};
use crate::{
    rule::{EntityType, Match, Outcome, Policy},
    untrusted::Untrusted,
};

/// One step of the runbook.
pub struct Step {
    /// One sentence or two.
    pub text: String,
    /// Ready to paste.
    pub commands: Vec<String>,
}

/// The steps as numbered text, a command on a line of its own.
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

pub(super) fn steps(
    matched: &Match,
    partition: &Untrusted,
    event_time: OffsetDateTime,
    now: OffsetDateTime,
) -> Vec<Step> {
    let step = |text: &str, commands: Vec<String>| Step { text: text.into(), commands };
    let mut steps = vec![deactivate(matched, now)];
    let attach = || policy_command(matched, "attach", partition).into_iter().collect();
    steps.push(match matched.outcome {
        Outcome::Quarantined => step("Leave the quarantine on until step 7 is done.", vec![]),
        Outcome::Failed => step(
            "Attach the policy that could not be attached: it denies some actions until the keys are off.",
            attach(),
        ),
        Outcome::Removed => {
            step("Unless whoever took it off had done all of this: put the quarantine on again.", attach())
        }
        Outcome::Denied => step(
            "Find what denied it (a boundary, an organisation's policy), and attach a quarantine policy.",
            attach(),
        ),
    });
    steps.push(step(&format!("Open the AWS support case about it: {}", place::support(partition)), vec![]));
    steps.push(search(matched, event_time));
    steps.push(step(
        "Remove what was created: users, access keys, login profiles, roles, instances, functions, e-mail identities.",
        vec![],
    ));
    steps.push(step("Rotate the credentials and redeploy what used them; find where the key leaked.", vec![]));
    steps.push(step("Answer the support case.", vec![]));
    let is_inline = matched.policy.as_ref().is_some_and(|policy| policy.arn.is_none());
    let detach = policy_command(matched, if is_inline { "delete" } else { "detach" }, partition);
    steps.push(step("Only then take the quarantine off.", detach.into_iter().collect()));
    steps
}

fn deactivate(matched: &Match, now: OffsetDateTime) -> Step {
    let name = quoted(matched.entity.name.iam_name(), "ENTITY_NAME");
    let (text, commands) = match matched.entity.kind {
        EntityType::User => (
            "Deactivate ALL active access keys of the user, from another identity: a quarantined user cannot.",
            vec![
                format!("aws iam list-access-keys --user-name={name}"),
                format!(
                    "aws iam update-access-key --user-name={name} --access-key-id={} --status Inactive",
                    own_key(matched)
                ),
            ],
        ),
        EntityType::Group => (
            "Deactivate ALL active access keys of every user in the group, from an identity outside it.",
            vec![format!("aws iam get-group --group-name={name}")],
        ),
        EntityType::Role => (
            "Revoke all sessions of the role that were issued until now; new ones can still be assumed.",
            vec![format!(
                "aws iam put-role-policy --role-name={name} --policy-name AWSRevokeOlderSessions --policy-document \
                 '{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\",\
                 \"Condition\":{{\"DateLessThan\":{{\"aws:TokenIssueTime\":\"{}\"}}}}}}]}}'",
                rfc3339(now)
            )],
        ),
    };
    Step { text: text.into(), commands }
}

fn search(matched: &Match, event_time: OffsetDateTime) -> Step {
    let region = quoted(matched.record.aws_region.as_ref().and_then(Untrusted::identifier), "REGION");
    let text = "Search CloudTrail for the key from 24 hours before, in all regions; follow every AssumeRole.";
    let command = format!(
        "aws cloudtrail lookup-events --region={region} --start-time='{}' --lookup-attributes AttributeKey=AccessKeyId,AttributeValue={}",
        rfc3339(event_time - Duration::HOUR * 24),
        own_key(matched),
    );
    Step { text: text.into(), commands: vec![command] }
}

/// The key that the actor used, if the actor is the entity, as it is when AWS quarantines a user.
fn own_key(matched: &Match) -> String {
    let key = matched.record.user_identity.access_key_id.as_ref().filter(|_| matched.record.is_aws_internal());
    quoted(key.and_then(Untrusted::access_key_id), "ACCESS_KEY_ID")
}

/// `None` for putting an inline policy on, which takes its document.
fn policy_command(matched: &Match, verb: &str, partition: &Untrusted) -> Option<String> {
    let kind = matched.entity.kind;
    let name = quoted(matched.entity.name.iam_name(), "ENTITY_NAME");
    let policy = match &matched.policy {
        Some(Policy { arn: Some(arn), .. }) => format!("--policy-arn={}", quoted(arn.arn(), "POLICY_ARN")),
        Some(_) if verb == "attach" => return None,
        Some(policy) => format!("--policy-name={}", quoted(policy.name.iam_name(), "POLICY_NAME")),
        // A denied call does not tell which; this one has been there since 2024.
        None => {
            let partition = partition.identifier().unwrap_or("aws");
            format!("--policy-arn='arn:{partition}:iam::aws:policy/AWSCompromisedKeyQuarantineV3'")
        }
    };
    Some(format!("aws iam {verb}-{kind}-policy --{kind}-name={name} {policy}"))
}

fn quoted(value: Option<&str>, placeholder: &str) -> String {
    value.map_or_else(|| placeholder.to_owned(), |value| format!("'{value}'"))
}
