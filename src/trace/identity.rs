//! What is traced: an access key, a user, a role or a session.

use std::fmt;

use crate::{scan::Needle, trail::key::is_account_id, trail::record::Record, untrusted::Untrusted};

/// The user or role of an ARN, or an access key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// Its id.
    Key(Untrusted),
    /// A user by its ARN, the root user included. Records may lack the ARN, so account and name count too.
    User {
        arn: Untrusted,
        account_id: String,
        name: Untrusted,
    },
    /// A user by account and name, since the record of its creation names no ARN that its calls would have.
    CreatedUser {
        partition: &'static str,
        account_id: String,
        name: Untrusted,
    },
    Role {
        arn: Untrusted,
        account_id: String,
    },
    /// A session of a role, or of a federated user.
    Session {
        arn: Untrusted,
        account_id: String,
    },
}

/// What an argument must be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is neither an access key id (AKIA… or ASIA…) nor the ARN of a user, a role or a session \
     (arn:aws:iam::123456789012:user/name, …:role/name, arn:aws:sts::123456789012:assumed-role/role/session)"
)]
pub struct IdentityError;

impl Identity {
    /// Reads one or more identities. A comma separates them only before `AKIA`, `ASIA` or `arn:`, since names may have commas.
    ///
    /// # Errors
    /// One of them cannot be an identity.
    pub fn parse_list(text: &str) -> Result<Vec<Identity>, IdentityError> {
        let begins = |rest: &str| ["AKIA", "ASIA", "arn:"].iter().any(|start| rest.starts_with(start));
        let mut identities = Vec::new();
        let mut start = 0;
        let borders = text.match_indices(',').map(|(at, _)| at).filter(|&at| begins(text[at + 1..].trim_start()));
        for end in borders.chain([text.len()]) {
            let identity = Identity::parse(text[start..end].trim())?;
            if !identities.contains(&identity) {
                identities.push(identity);
            }
            start = end + 1;
        }
        Ok(identities)
    }

    fn parse(text: &str) -> Result<Identity, IdentityError> {
        let known = Untrusted::new(text);
        if known.access_key_id().is_some_and(|id| id.starts_with("AKIA") || id.starts_with("ASIA")) {
            return Ok(Identity::Key(known));
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, service, "", account_id, resource] = &parts[..] else { return Err(IdentityError) };
        if !partition.starts_with("aws") || !is_account_id(account_id) || known.arn().is_none() {
            return Err(IdentityError);
        }
        let (arn, account_id) = (known, account_id.to_owned());
        let (kind, path) = resource.split_once('/').unwrap_or((resource, ""));
        let name = path.rsplit('/').next().unwrap_or_default();
        match (service, kind, name) {
            ("iam", "root", "") => Ok(Identity::User { arn, account_id, name: "root".into() }),
            (_, _, "") => Err(IdentityError),
            ("iam", "user", name) => Ok(Identity::User { arn, account_id, name: name.into() }),
            ("iam", "role", _) => Ok(Identity::Role { arn, account_id }),
            ("sts", "assumed-role", _) if path.contains('/') => Ok(Identity::Session { arn, account_id }),
            ("sts", "federated-user", _) => Ok(Identity::Session { arn, account_id }),
            _ => Err(IdentityError),
        }
    }

    /// What people and JSON call it: the key's id or the ARN, without a path for a created user.
    pub fn id(&self) -> Untrusted {
        match self {
            Identity::Key(id) => id.clone(),
            Identity::User { arn, .. } | Identity::Role { arn, .. } | Identity::Session { arn, .. } => arn.clone(),
            Identity::CreatedUser { partition, account_id, name } => {
                name.prefixed(&format!("arn:{partition}:iam::{account_id}:user/"))
            }
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Identity::Key(_) => "key",
            Identity::User { .. } | Identity::CreatedUser { .. } => "user",
            Identity::Role { .. } => "role",
            Identity::Session { .. } => "session",
        }
    }

    /// A user's account and name. The root user has none: an IAM user may be called root.
    pub fn user(&self) -> Option<(String, Untrusted)> {
        match self {
            Identity::User { arn, .. } if arn.test(|arn| arn.ends_with(":root")) => None,
            Identity::User { account_id, name, .. } | Identity::CreatedUser { account_id, name, .. } => {
                Some((account_id.clone(), name.clone()))
            }
            Identity::Key(_) | Identity::Role { .. } | Identity::Session { .. } => None,
        }
    }

    pub fn account_id(&self) -> Option<&str> {
        match self {
            Identity::Key(_) => None,
            Identity::User { account_id, .. }
            | Identity::CreatedUser { account_id, .. }
            | Identity::Role { account_id, .. }
            | Identity::Session { account_id, .. } => Some(account_id),
        }
    }

