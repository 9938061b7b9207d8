//! The conditions that rules are made of: what the documentation and `quarantine-scan explain` show is what is done.

use serde::Serialize;

use super::{EntityType, Policy};
use crate::record::Record;

/// One way to match a rule: a record that passes all the checks.
#[derive(Serialize)]
pub struct Alternative {
    /// What it comes to, in words: outcome and severity.
    pub means: &'static str,
    pub checks: &'static [&'static Check],
    #[serde(skip)]
    pub(super) finding: fn(&Record) -> Option<super::Finding>,
}

/// A condition on a parsed field.
#[derive(Serialize)]
pub struct Check {
    /// In CloudTrail's spelling, behind the names of the objects that it stands in.
    pub field: &'static str,
    pub operator: &'static str,
    pub values: &'static str,
    #[serde(skip)]
    pub(super) passes: fn(&Record) -> bool,
}

impl Alternative {
    pub fn accepts(&self, record: &Record) -> bool {
        self.checks.iter().all(|check| check.passes(record))
    }
}

impl Check {
    pub fn passes(&self, record: &Record) -> bool {
        (self.passes)(record)
    }
}

pub(super) static OF_IAM: Check = Check {
    field: "eventSource",
    operator: "is",
    values: "iam.amazonaws.com",
    passes: |record| record.event_source.as_ref().is_some_and(|source| source.test(|text| text == "iam.amazonaws.com")),
};

pub(super) static MANAGED: Check = Check {
    field: "requestParameters.policyArn",
    operator: "matches",
    values: "arn:*:iam::aws:policy/[path/]AWSCompromisedKeyQuarantine*",
    passes: |record| Policy::managed(record).is_some(),
};

pub(super) static INLINE: Check = Check {
    field: "requestParameters.policyName",
    operator: "is one of",
    values: "AWSCompromisedKeyQuarantine, AWSCompromisedKeyQuarantineV<digits>, AWSExposedCredentialPolicy_DO_NOT_REMOVE",
    passes: |record| Policy::inline(record).is_some(),
};

pub(super) static SUCCEEDED: Check = Check {
    field: "errorCode",
    operator: "is",
    values: "absent or empty",
    passes: |record| record.error_code.is_none(),
};

pub(super) static FAILED: Check =
    Check { field: "errorCode", operator: "is", values: "present", passes: |record| record.error_code.is_some() };

pub(super) static ATTACH: Check =
    call("AttachUserPolicy, AttachGroupPolicy, AttachRolePolicy", |record| is_call(record, "Attach"));

pub(super) static PUT: Check = call("PutUserPolicy, PutGroupPolicy, PutRolePolicy", |record| is_call(record, "Put"));

pub(super) static DETACH: Check =
    call("DetachUserPolicy, DetachGroupPolicy, DetachRolePolicy", |record| is_call(record, "Detach"));

pub(super) static DELETE: Check =
    call("DeleteUserPolicy, DeleteGroupPolicy, DeleteRolePolicy", |record| is_call(record, "Delete"));

const fn call(values: &'static str, passes: fn(&Record) -> bool) -> Check {
    Check { field: "eventName", operator: "is one of", values, passes }
}

fn is_call(record: &Record, verb: &str) -> bool {
    EntityType::of_call(record, verb).is_some()
}
