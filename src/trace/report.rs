//! Calls → the numbers that every output shows.

mod rows;

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    hash::Hash,
};

use time::OffsetDateTime;

use super::{
    call::Outcome,
    calls::{Calls, Row, TextId},
    identities::Identities,
    left_behind::Undoing,
};
use crate::untrusted::Untrusted;

pub use rows::{
    AccessedRow, AccountRow, ApiRow, Count, ErrorRow, IdentityRow, LeftRow, RegionRow, Report, ServiceRow, Summary,
    Time, ValueRow, ViaRow,
};

/// The most frequent resources that are shown.
const MOST_ACCESSED: usize = 1000;

impl Count {
    fn add(&mut self, row: &Row) {
        self.calls += 1;
        self.denied += u64::from(row.outcome == Outcome::Denied);
        let time = row.event_time.map(Time);
        self.first_event_time = [self.first_event_time, time].into_iter().flatten().min();
        self.last_event_time = self.last_event_time.max(time);
    }
}

/// The calls of each value, the most frequent first, then in the order of the texts.
fn counted<K: Copy + Eq + Hash, T: Ord>(
    calls: &Calls,
    values: impl Fn(&Row) -> Vec<K>,
    text: impl Fn(K) -> T,
) -> Vec<(T, Count)> {
    let mut counts: HashMap<K, Count> = HashMap::new();
    for row in &calls.rows {
        for key in values(row) {
            counts.entry(key).or_default().add(row);
        }
    }
    let mut rows: Vec<(T, Count)> = counts.into_iter().map(|(key, count)| (text(key), count)).collect();
    rows.sort_by(|(a, count_a), (b, count_b)| {
        Reverse(count_a.calls).cmp(&Reverse(count_b.calls)).then_with(|| a.cmp(b))
    });
    rows
}

impl Report {
    /// Of finished calls. `quarantined` is the earliest quarantine of the users and roles behind them.
    pub fn new(
        identities: &Identities,
        calls: &Calls,
        undoing: Vec<Undoing>,
        quarantined: Option<OffsetDateTime>,
    ) -> Report {
        let text = |id: TextId| calls.text(id).clone();
        let optional = |id: Option<TextId>| id.map(text);
        let api = |row: &Row| (row.event_source, row.event_name);
        let accounts = counted(calls, |row| vec![row.account_id], text).into_iter();
        let regions = counted(calls, |row| vec![row.region], optional).into_iter();
        let services = counted(calls, |row| vec![row.event_source], text).into_iter();
        let apis = counted(calls, |row| vec![api(row)], |(source, name)| (text(source), text(name))).into_iter();
        let errors = counted(
            calls,
            |row| row.error_code.map(|code| (code, api(row))).into_iter().collect(),
            |(code, (source, name))| (text(code), text(source), text(name)),
        );
        let (accessed, accessed_more) = accessed_rows(calls);
        Report {
            identities: identity_rows(identities, calls),
            summary: summary(calls, quarantined),
            accounts: accounts
                .map(|(account_id, Count { calls, denied, .. })| AccountRow { account_id, calls, denied })
                .collect(),
            regions: regions
                .map(|(aws_region, Count { calls, denied, .. })| RegionRow { aws_region, calls, denied })
                .collect(),
            services: services
                .map(|(event_source, Count { calls, denied, .. })| ServiceRow { event_source, calls, denied })
                .collect(),
            apis: apis.map(|((event_source, event_name), count)| ApiRow { event_source, event_name, count }).collect(),
            source_ip_addresses: value_rows(calls, |row| row.source_ip_address),
            user_agents: value_rows(calls, |row| row.user_agent),
            errors: errors
                .into_iter()
                .map(
                    |(
                        (error_code, event_source, event_name),
                        Count { calls, first_event_time, last_event_time, .. },
                    )| ErrorRow {
                        error_code,
                        event_source,
                        event_name,
                        count: calls,
                        first_event_time,
                        last_event_time,
                    },
                )
                .collect(),
            left_behind: left_rows(identities, calls, undoing),
            accessed,
            accessed_more,
            has_data_events: calls.rows.iter().any(|row| row.is_data_event),
        }
    }
}

fn summary(calls: &Calls, quarantined: Option<OffsetDateTime>) -> Summary {
    let mut all = Count::default();
    calls.rows.iter().for_each(|row| all.add(row));
    let number = |is: &dyn Fn(&Row) -> bool| calls.rows.iter().filter(|row| is(row)).count() as u64;
    let of = |outcome: Outcome| number(&|row| row.outcome == outcome);
    // A call without a time is neither before nor after.
    let relative = |is_after: bool| {
        let moment = quarantined?;
        Some(number(&|row| row.event_time.is_some_and(|time| (time >= moment) == is_after)))
    };
    Summary {
        calls: all.calls,
        succeeded: of(Outcome::Succeeded),
        dry_run: of(Outcome::DryRun),
        denied: all.denied,
        failed: of(Outcome::Failed),
        duplicates: calls.duplicates,
        on_behalf: number(&|row| row.is_on_behalf),
        first_event_time: all.first_event_time,
        last_event_time: all.last_event_time,
        before_quarantine: relative(false),
        after_quarantine: relative(true),
    }
}

