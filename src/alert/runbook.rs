//! The steps of the response, in order, with the commands filled in.
//!
//! People paste these commands at three in the morning. A command contains a value of a log only if the value matches AWS's
//! own grammar, in single quotes and after a `=`, since a name may begin with `-`. Otherwise it contains a placeholder in
//! capitals.

mod root;

use std::fmt::Write;

use time::Duration;

use super::console;
use crate::{
    rule::{EntityType, Match, Outcome, Policy},
    trail::{log_file::LogFile, time::rfc3339},
    untrusted::Untrusted,
};

/// One step of the runbook.
pub struct Step {
    /// The sentences, without the commands.
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

/// The number of the step that searches the logs, unless the runbook is that of root. The email refers to it.
pub const SEARCH_STEP: usize = 6;

/// `log_file` contains the record.
pub(super) fn steps(matched: &Match, log_file: Option<&LogFile>) -> Vec<Step> {
    if matched.outcome == Outcome::Exposed && matched.facts.entity.kind != EntityType::User {
        return root::steps(matched, log_file);
    }
    let is_inline = matched.policy.as_ref().is_some_and(|policy| policy.arn.is_none());
    let detach = if is_inline { "delete" } else { "detach" };
    vec![
        account(matched),
        deactivate(matched),
        end_sessions(matched),
        contain(matched),
        support_case(matched),
        search(matched, log_file),
        remove(),
        Step::new("Rotate the credentials and redeploy the workloads that used them. Find out where the key leaked."),
        Step::new("Answer the support case."),
        Step::new(match matched.outcome {
            Outcome::Enforced => {
                "Only now detach the quarantine policy, from the user's group if it is attached to that."
            }
            Outcome::Exposed => "Only now detach the quarantine policy, if one is attached.",
            _ => "Only now detach the quarantine policy.",
        })
        .with(policy_command(matched, detach)),
    ]
}

fn support_case(matched: &Match) -> Step {
    Step::new(format!("Open the AWS support case about the key: {}", console::support(&matched.facts.partition)))
}

fn remove() -> Step {
    Step::new(
        "Remove everything that was created: users, access keys, login profiles, roles, instances, functions, email \
         identities.",
    )
}

/// The commands run in whichever account the shell is in.
fn account(matched: &Match) -> Step {
    let id = &matched.facts.account_id;
    let text = match id.as_str() {
        "unknown" => "Find out the account, which the record does not name, and use credentials of it.".into(),
        id => format!("Use credentials of the account {id}. The caller identity must show its id."),
    };
    Step::new(text).with(["aws sts get-caller-identity".into()])
}

fn deactivate(matched: &Match) -> Step {
    let name = name(matched);
    match matched.facts.entity.kind {
        EntityType::User => Step::new(
            "Deactivate ALL active access keys of the user. Use another identity: a quarantined user cannot change its own \
             keys. Instead of this and the next step, AWS's runbook AWSSupport-ContainIAMPrincipal (Systems Manager, \
             Automation) can contain the user.",
        )
        .with([
            format!("aws iam list-access-keys --user-name={name}"),
            format!(
                "aws iam update-access-key --user-name={name} --access-key-id={} --status Inactive",
                own_key(matched)
            ),
        ]),
        EntityType::Group => Step::new(
            "Deactivate ALL active access keys of every user in the group. Use an identity outside the group.",
        )
        .with([format!("aws iam get-group --group-name={name}")]),
        EntityType::Role => Step::new(
            "Find out who attached the policy: AWS attaches it only to users. Instead of this and the next step, AWS's \
             runbook AWSSupport-ContainIAMPrincipal (Systems Manager, Automation) can contain the role.",
        ),
        EntityType::Root | EntityType::Unknown => {
            Step::new("Find out from the record whose credentials they are, and deactivate ALL active access keys of that user.")
        }
    }
}

/// Temporary credentials outlive a deactivated key. The time is that of the paste, not of the alert: sessions may have been
/// created in between.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html>
fn end_sessions(matched: &Match) -> Step {
    let kind = matched.facts.entity.kind;
    let command = |kind: EntityType| {
        format!(
            "aws iam put-{kind}-policy --{kind}-name={} --policy-name AWSRevokeOlderSessions --policy-document \
             '{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\",\
             \"Condition\":{{\"DateLessThan\":{{\"aws:TokenIssueTime\":\"'\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"'\"}}}}}}]}}'",
            name(matched)
        )
    };
    match kind {
        EntityType::User => Step::new(
            "End the sessions that the user has created: temporary credentials outlive the key. This stops neither the keys nor \
             a console password. Do the same with the roles that the user has assumed (IAM console, role, Revoke sessions).",
        )
        .with([command(kind)]),
        EntityType::Role => {
            let why = match matched.outcome {
                Outcome::Enforced => "A session of the role is in use.",
                _ => "The role's sessions may be stolen.",
            };
            Step::new(format!("{why} End those issued until now. This interrupts every workload that uses them."))
                .with([command(kind)])
        }
        EntityType::Group | EntityType::Root | EntityType::Unknown => Step::new(
            "End the sessions of these users, and of the roles that they have assumed (IAM console, role, Revoke sessions): \
             temporary credentials outlive a key.",
        ),
    }
}

fn contain(matched: &Match) -> Step {
    match matched.outcome {
        Outcome::Quarantined | Outcome::Enforced => {
            Step::new("Leave the quarantine policy attached until the support case is answered.")
        }
        Outcome::Exposed => Step::new(
            "Attach a quarantine policy, unless AWS has already done so. It denies some actions until the keys are inactive.",
        )
        .with(policy_command(matched, "attach")),
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

fn search(matched: &Match, log_file: Option<&LogFile>) -> Step {
    let key = own_key(matched);
    let region = matched.facts.region.identifier().filter(|region| !["unknown", "global"].contains(region));
    let lookup = format!(
        "aws cloudtrail lookup-events --region={}{} --lookup-attributes AttributeKey=AccessKeyId,AttributeValue={key}",
        quoted(region, "REGION"),
        since(matched).map_or(String::new(), |since| format!(" --start-time='{since}'")),
    );
    Step::new(
        "Find out what the key did, from 24 hours before the event, in all Regions. Follow every AssumeRole call. CloudTrail's \
         event history (lookup-events) needs no trail, but has 90 days, and shows one Region at a time.",
    )
    .with([trace(matched, log_file, &key), lookup])
}

fn since(matched: &Match) -> Option<String> {
    matched.facts.event_time.map(|time| rfc3339(time - Duration::HOUR * 24))
}

/// The command that follows these identities, already quoted.
fn trace(matched: &Match, log_file: Option<&LogFile>, identities: &str) -> String {
    let bucket = match log_file {
        Some(LogFile::S3(object)) => {
            Untrusted::new(&object.bucket).bucket_name().map(|bucket| format!("s3://{bucket}"))
        }
        Some(LogFile::Disk(_) | LogFile::Stdin) | None => None,
    };
    format!(
        "quarantine-scan trace {identities}{} {}",
        since(matched).map_or(String::new(), |since| format!(" --since='{since}'")),
        quoted(bucket.as_deref(), "s3://LOG_BUCKET"),
    )
}

/// The entity's own long-term key. A temporary one cannot be deactivated, and another's must not be.
fn own_key(matched: &Match) -> String {
    quoted(known_key(matched), "ACCESS_KEY_ID")
}

fn known_key(matched: &Match) -> Option<&str> {
    let key = matched.facts.actor.access_key_id.as_ref().filter(|_| matched.facts.entity.owns_key);
    key.and_then(Untrusted::access_key_id).filter(|key| key.starts_with("AKIA"))
}

fn name(matched: &Match) -> String {
    quoted(matched.facts.entity.name.iam_name(), "ENTITY_NAME")
}

/// `None` for attaching an inline policy, which would need its document.
fn policy_command(matched: &Match, verb: &str) -> Option<String> {
    let kind = matched.facts.entity.kind;
    if matches!(kind, EntityType::Root | EntityType::Unknown) {
        return None;
    }
    let name = name(matched);
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

/// A mail client would make a link of a name that begins like a host. The shell joins the two strings to the same name.
fn quoted(value: Option<&str>, placeholder: &str) -> String {
    let Some(value) = value else { return placeholder.to_owned() };
    let mut text = format!("'{value}'");
    for (at, _) in text.to_ascii_lowercase().rmatch_indices("www.") {
        text.insert_str(at + "www".len(), "''");
    }
    text
}
