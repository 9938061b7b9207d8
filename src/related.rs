//! What else the same identity did in the same log file: context for the responder, bounded, most telling first.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    record::Record,
    rule::{EntityType, Match},
    scan::{NeedleError, Needles},
    untrusted::Untrusted,
};

const MOST_CALLS: usize = 10;
/// Beyond so many different calls, addresses or regions, no further ones are told apart.
const MOST_KEPT: usize = 200;
const MOST_STRING_BYTES: usize = 256;
/// A shorter piece of a name is in too many records.
const LEAST_NEEDLE_BYTES: usize = 4;

/// Calls that make new credentials, or new ways to use old ones: what outlives a deactivated key.
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

/// Whose calls are looked for: the actor's, by access key and principal, and the entity's.
pub struct Identity {
    access_key_id: Option<Untrusted>,
    principal_id: Option<Untrusted>,
    user_name: Option<Untrusted>,
    aws_region: Option<Untrusted>,
    /// The match itself is no related activity.
    event_id: Option<Untrusted>,
}

/// What was found, always in the same log file.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    #[serde(rename = "where")]
    place: Place,
    /// Of all calls, without the match itself.
    pub event_count: u64,
    pub error_count: u64,
    /// The most telling ones.
    pub events: Vec<Call>,
    #[serde(rename = "sourceIPAddresses")]
    pub source_ip_addresses: BTreeSet<Untrusted>,
    pub aws_regions: BTreeSet<Untrusted>,
    pub first_event_time: Option<String>,
    pub last_event_time: Option<String>,
}

/// Says what the counts are counts of.
#[derive(Default, Serialize)]
enum Place {
    #[default]
    #[serde(rename = "in the same log file")]
    SameLogFile,
}

/// Calls that are alike.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
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

/// Related activity while it is gathered.
#[derive(Default)]
pub struct Gathering {
    calls: BTreeMap<CallKind, u64>,
    related: Related,
    first: Option<OffsetDateTime>,
    last: Option<OffsetDateTime>,
}

impl Identity {
    pub fn of(matched: &Match) -> Identity {
        let record = &matched.record;
        let is_user = matched.entity.kind == EntityType::User;
        Identity {
            access_key_id: record.user_identity.access_key_id.clone(),
            principal_id: record.user_identity.principal_id.clone(),
            user_name: Some(matched.entity.name.clone()).filter(|_| is_user),
            aws_region: record.aws_region.clone(),
            event_id: record.event_id.clone(),
        }
    }

    /// What the records of the identity hold: each value's longest part that JSON cannot escape unseen.
    ///
    /// # Errors
    /// Never: such a part is a needle.
    pub fn needles(&self) -> Result<Needles, NeedleError> {
        let values = [&self.access_key_id, &self.principal_id, &self.user_name].into_iter().flatten();
        let needles: Vec<String> = values.filter_map(|value| value.longest_word(LEAST_NEEDLE_BYTES)).collect();
        Needles::new(needles.iter().map(String::as_str))
    }

    fn made(&self, record: &Record) -> bool {
        let user = &record.user_identity;
        let is = |wanted: &Option<Untrusted>, found: &Option<Untrusted>| wanted.is_some() && wanted == found;
        (is(&self.access_key_id, &user.access_key_id)
            || is(&self.principal_id, &user.principal_id)
            || is(&self.user_name, &user.user_name) && user.kind == Some("IAMUser".into()))
            && !is(&self.event_id, &record.event_id)
    }
}

