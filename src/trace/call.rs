//! A record by a traced identity → what the report needs of it.

use memchr::memmem::find;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::left_behind::{self, Left};
use crate::{json::Fields, scan::Needle, trail::record::Record, untrusted::Untrusted};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    Succeeded,
    /// It would have succeeded.
    DryRun,
    Denied,
    Failed,
}

/// The ends of the error codes of a denied call, as services write them.
const DENIED: [&str; 9] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "UnauthorizedAccess",
    "AuthorizationError",
    "AuthorizationErrorException",
    "NotAuthorized",
    "NotAuthorizedException",
    "Forbidden",
];

impl Outcome {
    pub fn of(record: &Record) -> Outcome {
        let Some(code) = &record.error_code else {
            // As ConsoleLogin does, which has no error code.
            let is_failure = |response: &Fields<'_>| response.names().any(|name| response.is(name, "Failure"));
            return if record.response_elements().is_some_and(|response| is_failure(&response)) {
                Outcome::Failed
            } else {
                Outcome::Succeeded
            };
        };
        // `Client.` is a prefix, so the end alone decides.
        let ends_with = |end: &str| code.test(|code| code.ends_with(end));
        if ends_with("DryRunOperation") {
            Outcome::DryRun
        } else if DENIED.iter().any(|end| ends_with(end)) {
            Outcome::Denied
        } else {
            Outcome::Failed
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::DryRun => "dryRun",
            Outcome::Denied => "denied",
            Outcome::Failed => "failed",
        }
    }
}

/// Every addendum contains it.
pub const ADDENDUM: Needle = Needle::fixed("addendum");

/// The event id of the record that this one, an addendum, replaces.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>
pub fn replaced_by(record: &Record) -> Option<Untrusted> {
    find(record.raw.as_bytes(), b"addendum")?;
    let fields = Fields::of(&record.raw).ok()?;
    let original = fields.object("addendum")?.text("originalEventID").filter(|id| !id.is_empty()).map(Untrusted::new);
    // A record that replaces itself would vanish.
    original.filter(|original| record.event_id.as_ref() != Some(original))
}

/// A call of a traced identity.
#[derive(Debug)]
pub struct Call {
    /// The number of the identity.
    pub identity: usize,
    pub event_time: Option<OffsetDateTime>,
    pub event_id: Option<Untrusted>,
    pub outcome: Outcome,
    pub account_id: String,
    pub region: Option<Untrusted>,
    pub event_source: Untrusted,
    pub event_name: Untrusted,
    pub error_code: Option<Untrusted>,
    pub source_ip_address: Option<Untrusted>,
    pub user_agent: Option<Untrusted>,
    pub caller_arn: Option<Untrusted>,
    pub caller_account_id: Option<String>,
    /// The user or role behind the call, in the caller's account.
    pub behind: Option<Untrusted>,
    /// A service made it on the identity's behalf.
    pub is_on_behalf: bool,
    pub is_data_event: bool,
    /// What was read, or what the call was about.
    pub resources: Vec<Untrusted>,
    /// Whether secrets or data were read.
    pub is_access: bool,
    pub left: Vec<Left>,
}

impl Call {
    /// The call of this record, which is one of identity `identity`.
    pub fn of(record: &Record, identity: usize) -> Option<Call> {
        let fields = Fields::of(&record.raw).ok()?;
        let outcome = Outcome::of(record);
        let user = &record.user_identity;
        let invoked_by = fields.object("userIdentity").and_then(|user| user.text("invokedBy"));
        // AWS's own attach of the quarantine is no legacy of the key.
        let leaves = outcome == Outcome::Succeeded && !record.is_aws_internal();
        let accessed = if outcome == Outcome::Succeeded { accessed(record, &fields) } else { Vec::new() };
        let left = if leaves { left_behind::made(record, &fields) } else { Vec::new() };
        let is_access = !accessed.is_empty();
        let resources = if is_access { accessed } else { about(&fields, &left) };
        let is_user = user.kind.as_ref().is_some_and(|kind| kind.test(|kind| kind == "IAMUser"));
        let issuer = user.session_issuer.as_ref().and_then(|issuer| issuer.user_name.clone());
        let behind = if is_user { user.user_name.clone() } else { issuer };
        Some(Call {
            identity,
            event_time: record.event_time,
            event_id: record.event_id.clone(),
            outcome,
            account_id: record.account_id().to_owned(),
            region: record.aws_region.clone(),
            event_source: record.event_source.clone().unwrap_or_else(|| "unknown".into()),
            event_name: record.event_name.clone().unwrap_or_else(|| "unknown".into()),
            error_code: record.error_code.clone(),
            source_ip_address: record.source_ip_address.clone(),
            user_agent: record.user_agent.clone(),
            caller_arn: user.arn.clone(),
            behind,
            caller_account_id: record.caller_account_id().map(str::to_owned),
            is_on_behalf: invoked_by.is_some_and(|service| !service.is_empty()),
            is_data_event: fields.is("eventCategory", "Data") || fields.value::<bool>("managementEvent") == Some(false),
            resources,
            is_access,
            left,
        })
    }
}

/// A call that reads secrets or data, or shares them.
struct Reading {
    event_source: &'static str,
    event_name: &'static str,
    /// A template of what is read.
    resource: &'static str,
    /// Where the record says that something is shared. The same call ends a sharing.
    only_with: Option<&'static [&'static str]>,
}

