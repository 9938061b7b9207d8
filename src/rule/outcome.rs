//! What happened to an entity, and how serious that is.

use std::fmt;

use serde::{Serialize, Serializer};

use super::EntityType;
use crate::untrusted::Untrusted;

/// The length of AWS's access key ids. A longer one would leave no room for the account in the subject of an email.
const MAX_KEY_CHARS: usize = 20;

/// What happened to the entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The quarantine policy is attached.
    Quarantined,
    /// Attaching it failed: the key is exposed, and may not be contained.
    Failed,
    /// The quarantine policy is detached.
    Removed,
    /// AWS was denied a call that looks like an attach: the key may be exposed, and is not contained.
    Denied,
    /// The quarantine policy denied a call: the credentials are in use.
    Enforced,
    /// AWS Health reports exposed credentials.
    Exposed,
}

/// In ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    Medium,
    High,
    Critical,
}

/// How the severity follows from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    Always(Severity),
    ByCaller { aws: Severity, others: Severity },
}

impl Grade {
    pub(super) fn of_call(self, is_aws_internal: bool) -> Severity {
        match self {
            Grade::Always(severity) => severity,
            Grade::ByCaller { aws, others } => {
                if is_aws_internal {
                    aws
                } else {
                    others
                }
            }
        }
    }
}

impl Outcome {
    pub const ALL: [Outcome; 6] =
        [Outcome::Quarantined, Outcome::Failed, Outcome::Removed, Outcome::Denied, Outcome::Enforced, Outcome::Exposed];

    /// As the alert spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Quarantined => "quarantined",
            Outcome::Failed => "failed",
            Outcome::Removed => "removed",
            Outcome::Denied => "denied",
            Outcome::Enforced => "enforced",
            Outcome::Exposed => "exposed",
        }
    }

    /// A one-line summary. `key` is the exposed access key, as far as a title has room for it.
    pub fn title(self, kind: EntityType, name: &str, account: &str, key: Option<&Untrusted>) -> String {
        match self {
            Outcome::Quarantined => format!("IAM {kind} {name} quarantined in account {account}"),
            Outcome::Failed => format!("Quarantine of IAM {kind} {name} FAILED in account {account}"),
            Outcome::Removed => format!("Quarantine of IAM {kind} {name} REMOVED in account {account}"),
            Outcome::Denied => format!("Quarantine of IAM {kind} {name} possibly denied in account {account}"),
            Outcome::Enforced => format!("Quarantined IAM {} {name} STILL IN USE in account {account}", kind.noun()),
            Outcome::Exposed => {
                let key = key.and_then(Untrusted::access_key_id).filter(|key| key.len() <= MAX_KEY_CHARS);
                let key = key.map_or("Credentials".into(), |key| format!("Key {key}"));
                let whose = match kind {
                    EntityType::Root => "root".into(),
                    EntityType::Unknown => "root or unknown user".into(),
                    EntityType::User | EntityType::Group | EntityType::Role => format!("IAM {kind} {name}"),
                };
                format!("{key} of {whose} EXPOSED in account {account}")
            }
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grade::Always(severity) => severity.fmt(f),
            Grade::ByCaller { aws, others } => write!(f, "{aws} if AWS made the call, else {others}"),
        }
    }
}

impl Serialize for Grade {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As the alert spells it.
impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Medium => "MEDIUM",
            Severity::High => "HIGH",
            Severity::Critical => "CRITICAL",
        })
    }
}
