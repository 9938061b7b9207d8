//! Calls → the numbers that every output shows.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
};

use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use super::{
    call::{Call, Outcome},
    edges::Identities,
};
use crate::{
    trail::{record::Record, time::rfc3339},
    untrusted::Untrusted,
};

/// The most frequent resources that are shown.
const MOST_ACCESSED: usize = 1000;

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

/// A call, and the log file that it was found in.
pub struct Found {
    pub call: Call,
    pub log_file: std::sync::Arc<str>,
}

/// A call that undid something, whoever made it.
pub struct Undoing {
    pub kind: &'static str,
    pub id: Untrusted,
    pub account_id: String,
    pub region: Option<Untrusted>,
    pub time: Option<OffsetDateTime>,
    pub by: Option<Untrusted>,
}

impl Undoing {
    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Undoing>() + self.id.bytes() + self.by.as_ref().map_or(0, Untrusted::bytes) + 32
    }

    /// What a record of a call that succeeded undid.
    pub fn of(record: &Record) -> Vec<Undoing> {
        if !super::left_behind::undoes(record) {
            return Vec::new();
        }
        let Ok(fields) = crate::json::Fields::of(record.raw.get()) else { return Vec::new() };
        if Outcome::of(record, &fields) != Outcome::Succeeded {
            return Vec::new();
        }
        let undone = super::left_behind::undone(record, &fields).into_iter();
        undone
            .map(|undone| Undoing {
                kind: undone.kind,
                id: undone.id,
                account_id: record.account_id().to_owned(),
                region: record.aws_region.clone(),
                time: record.event_time,
                by: record.user_identity.arn.clone(),
            })
            .collect()
    }
}