    pub fn arn(&self) -> Option<&Untrusted> {
        match self {
            Identity::Key(_) | Identity::CreatedUser { .. } => None,
            Identity::User { arn, .. } | Identity::Role { arn, .. } | Identity::Session { arn, .. } => Some(arn),
        }
    }

    /// A byte string that every record of its calls contains.
    pub fn needle(&self) -> Option<Needle> {
        // A shorter word is in so many records that the account narrows better.
        const SHORTEST_WORD: usize = 4;
        let word = match self {
            Identity::Key(id) => id.longest_word(1),
            Identity::User { name, .. } | Identity::CreatedUser { name, .. } if !name.test(|name| name == "root") => {
                name.longest_word(SHORTEST_WORD)
            }
            Identity::User { .. } | Identity::CreatedUser { .. } => None,
            // A record of a call with the role's own ARN as issuer, or of the session.
            Identity::Role { arn, .. } | Identity::Session { arn, .. } => arn
                .part(|arn| arn.split_once('/').map(|(_, path)| path))
                .and_then(|path| path.longest_word(SHORTEST_WORD)),
        };
        Needle::new(word.or_else(|| self.account_id().map(str::to_owned))?).ok()
    }
}

/// As people see it.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id().visible(256))
    }
}

/// By what a record names its caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    pub key: Option<Untrusted>,
    pub arn: Option<Untrusted>,
    pub issuer: Option<Untrusted>,
    /// Account and name of an IAM user.
    pub user: Option<(String, Untrusted)>,
}

impl Caller {
    pub fn of(record: &Record) -> Caller {
        let identity = &record.user_identity;
        let is_user = identity.kind.as_ref().is_some_and(|kind| kind.test(|kind| kind == "IAMUser"));
        let account_id = identity.account_id.as_ref().and_then(Untrusted::account_id);
        Caller {
            key: identity.access_key_id.clone().filter(|key| key.test(|key| !key.is_empty())),
            arn: identity.arn.clone(),
            issuer: identity.session_issuer.as_ref().and_then(|issuer| issuer.arn.clone()),
            user: is_user.then(|| Some((account_id?.to_owned(), identity.user_name.clone()?))).flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Option<Vec<String>> {
        let identities = Identity::parse_list(text).ok()?;
        Some(identities.iter().map(|identity| format!("{} {identity}", identity.kind())).collect())
    }

    #[test]
    fn identities_are_keys_users_roles_and_sessions() {
        for (text, found) in [
            ("AKIAIOSFODNN7EXAMPLE", vec!["key AKIAIOSFODNN7EXAMPLE"]),
            ("arn:aws:iam::123456789012:root", vec!["user arn:aws:iam::123456789012:root"]),
            ("arn:aws-cn:iam::123456789012:user/a/b", vec!["user arn:aws-cn:iam::123456789012:user/a/b"]),
            ("arn:aws:iam::123456789012:role/r", vec!["role arn:aws:iam::123456789012:role/r"]),
            ("arn:aws:sts::123456789012:assumed-role/r/s", vec!["session arn:aws:sts::123456789012:assumed-role/r/s"]),
            ("arn:aws:sts::123456789012:federated-user/f", vec!["session arn:aws:sts::123456789012:federated-user/f"]),
            (
                "ASIAIOSFODNN7EXAMPLE, arn:aws:iam::123456789012:user/x,y,AKIAIOSFODNN7EXAMPLE,ASIAIOSFODNN7EXAMPLE",
                vec!["key ASIAIOSFODNN7EXAMPLE", "user arn:aws:iam::123456789012:user/x,y", "key AKIAIOSFODNN7EXAMPLE"],
            ),
        ] {
            assert_eq!(ids(text), Some(found.into_iter().map(str::to_owned).collect()), "{text}");
        }
        for text in [
            "",
            "mallory",
            "AIDAIOSFODNN7EXAMPLE",
            "AKIA",
            "akiaiosfodnn7example",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:iam::12345:user/x",
            "arn:aws:s3:::bucket",
            "arn:aws:iam::123456789012:policy/x",
            "arn:aws:sts::123456789012:assumed-role/r",
            "AKIAIOSFODNN7EXAMPLE,,",
        ] {
            assert_eq!(ids(text), None, "{text}");
        }
    }

    #[test]
    fn every_identity_has_a_needle_that_its_records_contain() {
        for (text, needle) in [
            ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
            ("arn:aws:iam::123456789012:user/path/ci-deploy", "deploy"),
            ("arn:aws:iam::123456789012:user/bob", "123456789012"),
            ("arn:aws:iam::123456789012:root", "123456789012"),
            ("arn:aws:sts::123456789012:assumed-role/r/session-name", "session"),
        ] {
            let [identity] = &Identity::parse_list(text).unwrap()[..] else { panic!("{text}") };
            assert_eq!(identity.needle(), Needle::new(needle.into()).ok(), "{text}");
        }
    }
}
