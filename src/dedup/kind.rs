//! The outcome and the caller in a dedup key.

use super::IncidentKey;
use crate::rule::Outcome;

/// Whether the flood bound applies to a match. AWS's own calls have a time, and those without one are bounded too: anyone who can
/// write log files can make them, and no window joins them.
pub(super) fn is_bounded(key: &IncidentKey) -> bool {
    !key.by_aws || !key.has_window
}

/// The outcome, and whether someone other than AWS made the call.
pub(super) fn kind(dedup_key: &str) -> Option<(Outcome, bool)> {
    outcome(dedup_key).map(|(outcome, rest)| (outcome, is_by_hand(rest)))
}

fn is_by_hand(rest: Option<&str>) -> bool {
    rest.is_some_and(|rest| rest.split(':').next() == Some("by-hand"))
}

/// Whether a dedup key is of a removal.
pub(super) fn is_removal(dedup_key: &str) -> bool {
    outcome(dedup_key).is_some_and(|(outcome, _)| outcome == Outcome::Removed)
}

/// Whether an incident counts toward the flood bound: anyone can prompt it.
pub(super) fn is_counted(dedup_key: &str) -> bool {
    outcome(dedup_key).is_some_and(|(outcome, rest)| match outcome {
        Outcome::Removed | Outcome::Enforced => true,
        Outcome::Quarantined | Outcome::Failed | Outcome::Denied | Outcome::Exposed => is_by_hand(rest),
    })
}

/// The outcome in a dedup key, and what follows it. Before it are rule, account, entity type and name, and any of these names may
/// be that of an outcome, too. A fingerprint has a colon.
fn outcome(dedup_key: &str) -> Option<(Outcome, Option<&str>)> {
    let mut rest = dedup_key.splitn(5, ':').nth(4)?;
    loop {
        let (part, after) = rest.split_once(':').map_or((rest, None), |(part, after)| (part, Some(after)));
        if let Some(outcome) = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == part) {
            return Some((outcome, after));
        }
        rest = after?;
    }
}
