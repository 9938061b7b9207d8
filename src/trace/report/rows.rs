//! What a report consists of. The names are those of the JSON.

use std::fmt;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use crate::{trail::time::rfc3339, untrusted::Untrusted};

/// A time of a record, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub OffsetDateTime);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rfc3339(self.0))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The numbers of a trace.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub identities: Vec<IdentityRow>,
    pub summary: Summary,
    pub accounts: Vec<AccountRow>,
    pub regions: Vec<RegionRow>,
    pub services: Vec<ServiceRow>,
    pub apis: Vec<ApiRow>,
    #[serde(rename = "sourceIPAddresses")]
    pub source_ip_addresses: Vec<ValueRow>,
    pub user_agents: Vec<ValueRow>,
    pub errors: Vec<ErrorRow>,
    pub left_behind: Vec<LeftRow>,
    pub accessed: Vec<AccessedRow>,
    /// Resources that were read beyond those shown.
    pub accessed_more: usize,
    #[serde(skip)]
    pub has_data_events: bool,
}

/// The calls of one value, and the times of the first and the last.
#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    pub calls: u64,
    pub denied: u64,
    pub first_event_time: Option<Time>,
    pub last_event_time: Option<Time>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRow {
    pub id: Untrusted,
    pub kind: &'static str,
    pub arn: Option<Untrusted>,
    pub account_id: Option<Untrusted>,
    /// An identity's id. `None` for what was asked for.
    pub parent: Option<Untrusted>,
    pub via: Option<ViaRow>,
    #[serde(flatten)]
    pub count: Count,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViaRow {
    pub kind: &'static str,
    pub event_name: Untrusted,
    #[serde(rename = "eventID")]
    pub event_id: Option<Untrusted>,
    pub event_time: Option<Time>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub calls: u64,
    pub succeeded: u64,
    pub dry_run: u64,
    pub denied: u64,
    pub failed: u64,
    /// Copies of calls.
    pub duplicates: u64,
    /// Calls that a service made on an identity's behalf.
    pub on_behalf: u64,
    pub first_event_time: Option<Time>,
    pub last_event_time: Option<Time>,
    /// `None` without a quarantine.
    pub before_quarantine: Option<u64>,
    pub after_quarantine: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountRow {
    pub account_id: Untrusted,
    pub calls: u64,
    pub denied: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionRow {
    pub aws_region: Option<Untrusted>,
    pub calls: u64,
    pub denied: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRow {
    pub event_source: Untrusted,
    pub calls: u64,
    pub denied: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiRow {
    pub event_source: Untrusted,
    pub event_name: Untrusted,
    #[serde(flatten)]
    pub count: Count,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueRow {
    pub value: Option<Untrusted>,
    #[serde(flatten)]
    pub count: Count,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorRow {
    pub error_code: Untrusted,
    pub event_source: Untrusted,
    pub event_name: Untrusted,
    pub count: u64,
    pub first_event_time: Option<Time>,
    pub last_event_time: Option<Time>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftRow {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub id: Untrusted,
    pub account_id: Untrusted,
    pub region: Option<Untrusted>,
    pub event_name: Untrusted,
    #[serde(rename = "eventID")]
    pub event_id: Option<Untrusted>,
    pub event_time: Option<Time>,
    /// An identity's id.
    pub by: Untrusted,
    pub removed_at: Option<Time>,
    /// The ARN of who removed it.
    pub removed_by: Option<Untrusted>,
    #[serde(skip)]
    pub removed_event_id: Option<Untrusted>,
    pub undo: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessedRow {
    pub event_source: Untrusted,
    pub event_name: Untrusted,
    pub resource: Untrusted,
    pub calls: u64,
    pub first_event_time: Option<Time>,
    pub last_event_time: Option<Time>,
}