const fn reading(event_source: &'static str, event_name: &'static str, resource: &'static str) -> Reading {
    Reading { event_source, event_name, resource, only_with: None }
}

const READING: [Reading; 10] = [
    reading("secretsmanager.amazonaws.com", "GetSecretValue", "{requestParameters.secretId}"),
    reading("ssm.amazonaws.com", "GetParameter", "{requestParameters.name}"),
    reading("ssm.amazonaws.com", "GetParameters", "{requestParameters.names[]}"),
    reading("kms.amazonaws.com", "Decrypt", "{requestParameters.keyId}"),
    reading("s3.amazonaws.com", "GetObject", "{requestParameters.bucketName}/{requestParameters.key}"),
    reading("bedrock.amazonaws.com", "InvokeModel", "{requestParameters.modelId}"),
    reading("bedrock.amazonaws.com", "InvokeModelWithResponseStream", "{requestParameters.modelId}"),
    Reading {
        only_with: Some(&["createVolumePermission", "add"]),
        ..reading("ec2.amazonaws.com", "ModifySnapshotAttribute", "{requestParameters.snapshotId}")
    },
    Reading {
        only_with: Some(&["launchPermission", "add"]),
        ..reading("ec2.amazonaws.com", "ModifyImageAttribute", "{requestParameters.imageId}")
    },
    Reading {
        only_with: Some(&["valuesToAdd"]),
        ..reading("rds.amazonaws.com", "ModifyDBSnapshotAttribute", "{requestParameters.dBSnapshotIdentifier}")
    },
];

/// What a call read.
fn accessed(record: &Record, fields: &Fields<'_>) -> Vec<Untrusted> {
    let is =
        |field: &Option<Untrusted>, text: &str| field.as_ref().is_some_and(|field| field.test(|field| field == text));
    let row =
        READING.iter().find(|row| is(&record.event_name, row.event_name) && is(&record.event_source, row.event_source));
    let Some(row) = row.filter(|row| row.only_with.is_none_or(|path| has(path, fields))) else { return Vec::new() };
    // Decrypt names its key only here.
    let arns = if row.event_name == "Decrypt" { resource_arns(fields) } else { Vec::new() };
    let found = if arns.is_empty() { left_behind::texts(row.resource, fields) } else { arns };
    if found.is_empty() { vec!["unknown".into()] } else { found }
}

/// Whether the parameters have something at this path.
fn has(path: &[&str], fields: &Fields<'_>) -> bool {
    let Some((last, folders)) = path.split_last() else { return false };
    let mut within = fields.object("requestParameters");
    for folder in folders {
        within = within.and_then(|fields| fields.object(folder));
    }
    within.and_then(|fields| fields.raw(last)).is_some_and(|value| !["null", "{}", "[]"].contains(&value.get()))
}

/// What a call was about.
fn about(fields: &Fields<'_>, left: &[Left]) -> Vec<Untrusted> {
    // The parameters that name what most calls are about.
    const NAMED: &str = "{requestParameters.roleArn|requestParameters.roleName|requestParameters.userName|\
                         requestParameters.bucketName|requestParameters.functionName|requestParameters.secretId|\
                         requestParameters.instanceId|requestParameters.name}";
    let first = left.first().map(|left| left.id.clone()).or_else(|| resource_arns(fields).into_iter().next());
    first.or_else(|| left_behind::texts(NAMED, fields).into_iter().next()).into_iter().collect()
}

fn resource_arns(fields: &Fields<'_>) -> Vec<Untrusted> {
    let resources = fields.list("resources").unwrap_or_default();
    let arn = |resource: &&serde_json::value::RawValue| {
        let resource = Fields::of(resource.get()).ok()?;
        resource.text("ARN").or_else(|| resource.text("arn"))
    };
    resources.iter().filter_map(arn).map(Untrusted::new).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(record: &Value) -> Call {
        Call::of(&Record::parse(record.to_string().as_bytes()).unwrap(), 0).unwrap()
    }

    #[test]
    fn either_of_two_fields_shows_a_data_event() {
        for (fields, is_data_event) in [
            (json!({}), false),
            (json!({ "eventCategory": "Management", "managementEvent": true }), false),
            (json!({ "eventCategory": "Data" }), true),
            (json!({ "managementEvent": false }), true),
        ] {
            assert_eq!(call(&fields).is_data_event, is_data_event, "{fields}");
        }
    }

    #[test]
    fn a_call_is_about_what_it_left_then_its_resources_then_its_parameters() {
        let mut record = json!({
            "eventSource": "iam.amazonaws.com", "eventName": "CreateUser", "recipientAccountId": "123456789012",
            "requestParameters": { "userName": "mallory" }, "resources": [{ "ARN": "arn:aws:iam::123456789012:user/x" }],
        });
        let about = |record: &Value| call(record).resources.iter().map(|text| text.visible(99)).collect::<Vec<_>>();
        assert_eq!(about(&record), ["mallory"]);
        record["eventName"] = json!("GetUser");
        assert_eq!(about(&record), ["arn:aws:iam::123456789012:user/x"]);
        record["resources"] = Value::Null;
        assert_eq!(about(&record), ["mallory"]);
        record["requestParameters"] = Value::Null;
        assert!(about(&record).is_empty());
    }
}
