//! The tasks after a trace: keys to deactivate, and things to undo.

use std::collections::HashSet;

use quarantine_alert::{
    trace::report::{IdentityRow, LeftRow, Report},
    untrusted::Untrusted,
};

use super::verdict::shown;

/// The things that were left behind, by the action that each needs.
pub struct Work<'r> {
    /// To undo, the newest first: a policy is attached to a user after the user is created, and must be detached before the user
    /// can be deleted.
    pub to_undo: Vec<&'r LeftRow>,
    /// Calls that only removed what these identities had made, such as a deleted trail of their own.
    pub own: Vec<&'r LeftRow>,
    pub removed: Vec<&'r LeftRow>,
}

impl Work<'_> {
    pub fn of(report: &Report) -> Work<'_> {
        let removals: HashSet<&Untrusted> =
            report.left_behind.iter().filter_map(|row| row.removed_event_id.as_ref()).collect();
        let (removed, there): (Vec<_>, Vec<_>) = report.left_behind.iter().partition(|row| row.removed_at.is_some());
        let is_own = |row: &&LeftRow| row.event_id.as_ref().is_some_and(|id| removals.contains(id));
        let (own, mut to_undo): (Vec<_>, Vec<_>) = there.into_iter().partition(is_own);
        to_undo.reverse();
        Work { to_undo, own, removed }
    }
}

/// The commands that deactivate the long-lived keys that were not deleted.
pub fn deactivations(report: &Report) -> Vec<String> {
    let deleted: HashSet<&Untrusted> =
        report.left_behind.iter().filter(|row| row.removed_at.is_some()).map(|row| &row.id).collect();
    let keys = report.identities.iter().filter(|row| row.kind == "key" && !deleted.contains(&row.id));
    let command = |row: &IdentityRow| {
        let key = row.id.access_key_id().filter(|key| key.starts_with("AKIA"))?;
        let is_root = row.arn.as_ref().is_some_and(|arn| arn.test(|arn| arn.ends_with(":root")));
        let user = row.arn.as_ref().and_then(|arn| arn.part(|arn| arn.split_once(":user/")?.1.rsplit('/').next()));
        let user = match user.as_ref().and_then(Untrusted::iam_name) {
            Some(name) => format!(" --user-name='{name}'"),
            // As root, a command without a name is about root's own keys.
            None if is_root => String::new(),
            None => " --user-name=USER_NAME".into(),
        };
        Some(format!("aws iam update-access-key{user} --access-key-id='{key}' --status Inactive"))
    };
    keys.filter_map(command).collect()
}

/// The instruction for a thing that no command undoes, without its final full stop.
pub fn by_hand(report: &Report, row: &LeftRow) -> String {
    let event = shown(row.event_id.as_ref(), 64);
    if !row.kind.contains("session") {
        return format!("Decide what it should be. The record has the event ID {event}");
    }
    let session = report.identities.iter().find(|identity| identity.id == row.id).and_then(|row| row.arn.as_ref());
    let role = session.and_then(|arn| arn.part(|arn| arn.split_once(":assumed-role/")?.1.split('/').next()));
    match role.as_ref().and_then(Untrusted::iam_name) {
        Some(role) => {
            format!("Revoke the sessions of the role {role} (IAM console, Roles). Otherwise it works until it expires")
        }
        None => {
            format!("Revoke the sessions of its role or user. Otherwise it works until it expires (event ID {event})")
        }
    }
}
