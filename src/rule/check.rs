//! The conditions that rules are made of. The documentation and `quarantine-scan explain` show these same values.

use serde::Serialize;

use super::{EntityType, Policy};
use crate::trail::record::Record;

/// A condition on a parsed field of a record, or of another kind of evidence.
#[derive(Serialize)]
#[serde(bound = "")]
pub struct Check<E: 'static = Record> {
    /// In AWS's spelling, after the names of the objects that contain it.
    pub field: &'static str,
    pub operator: &'static str,
    pub values: &'static str,
    #[serde(skip)]
    pub(super) passes: fn(&E) -> bool,
}

impl<E> Check<E> {
    pub fn passes(&self, evidence: &E) -> bool {
        (self.passes)(evidence)
    }
}

impl Check {
    const fn event_name(values: &'static str, passes: fn(&Record) -> bool) -> Check {
        Check { field: "eventName", operator: "is one of", values, passes }
    }
}

pub(super) static OF_IAM: Check =
    Check { field: "eventSource", operator: "is", values: "iam.amazonaws.com", passes: Record::is_of_iam };

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
    Check::event_name("AttachUserPolicy, AttachGroupPolicy, AttachRolePolicy", |record| is_call(record, "Attach"));

pub(super) static PUT: Check =
    Check::event_name("PutUserPolicy, PutGroupPolicy, PutRolePolicy", |record| is_call(record, "Put"));

pub(super) static DETACH: Check =
    Check::event_name("DetachUserPolicy, DetachGroupPolicy, DetachRolePolicy", |record| is_call(record, "Detach"));

pub(super) static DELETE: Check =
    Check::event_name("DeleteUserPolicy, DeleteGroupPolicy, DeleteRolePolicy", |record| is_call(record, "Delete"));

fn is_call(record: &Record, verb: &str) -> bool {
    EntityType::of_call(record, verb).is_some()
}