impl Gathering {
    /// Takes a candidate; parsed fields decide whether the identity made the call.
    pub fn add(&mut self, identity: &Identity, record: &Record) {
        if !identity.made(record) {
            return;
        }
        let short = |text: &Option<Untrusted>| text.as_ref().map(|text| text.shortened(MOST_STRING_BYTES));
        let known = |text: &Option<Untrusted>| short(text).unwrap_or_else(|| "unknown".into());
        let related = &mut self.related;
        related.event_count += 1;
        related.error_count += u64::from(record.error_code.is_some());
        let kind = CallKind {
            event_name: known(&record.event_name),
            event_source: known(&record.event_source),
            aws_region: known(&record.aws_region),
            error_code: short(&record.error_code),
        };
        if related.aws_regions.len() < MOST_CALLS {
            related.aws_regions.insert(kind.aws_region.clone());
        }
        if related.source_ip_addresses.len() < MOST_CALLS {
            related.source_ip_addresses.extend(short(&record.source_ip_address));
        }
        if self.calls.len() < MOST_KEPT || self.calls.contains_key(&kind) {
            *self.calls.entry(kind).or_default() += 1;
        }
        self.first = [self.first, record.event_time].into_iter().flatten().min();
        self.last = [self.last, record.event_time].into_iter().flatten().max();
    }

    /// Sorts what was found: new credentials, errors, other regions, other services, the rest; often before rarely.
    pub fn finish(self, identity: &Identity, show: impl Fn(OffsetDateTime) -> String) -> Related {
        let Gathering { calls, mut related, first, last } = self;
        let mut calls: Vec<Call> = calls.into_iter().map(|(kind, count)| Call { kind, count }).collect();
        calls.sort_by_key(|Call { kind, count }| {
            let is_new_credentials = kind.event_name.test(|name| NEW_CREDENTIALS.contains(&name));
            let is_elsewhere = identity.aws_region.as_ref() != Some(&kind.aws_region);
            let is_iam = kind.event_source.test(|source| source == "iam.amazonaws.com");
            (!is_new_credentials, kind.error_code.is_none(), !is_elsewhere, is_iam, u64::MAX - count)
        });
        calls.truncate(MOST_CALLS);
        related.events = calls;
        (related.first_event_time, related.last_event_time) = (first.map(&show), last.map(&show));
        related
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
            &Rules::new(true)
                .judge(record(&json!({
                    "eventSource": "iam.amazonaws.com", "eventName": "AttachUserPolicy", "awsRegion": "us-east-1", "eventID": "match",
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
        let (identity, mut gathering) = (identity(), Gathering::default());
        records.iter().for_each(|value| gathering.add(&identity, &record(value)));
        gathering.finish(&identity, |time| time.unix_timestamp().to_string())
    }

    #[test]
    fn the_most_telling_calls_come_first() {
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
    fn only_the_identity_counts_and_not_the_match_itself() {
        let base = call("GetUser", "iam.amazonaws.com", "us-east-1", None);
        let by = |identity: Value| {
            let mut record = base.clone();
            record["userIdentity"] = identity;
            gathered(&[record]).event_count
        };
        assert_eq!(by(json!({ "principalId": "AIDAX" })), 1);
        assert_eq!(by(json!({ "type": "IAMUser", "userName": "ci-deploy" })), 1);
        assert_eq!(by(json!({ "type": "AssumedRole", "userName": "ci-deploy" })), 0);
        assert_eq!(by(json!({ "accessKeyId": "AKIAIOSFODNN7OTHERS" })), 0);
        assert_eq!(by(json!(null)), 0);
        let mut itself = base.clone();
        itself["eventID"] = json!("match");
        assert_eq!(gathered(&[itself]).event_count, 0);
    }

    #[test]
    fn it_is_bounded() {
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
    fn every_record_of_the_identity_holds_a_needle() {
        let needles = identity().needles().unwrap();
        assert!(needles.found_in(br#"{"accessKeyId":"AKIAIOSFODNN7EXAMPLE"}"#));
        assert!(needles.found_in(br#"{"accessKeyId":"AKIAIOSFODNN\u0037EXAMPLE"}"#), "digits may be escaped, too");
        assert!(needles.found_in(br#"{"userName":"ci\u002ddeploy"}"#));
        assert!(!needles.found_in(br#"{"accessKeyId":"AKIAOTHER"}"#));
    }
}
