//! Other calls of the same identity in the same log file: bounded context for the responder, the most revealing calls first.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    rule::{EntityType, Match},
    scan::{Needle, Needles},
    trail::{record::Record, time::rfc3339},
    untrusted::Untrusted,
};

const MAX_CALLS: usize = 10;
/// At most this many different calls, addresses or regions are collected.
const MAX_KEPT: usize = 200;
const MAX_STRING_BYTES: usize = 256;
/// A shorter part of a name occurs in too many records.
const MIN_NEEDLE_BYTES: usize = 4;

/// Calls that create credentials, or new ways to use them. Their effect outlives a deactivated key.
const NEW_CREDENTIALS: [&str; 14] = [
    "AddUserToGroup",
    "AssumeRole",
    "AttachUserPolicy",
    "CreateAccessKey",
    "CreateLoginProfile",
    "CreateRole",
    "CreateServiceSpecificCredential",
    "CreateUser",
    "GetFederationToken",
    "GetSessionToken",
    "PutUserPolicy",
    "UpdateAccessKey",
    "UpdateAssumeRolePolicy",
    "UpdateLoginProfile",
];

/// Whose calls are collected: the actor's, by access key and principal, and the entity's.
pub struct Identity {
    access_key_id: Option<Untrusted>,
    principal_id: Option<Untrusted>,
    user_name: Option<Untrusted>,
    /// The user's. In an organization trail, others have users of the same name.
    account_id: String,
    region: Untrusted,
    /// The match itself is not related activity.
    event_id: Option<Untrusted>,
}

/// The identity's other calls.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// The scope of the counts.
    #[serde(rename = "where")]
    scope: &'static str,
    /// Of all calls except the match itself.
    pub event_count: u64,
    pub error_count: u64,
    /// The most revealing ones.
    pub events: Vec<CallCount>,
    #[serde(rename = "sourceIPAddresses")]
    pub source_ip_addresses: BTreeSet<Untrusted>,
    pub aws_regions: BTreeSet<Untrusted>,
    pub first_event_time: Option<String>,
    pub last_event_time: Option<String>,
}

/// Calls of one kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallCount {
    #[serde(flatten)]
    pub kind: CallKind,
    pub count: u64,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallKind {
    pub event_name: Untrusted,
    pub event_source: Untrusted,
    pub aws_region: Untrusted,
    pub error_code: Option<Untrusted>,
}

/// Related activity while it is collected.
#[derive(Default)]
pub struct Gathering {
    calls: BTreeMap<CallKind, u64>,
    event_count: u64,
    error_count: u64,
    source_ip_addresses: BTreeSet<Untrusted>,
    aws_regions: BTreeSet<Untrusted>,
    first: Option<OffsetDateTime>,
    last: Option<OffsetDateTime>,
}

impl Identity {
    pub fn of(matched: &Match) -> Identity {
        let facts = &matched.facts;
        let is_user = facts.entity.kind == EntityType::User;
        Identity {
            access_key_id: facts.actor.access_key_id.clone(),
            principal_id: facts.actor.principal_id.clone(),
            user_name: is_user.then(|| facts.entity.name.clone()),
            account_id: facts.account_id.clone(),
            region: facts.region.clone(),
            event_id: facts.evidence.event_id.clone(),
        }
    }

    /// A text in each record of the identity: the longest part of each value that JSON cannot escape.
    pub fn needles(&self) -> Needles {
        let values = [&self.access_key_id, &self.principal_id, &self.user_name].into_iter().flatten();
        let words = values.filter_map(|value| value.longest_word(MIN_NEEDLE_BYTES));
        Needles::new(words.filter_map(|word| Needle::new(word).ok()))
    }

    fn made(&self, record: &Record) -> bool {
        let user = &record.user_identity;
        let is = |wanted: &Option<Untrusted>, found: &Option<Untrusted>| wanted.is_some() && wanted == found;
        (is(&self.access_key_id, &user.access_key_id)
            || is(&self.principal_id, &user.principal_id)
            || is(&self.user_name, &user.user_name)
                && user.kind == Some("IAMUser".into())
                && record.caller_account_id() == Some(&self.account_id))
            && !is(&self.event_id, &record.event_id)
    }
}

impl Gathering {
    /// Adds a candidate if the identity made the call.
    pub fn add(&mut self, identity: &Identity, record: &Record) {
        if !identity.made(record) {
            return;
        }
        let short = |text: &Option<Untrusted>| text.as_ref().map(|text| text.shortened(MAX_STRING_BYTES));
        let known = |text: &Option<Untrusted>| short(text).unwrap_or_else(|| "unknown".into());
        self.event_count += 1;
        self.error_count += u64::from(record.error_code.is_some());
        let kind = CallKind {
            event_name: known(&record.event_name),
            event_source: known(&record.event_source),
            aws_region: known(&record.aws_region),
            error_code: short(&record.error_code),
        };
        if self.aws_regions.len() < MAX_CALLS {
            self.aws_regions.insert(kind.aws_region.clone());
        }
        if self.source_ip_addresses.len() < MAX_CALLS {
            self.source_ip_addresses.extend(short(&record.source_ip_address));
        }
        if self.calls.len() < MAX_KEPT || self.calls.contains_key(&kind) {
            *self.calls.entry(kind).or_default() += 1;
        }
        self.first = [self.first, record.event_time].into_iter().flatten().min();
        self.last = [self.last, record.event_time].into_iter().flatten().max();
    }