fn value_rows(calls: &Calls, of: impl Fn(&Row) -> Option<TextId>) -> Vec<ValueRow> {
    let rows = counted(calls, |row| vec![of(row)], |id| id.map(|id| calls.text(id).clone())).into_iter();
    rows.map(|(value, count)| ValueRow { value, count }).collect()
}

/// The most frequent, and how many more there are.
fn accessed_rows(calls: &Calls) -> (Vec<AccessedRow>, usize) {
    let values = |row: &Row| {
        // A call that names a resource twice is one call.
        let resources: HashSet<TextId> = row.resources.iter().copied().filter(|_| row.is_access).collect();
        resources.into_iter().map(|resource| (row.event_source, row.event_name, resource)).collect()
    };
    let text = |id: TextId| calls.text(id).clone();
    let rows = counted(calls, values, |(source, name, resource)| (text(source), text(name), text(resource)));
    let more = rows.len().saturating_sub(MOST_ACCESSED);
    let rows = rows.into_iter().take(MOST_ACCESSED);
    let rows =
        rows.map(|((event_source, event_name, resource), Count { calls, first_event_time, last_event_time, .. })| {
            AccessedRow { event_source, event_name, resource, calls, first_event_time, last_event_time }
        });
    (rows.collect(), more)
}

/// Parents stand before their children.
fn identity_rows(identities: &Identities, calls: &Calls) -> Vec<IdentityRow> {
    let mut counts = vec![Count::default(); identities.list.len()];
    // The first that is known: a record may lack the caller's ARN or account.
    let mut arns: Vec<Option<TextId>> = vec![None; identities.list.len()];
    let mut accounts = arns.clone();
    for row in &calls.rows {
        counts[row.identity].add(row);
        arns[row.identity] = arns[row.identity].or(row.caller_arn);
        accounts[row.identity] = accounts[row.identity].or(row.caller_account_id);
    }
    let text = |id: TextId| calls.text(id).clone();
    let rows = identities.list.iter().zip(counts).zip(arns.into_iter().zip(accounts));
    rows.map(|((traced, count), (arn, account_id))| IdentityRow {
        id: traced.identity.id(),
        kind: traced.identity.kind(),
        arn: traced.identity.arn().cloned().or_else(|| arn.map(text)),
        account_id: traced.identity.account_id().map(Untrusted::from).or_else(|| account_id.map(text)),
        parent: traced.parent.as_ref().map(|(parent, _)| identities.list[*parent].identity.id()),
        via: traced.parent.as_ref().map(|(_, via)| ViaRow {
            kind: via.kind,
            event_name: via.event_name.clone(),
            event_id: via.event_id.clone(),
            event_time: via.event_time.map(Time),
        }),
        count,
    })
    .collect()
}

/// Kind, id, account and region.
type Thing = (&'static str, Untrusted, Untrusted, Option<Untrusted>);

/// One row for each thing, of its first making. It is removed if something undid it after its last making.
fn left_rows(identities: &Identities, calls: &Calls, undoing: Vec<Undoing>) -> Vec<LeftRow> {
    let mut undone: HashMap<Thing, Vec<Undoing>> = HashMap::new();
    for undoing in undoing {
        let thing = (undoing.kind, undoing.id.clone(), undoing.account_id.clone(), undoing.region.clone());
        undone.entry(thing).or_default().push(undoing);
    }
    let text = |id: TextId| calls.text(id).clone();
    let mut rows: Vec<LeftRow> = Vec::new();
    let mut last_made: HashMap<Thing, (usize, Option<OffsetDateTime>)> = HashMap::new();
    for row in &calls.rows {
        for left in &row.left {
            let thing = (left.kind, left.id.clone(), text(row.account_id), row.region.map(text));
            if let Some((_, last)) = last_made.get_mut(&thing) {
                *last = (*last).max(row.event_time);
                continue;
            }
            last_made.insert(thing, (rows.len(), row.event_time));
            rows.push(LeftRow {
                kind: left.kind,
                id: left.id.clone(),
                account_id: text(row.account_id),
                region: row.region.map(text),
                event_name: text(row.event_name),
                event_id: row.event_id.map(|id| calls.event_id(id)),
                event_time: row.event_time.map(Time),
                by: identities.list[row.identity].identity.id(),
                removed_at: None,
                removed_by: None,
                undo: left.undo.clone(),
            });
        }
    }
    for (thing, (row, last)) in last_made {
        let later = undone.get(&thing).into_iter().flatten();
        let later = later.filter(|undoing| undoing.time.is_some() && undoing.time >= last);
        if let Some(first) = later.min_by(|a, b| (a.time, &a.by).cmp(&(b.time, &b.by))) {
            rows[row].removed_at = first.time.map(Time);
            rows[row].removed_by = first.by.clone();
        }
    }
    rows
}
