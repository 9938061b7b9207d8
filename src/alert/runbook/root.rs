//! The response to exposed credentials of root, or of an unknown owner. Nothing contains root: no quarantine, and no policy of
//! the account.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html>

use super::{Step, known_key, own_key, quoted, remove, search, since, support_case, trace};
use crate::{
    alert::console,
    rule::{EntityType, Match},
    trail::log_file::LogFile,
};

pub(super) fn steps(matched: &Match, log_file: Option<&LogFile>) -> Vec<Step> {
    let is_known = matched.facts.entity.kind == EntityType::Root;
    let mut steps = Vec::new();
    if !is_known {
        steps.push(find_the_owner(matched));
    }
    steps.extend([
        sign_in(matched),
        delete(matched),
        Step::new("Change the password of root, and remove every MFA device of root that is not yours. Both are on the same page."),
        sign_ins(matched),
        contacts(matched),
        support_case(matched),
        what_it_did(matched, log_file),
        remove(),
        Step::new(
            "Move the workloads that used the key to roles: root needs no access key. Find out where the key leaked, and remove it \
             there.",
        ),
        Step::new("Answer the support case."),
    ]);
    steps
}

/// The account, for a sentence.
fn account(matched: &Match) -> String {
    match matched.facts.account_id.as_str() {
        "unknown" => "the account, which AWS Health does not name".into(),
        id => format!("the account {id}"),
    }
}

/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html>
fn find_the_owner(matched: &Match) -> Step {
    let account = account(matched);
    let Some(key) = known_key(matched) else {
        let has_entity = matched.facts.evidence.notice.as_ref().is_some_and(|notice| notice.affected.is_some());
        let entity = if has_entity { "the affected entity above, and " } else { "" };
        return Step::new(format!(
            "AWS Health names neither a user nor an access key. Find out whose credentials they are from {entity}its event in the \
             AWS Health Dashboard of {account}. Treat those of root as exposed until you know."
        ));
    };
    Step::new(format!(
        "Find out whose key it is, with credentials of {account}. If the first command names a user, deactivate the key with the \
         second, and do the steps below that are not about root. Otherwise the key is root's."
    ))
    .with([
        format!("aws iam get-access-key-last-used --access-key-id='{key}'"),
        format!("aws iam update-access-key --user-name=USER_NAME --access-key-id='{key}' --status Inactive"),
    ])
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-enable-root-access.html>
fn sign_in(matched: &Match) -> Step {
    Step::new(format!(
        "Sign in as root of {}, with MFA, and open CloudShell: {}. The ARN of the caller identity must end in :root. In an \
         organization that manages root access centrally, the management account can delete the credentials of root instead (IAM \
         console, Root access management). If you cannot sign in, an attacker may have changed the email address: contact AWS \
         Support at once.",
        account(matched),
        console::home(&matched.facts.partition),
    ))
    .with(["aws sts get-caller-identity".into()])
}

/// Without a user name, these commands are about their caller, which is root.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccessKey.html>
fn delete(matched: &Match) -> Step {
    let page = console::security_credentials(&matched.facts.partition);
    Step::new(format!(
        "As root, delete ALL access keys of root, here or in the console: {page}. This cannot be undone, and stops every workload \
         that uses them."
    ))
    .with([
        "aws iam list-access-keys".into(),
        format!("aws iam delete-access-key --access-key-id={}", own_key(matched)),
    ])
}

/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html>
fn sign_ins(matched: &Match) -> Step {
    let region = match matched.facts.partition.identifier() {
        Some("aws") => Some("us-east-1"),
        Some("aws-us-gov") => Some("us-gov-west-1"),
        Some("aws-cn") => Some("cn-north-1"),
        _ => None,
    };
    let start = since(matched).map_or(String::new(), |since| format!(" --start-time='{since}'"));
    Step::new(
        "Check the sign-in history of root: who signed in, from where, and with MFA or without. The userIdentity of such a sign-in \
         has the type Root.",
    )
    .with([format!(
        "aws cloudtrail lookup-events --region={}{start} --lookup-attributes AttributeKey=EventName,AttributeValue=ConsoleLogin",
        quoted(region, "REGION"),
    )])
}

/// <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-update-contact.html>
fn contacts(matched: &Match) -> Step {
    Step::new(format!(
        "Check the contacts of {}: email address, phone number and alternate contacts. An attacker changes them to keep you out.",
        account(matched)
    ))
    .with([
        "aws account get-contact-information".into(),
        "aws account get-alternate-contact --alternate-contact-type=SECURITY".into(),
    ])
}

/// The calls of root are also made with its password.
fn what_it_did(matched: &Match, log_file: Option<&LogFile>) -> Step {
    let facts = &matched.facts;
    let is_root = facts.entity.kind == EntityType::Root;
    let partition = facts.partition.identifier().unwrap_or("aws");
    let account = Some(facts.account_id.as_str()).filter(|id| *id != "unknown");
    let root = account.map(|id| format!("arn:{partition}:iam::{id}:root"));
    match (known_key(matched), root) {
        (Some(key), Some(root)) if is_root => {
            let mut step = search(matched, log_file);
            step.commands[0] = trace(matched, log_file, &format!("'{key},{root}'"));
            step
        }
        (Some(_), _) => search(matched, log_file),
        (None, root) => Step::new("Find out what root did, from 24 hours before the event, in all Regions.")
            .with([trace(matched, log_file, &quoted(root.as_deref(), "ROOT_ARN"))]),
    }
}