    /// Sorts the calls: new credentials, errors, other regions, other services, the rest. Frequent ones come before rare ones.
    pub fn finish(self, identity: &Identity) -> Related {
        let mut events: Vec<CallCount> =
            self.calls.into_iter().map(|(kind, count)| CallCount { kind, count }).collect();
        events.sort_by_key(|CallCount { kind, count }| {
            let is_new_credentials = kind.event_name.test(|name| NEW_CREDENTIALS.contains(&name));
            let is_elsewhere = identity.region != kind.aws_region;
            let is_iam = kind.event_source.test(|source| source == "iam.amazonaws.com");
            (!is_new_credentials, kind.error_code.is_none(), !is_elsewhere, is_iam, Reverse(*count))
        });
        events.truncate(MAX_CALLS);
        Related {
            scope: "in the same log file",
            event_count: self.event_count,
            error_count: self.error_count,
            events,
            source_ip_addresses: self.source_ip_addresses,
            aws_regions: self.aws_regions,
            first_event_time: self.first.map(rfc3339),
            last_event_time: self.last.map(rfc3339),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rule::Rules;

    fn record(value: &Value) -> Record {
        Record::parse(value.to_string().as_bytes()).unwrap()
    }

    fn identity() -> Identity {
        Identity::of(
            &Rules::all()
                .judge(record(&json!({
                    "eventSource": "iam.amazonaws.com", "eventName": "AttachUserPolicy", "awsRegion": "us-east-1", "eventID": "match",
                    "recipientAccountId": "123456789012",
                    "userIdentity": { "type": "IAMUser", "userName": "ci-deploy", "accessKeyId": "AKIAIOSFODNN7EXAMPLE", "principalId": "AIDAX" },
                    "requestParameters": { "userName": "ci-deploy", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3" },
                })))
                .unwrap(),
        )
    }

    fn call(name: &str, source: &str, region: &str, error: Option<&str>) -> Value {
        json!({
            "eventName": name, "eventSource": source, "awsRegion": region, "errorCode": error, "eventID": name,
            "eventTime": "2026-11-24T03:02:40Z", "sourceIPAddress": "203.0.113.77",
            "userIdentity": { "accessKeyId": "AKIAIOSFODNN7EXAMPLE" },
        })
    }

    fn gathered(records: &[Value]) -> Related {
        let identity = identity();
        let mut gathering = Gathering::default();
        records.iter().for_each(|value| gathering.add(&identity, &record(value)));
        gathering.finish(&identity)
    }

    #[test]
    fn the_most_revealing_calls_come_first() {
        let home = "us-east-1";
        let related = gathered(&[
            call("GetUser", "iam.amazonaws.com", home, None),
            call("GetUser", "iam.amazonaws.com", home, None),
            call("GetSendQuota", "ses.amazonaws.com", home, None),
            call("DescribeRegions", "ec2.amazonaws.com", "ap-south-1", None),
            call("ListBuckets", "s3.amazonaws.com", home, Some("AccessDenied")),
            call("CreateUser", "iam.amazonaws.com", home, None),
        ]);
        let names: Vec<String> = related.events.iter().map(|call| call.kind.event_name.visible(99)).collect();
        assert_eq!(names, ["CreateUser", "ListBuckets", "DescribeRegions", "GetSendQuota", "GetUser"]);
        assert_eq!((related.event_count, related.error_count, related.events[4].count), (6, 1, 2));
        assert_eq!((related.aws_regions.len(), related.source_ip_addresses.len()), (2, 1));
        assert_eq!(serde_json::to_value(&related).unwrap()["where"], "in the same log file");
    }

    #[test]
    fn only_calls_of_the_identity_count_except_the_match_itself() {
        let base = call("GetUser", "iam.amazonaws.com", "us-east-1", None);
        let by = |identity: Value| {
            let mut record = base.clone();
            record["userIdentity"] = identity;
            gathered(&[record]).event_count
        };
        assert_eq!(by(json!({ "principalId": "AIDAX" })), 1);
        let named = |account: &str| json!({ "type": "IAMUser", "userName": "ci-deploy", "accountId": account });
        assert_eq!((by(named("123456789012")), by(named("210987654321"))), (1, 0));
        assert_eq!(by(json!({ "type": "AssumedRole", "userName": "ci-deploy" })), 0);
        assert_eq!(by(json!({ "accessKeyId": "AKIAIOSFODNN7OTHERS" })), 0);
        assert_eq!(by(json!(null)), 0);
        let mut itself = base.clone();
        itself["eventID"] = json!("match");
        assert_eq!(gathered(&[itself]).event_count, 0);
    }

    #[test]
    fn related_activity_is_bounded() {
        let many: Vec<Value> = (0..500)
            .map(|n| {
                let mut record = call(&format!("{n}{}", "x".repeat(5000)), "s", &format!("r{n}"), None);
                record["sourceIPAddress"] = json!(format!("{n}"));
                record
            })
            .collect();
        let related = gathered(&many);
        assert_eq!((related.event_count, related.events.len(), related.aws_regions.len()), (500, 10, 10));
        assert!(serde_json::to_string(&related).unwrap().len() < 10_000);
    }

    #[test]
    fn every_record_of_the_identity_contains_a_needle() {
        let needles = identity().needles();
        assert!(needles.may_be_in(br#"{"accessKeyId":"AKIAIOSFODNN7EXAMPLE"}"#));
        assert!(needles.may_be_in(br#"{"accessKeyId":"AKIAIOSFODNN\u0037EXAMPLE"}"#), "digits may be escaped");
        assert!(needles.may_be_in(br#"{"userName":"ci\u002ddeploy"}"#));
        assert!(!needles.may_be_in(br#"{"accessKeyId":"AKIAOTHER"}"#));
    }
}