/// The numbers of a trace. The names are those of the JSON.
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRow {
    pub id: Untrusted,
    pub kind: &'static str,
    pub arn: Option<Untrusted>,
    pub account_id: Option<String>,
    /// An identity's id. `None` for what was asked for.
    pub parent: Option<Untrusted>,
    pub via: Option<ViaRow>,
    pub first_event_time: Option<Time>,
    pub last_event_time: Option<Time>,
    pub calls: u64,
    pub denied: u64,
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
    pub account_id: String,
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
    pub calls: u64,
    pub denied: u64,
    pub first_event_time: Option<Time>,
    pub last_event_time: Option<Time>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueRow {
    pub value: Option<Untrusted>,
    pub calls: u64,
    pub denied: u64,
    pub first_event_time: Option<Time>,
    pub last_event_time: Option<Time>,
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
    pub account_id: String,
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

/// The counts of one value.
#[derive(Clone, Default)]
struct Count {
    calls: u64,
    denied: u64,
    first: Option<Time>,
    last: Option<Time>,
}

impl Count {
    fn add(&mut self, call: &Call) {
        self.calls += 1;
        self.denied += u64::from(call.outcome == Outcome::Denied);
        let time = call.event_time.map(Time);
        self.first = [self.first, time].into_iter().flatten().min();
        self.last = self.last.max(time);
    }
}

/// The calls of each value of a column, the most frequent first.
fn counted<'f, K: Ord + Clone>(found: &'f [Found], of: impl Fn(&'f Call) -> Vec<K>) -> Vec<(K, Count)> {
    let mut counts: BTreeMap<K, Count> = BTreeMap::new();
    for found in found {
        for key in of(&found.call) {
            counts.entry(key).or_default().add(&found.call);
        }
    }
    let mut rows: Vec<(K, Count)> = counts.into_iter().collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(count.calls));
    rows
}

/// One call for each event id, in the order of time, without those that an addendum replaces. Returns the number of copies too.
pub fn distinct(mut found: Vec<Found>) -> (Vec<Found>, u64) {
    let replaced: HashSet<Untrusted> = found.iter().filter_map(|found| found.call.replaces.clone()).collect();
    found.retain(|found| found.call.event_id.as_ref().is_none_or(|id| !replaced.contains(id)));
    found.sort_by(|a, b| {
        let key = |found: &Found| (found.call.event_time, found.call.event_id.clone(), found.log_file.clone());
        key(a).cmp(&key(b))
    });
    let all = found.len();
    let mut seen = HashSet::new();
    found.retain(|found| found.call.event_id.as_ref().is_none_or(|id| seen.insert(id.clone())));
    let copies = (all - found.len()) as u64;
    (found, copies)
}

/// The users and roles behind the calls, each with its account.
pub fn behind(found: &[Found]) -> BTreeSet<(String, Untrusted)> {
    found.iter().filter_map(|found| found.call.behind.clone()).collect()
}

impl Report {
    /// Of [`distinct`] calls. `quarantined` is the earliest quarantine of the users and roles behind them.
    pub fn new(
        identities: &Identities,
        found: &[Found],
        duplicates: u64,
        undoing: Vec<Undoing>,
        quarantined: Option<OffsetDateTime>,
    ) -> Report {
        let all = found.iter().fold(Count::default(), |mut count, found| {
            count.add(&found.call);
            count
        });
        let number = |outcome: Outcome| found.iter().filter(|found| found.call.outcome == outcome).count() as u64;
        let relative = |is_after: bool| {
            let moment = quarantined?;
            let is = |found: &&Found| found.call.event_time.is_some_and(|time| (time >= moment) == is_after);
            Some(found.iter().filter(is).count() as u64)
        };
        let summary = Summary {
            calls: all.calls,
            succeeded: number(Outcome::Succeeded),
            dry_run: number(Outcome::DryRun),
            denied: all.denied,
            failed: number(Outcome::Failed),
            duplicates,
            on_behalf: found.iter().filter(|found| found.call.is_on_behalf).count() as u64,
            first_event_time: all.first,
            last_event_time: all.last,
            before_quarantine: relative(false),
            after_quarantine: relative(true),
        };
        let (accessed, accessed_more) = accessed_rows(found);
        Report {
            identities: identity_rows(identities, found),
            summary,
            accounts: counted(found, |call| vec![call.account_id.clone()])
                .into_iter()
                .map(|(account_id, Count { calls, denied, .. })| AccountRow { account_id, calls, denied })
                .collect(),
            regions: counted(found, |call| vec![call.region.clone()])
                .into_iter()
                .map(|(aws_region, Count { calls, denied, .. })| RegionRow { aws_region, calls, denied })
                .collect(),
            services: counted(found, |call| vec![call.event_source.clone()])
                .into_iter()
                .map(|(event_source, Count { calls, denied, .. })| ServiceRow { event_source, calls, denied })
                .collect(),
            apis: counted(found, |call| vec![(call.event_source.clone(), call.event_name.clone())])
                .into_iter()
                .map(|((event_source, event_name), Count { calls, denied, first, last })| ApiRow {
                    event_source,
                    event_name,
                    calls,
                    denied,
                    first_event_time: first,
                    last_event_time: last,
                })
                .collect(),
            source_ip_addresses: value_rows(found, |call| call.source_ip_address.clone()),
            user_agents: value_rows(found, |call| call.user_agent.clone()),
            errors: counted(found, |call| {
                let error = call.error_code.clone();
                error.map(|code| (code, call.event_source.clone(), call.event_name.clone())).into_iter().collect()
            })
            .into_iter()
            .map(|((error_code, event_source, event_name), Count { calls, first, last, .. })| ErrorRow {
                error_code,
                event_source,
                event_name,
                count: calls,
                first_event_time: first,
                last_event_time: last,
            })
            .collect(),
            left_behind: left_rows(identities, found, undoing),
            accessed,
            accessed_more,
            has_data_events: found.iter().any(|found| found.call.is_data_event),
        }
    }
}

fn value_rows(found: &[Found], of: impl Fn(&Call) -> Option<Untrusted>) -> Vec<ValueRow> {
    let rows = counted(found, |call| vec![of(call)]).into_iter();
    rows.map(|(value, Count { calls, denied, first, last })| ValueRow {
        value,
        calls,
        denied,
        first_event_time: first,
        last_event_time: last,
    })
    .collect()
}

fn accessed_rows(found: &[Found]) -> (Vec<AccessedRow>, usize) {
    let rows = counted(found, |call| {
        let of = |resource: &Untrusted| (call.event_source.clone(), call.event_name.clone(), resource.clone());
        // A call that names a resource twice is one call.
        let resources: BTreeSet<&Untrusted> = call.resources.iter().filter(|_| call.is_access).collect();
        resources.into_iter().map(of).collect()
    });
    let more = rows.len().saturating_sub(MOST_ACCESSED);
    let rows = rows.into_iter().take(MOST_ACCESSED);
    let rows = rows.map(|((event_source, event_name, resource), Count { calls, first, last, .. })| AccessedRow {
        event_source,
        event_name,
        resource,
        calls,
        first_event_time: first,
        last_event_time: last,
    });
    (rows.collect(), more)
}

/// Parents stand before their children.
fn identity_rows(identities: &Identities, found: &[Found]) -> Vec<IdentityRow> {
    let mut counts = vec![Count::default(); identities.list.len()];
    let mut first: Vec<Option<&Call>> = vec![None; identities.list.len()];
    for found in found {
        counts[found.call.identity].add(&found.call);
        first[found.call.identity].get_or_insert(&found.call);
    }
    let rows = identities.list.iter().zip(counts).zip(first);
    rows.map(|((traced, count), first)| IdentityRow {
        id: traced.identity.id(),
        kind: traced.identity.kind(),
        arn: traced.identity.arn().cloned().or_else(|| first?.caller_arn.clone()),
        account_id: traced.identity.account_id().map(str::to_owned).or_else(|| first?.caller_account_id.clone()),
        parent: traced.parent.as_ref().map(|(parent, _)| identities.list[*parent].identity.id()),
        via: traced.parent.as_ref().map(|(_, via)| ViaRow {
            kind: via.kind,
            event_name: via.event_name.clone(),
            event_id: via.event_id.clone(),
            event_time: via.event_time.map(Time),
        }),
        first_event_time: count.first,
        last_event_time: count.last,
        calls: count.calls,
        denied: count.denied,
    })
    .collect()
}

/// One row for each thing. It is there if its last undoing was before its last making.
fn left_rows(identities: &Identities, found: &[Found], undoing: Vec<Undoing>) -> Vec<LeftRow> {
    let mut undone: HashMap<ThingKey, Vec<Undoing>> = HashMap::new();
    for undoing in undoing {
        undone
            .entry(key_of(undoing.kind, &undoing.id, &undoing.account_id, undoing.region.as_ref()))
            .or_default()
            .push(undoing);
    }
    let mut rows: Vec<LeftRow> = Vec::new();
    let mut last_made: HashMap<ThingKey, (usize, Option<OffsetDateTime>)> = HashMap::new();
    for Found { call, .. } in found {
        for left in &call.left {
            let key = key_of(left.kind, &left.id, &call.account_id, call.region.as_ref());
            if let Some((_, last)) = last_made.get_mut(&key) {
                *last = (*last).max(call.event_time);
                continue;
            }
            last_made.insert(key, (rows.len(), call.event_time));
            rows.push(LeftRow {
                kind: left.kind,
                id: left.id.clone(),
                account_id: call.account_id.clone(),
                region: call.region.clone(),
                event_name: call.event_name.clone(),
                event_id: call.event_id.clone(),
                event_time: call.event_time.map(Time),
                by: identities.list[call.identity].identity.id(),
                removed_at: None,
                removed_by: None,
                undo: left.undo.clone(),
            });
        }
    }
    for (key, (row, last)) in last_made {
        let later =
            undone.get(&key).into_iter().flatten().filter(|undoing| undoing.time >= last && undoing.time.is_some());
        if let Some(first) = later.min_by(|a, b| (a.time, &a.by).cmp(&(b.time, &b.by))) {
            rows[row].removed_at = first.time.map(Time);
            rows[row].removed_by = first.by.clone();
        }
    }
    rows
}

type ThingKey = (&'static str, Untrusted, String, Option<Untrusted>);

fn key_of(kind: &'static str, id: &Untrusted, account_id: &str, region: Option<&Untrusted>) -> ThingKey {
    (kind, id.clone(), account_id.to_owned(), region.cloned())
}
