//! A record → where an identity came from: credentials or a user that its caller got or made.

use time::OffsetDateTime;

use super::{
    call::Outcome,
    identity::{Caller, Identity},
};
use crate::{
    json::Fields,
    trail::{key::is_account_id, partition::partition, record::Record},
    untrusted::Untrusted,
};

/// The calls that return an access key id.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html>
const ISSUING: [&str; 7] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "GetSessionToken",
    "GetFederationToken",
    "CreateAccessKey",
];
/// The calls that create a user, or give one a console password.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateLoginProfile.html>
const CREATING: [&str; 3] = ["CreateUser", "CreateLoginProfile", "UpdateLoginProfile"];

/// The names of all calls that make an edge.
pub fn names() -> impl Iterator<Item = &'static str> {
    ISSUING.into_iter().chain(CREATING)
}

/// A call that succeeded, and what came from it.
#[derive(Debug)]
pub struct Edge {
    pub caller: Caller,
    pub gives: Identity,
    pub via: Via,
}

/// The record that proves an edge.
#[derive(Clone, Debug)]
pub struct Via {
    pub kind: &'static str,
    pub event_name: Untrusted,
    pub event_id: Option<Untrusted>,
    pub event_time: Option<OffsetDateTime>,
}

impl Edge {
    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let Caller { key, arn, issuer, user } = &self.caller;
        let texts = [key, arn, issuer].into_iter().flatten().chain(user.as_ref().map(|(_, name)| name));
        size_of::<Edge>() + texts.map(Untrusted::bytes).sum::<usize>() + 160
    }

    /// `None` if the record is of another call, or of one that did not succeed.
    pub fn of(record: &Record) -> Option<Edge> {
        let name = record.event_name.as_ref()?;
        let issues = name.test(|name| ISSUING.contains(&name));
        let creates = name.test(|name| CREATING.contains(&name));
        let is_of =
            |service: &str| record.event_source.as_ref().is_some_and(|source| source.test(|source| source == service));
        if !(issues || creates) || !(is_of("sts.amazonaws.com") || is_of("iam.amazonaws.com")) {
            return None;
        }
        if Outcome::of(record) != Outcome::Succeeded {
            return None;
        }
        let response = record.response_elements().unwrap_or_default();
        let gives = if issues {
            let of = |name: &str| response.object(name)?.text("accessKeyId");
            Identity::Key(Untrusted::new(of("credentials").or_else(|| of("accessKey")).filter(|key| !key.is_empty())?))
        } else {
            let asked = || Fields::of(&record.raw).ok()?.object("requestParameters")?.text("userName");
            let answered = |name: &str| response.object(name)?.text("userName");
            let name = asked().or_else(|| answered("user")).or_else(|| answered("loginProfile"));
            let account_id = record.account_id();
            if !is_account_id(account_id) {
                return None;
            }
            let name = Untrusted::new(name.filter(|name| !name.is_empty())?);
            Identity::CreatedUser {
                partition: partition(record.aws_region.as_ref()),
                account_id: account_id.to_owned(),
                name,
            }
        };
        let via = Via {
            kind: if issues { "issued" } else { "created" },
            event_name: name.clone(),
            event_id: record.event_id.clone(),
            event_time: record.event_time,
        };
        Some(Edge { caller: Caller::of(record), gives, via })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn edge(record: &Value) -> Option<Edge> {
        Edge::of(&Record::parse(record.to_string().as_bytes()).unwrap())
    }

    /// Directories, databases and file servers have users too.
    #[test]
    fn only_users_of_iam_are_identities() {
        let created = |source: &str| {
            json!({
                "eventSource": source, "eventName": "CreateUser", "recipientAccountId": "123456789012",
                "requestParameters": { "userName": "mallory" }, "responseElements": { "user": { "userName": "mallory" } },
            })
        };
        assert!(edge(&created("iam.amazonaws.com")).is_some());
        for other in ["transfer.amazonaws.com", "elasticache.amazonaws.com", "identitystore.amazonaws.com", ""] {
            assert!(edge(&created(other)).is_none(), "{other}");
        }
    }

    /// The memory limit relies on this estimate.
    #[test]
    fn its_size_is_that_of_its_texts_and_little_more() {
        let long = |end: &str| "x".repeat(10_000) + end;
        let edge = edge(&json!({
            "eventSource": "sts.amazonaws.com", "eventName": "AssumeRole",
            "userIdentity": {
                "type": "IAMUser", "userName": long("user"), "accountId": "123456789012", "accessKeyId": long("key"), "arn": long("arn"),
                "sessionContext": { "sessionIssuer": { "arn": long("issuer") } },
            },
            "responseElements": { "credentials": { "accessKeyId": "ASIAIOSFODNN7EXAMPLE" } },
        }));
        let bytes = edge.unwrap().bytes();
        assert!((40_000..42_000).contains(&bytes), "{bytes}");
    }
}
