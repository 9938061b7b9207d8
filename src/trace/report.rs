//! Calls → the numbers that every output shows.

mod rows;

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    hash::Hash,
    io, mem,
};

use time::OffsetDateTime;

use super::{
    call::Outcome,
    calls::{Row, TextId, Timeline},
    identities::Identities,
    left_behind::Undoing,
};
use crate::untrusted::Untrusted;

pub use rows::{
    AccessedRow, AccountRow, ApiRow, Count, ErrorRow, IdentityRow, LeftRow, RegionRow, Report, ServiceRow, Summary,
    Time, ValueRow, ViaRow,
};

/// The most frequent resources that are shown.
const MAX_ACCESSED: usize = 1000;

impl Count {
    fn add(&mut self, row: &Row) {
        self.calls += 1;
        self.denied += u64::from(row.outcome == Outcome::Denied);
        let time = row.event_time.map(Time);
        self.first_event_time = [self.first_event_time, time].into_iter().flatten().min();
        self.last_event_time = self.last_event_time.max(time);
    }
}

/// The calls of each value.
struct Counts<K>(HashMap<K, Count>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Counts(HashMap::new())
    }
}

impl<K: Eq + Hash> Counts<K> {
    fn add(&mut self, key: K, row: &Row) {
        self.0.entry(key).or_default().add(row);
    }

    /// The most frequent first, then in the order of the texts.
    fn rows<T: Ord, R>(self, text: impl Fn(K) -> T, row: impl Fn(T, Count) -> R) -> Vec<R> {
        let mut rows: Vec<(T, Count)> = self.0.into_iter().map(|(key, count)| (text(key), count)).collect();
        rows.sort_by(|(a, count_a), (b, count_b)| {
            Reverse(count_a.calls).cmp(&Reverse(count_b.calls)).then_with(|| a.cmp(b))
        });
        rows.into_iter().map(|(key, count)| row(key, count)).collect()
    }
}

/// The source and the name of an API.
type Api = (TextId, TextId);

/// Everything that is counted while the calls are read once.
#[derive(Default)]
struct Counter {
    all: Count,
    summary: Summary,
    has_data_events: bool,
    identities: Vec<IdentityCount>,
    accounts: Counts<TextId>,
    regions: Counts<Option<TextId>>,
    services: Counts<TextId>,
    apis: Counts<Api>,
    addresses: Counts<Option<TextId>>,
    user_agents: Counts<Option<TextId>>,
    errors: Counts<(TextId, Api)>,
    accessed: Counts<(Api, TextId)>,
}

/// With what the calls show of the identity: a record may lack the caller's ARN or account, so the first that is known counts.
#[derive(Clone, Default)]
struct IdentityCount {
    count: Count,
    arn: Option<TextId>,
    account_id: Option<TextId>,
}

impl Counter {
    fn add(&mut self, row: &Row, quarantined: Option<OffsetDateTime>) {
        self.all.add(row);
        let summary = &mut self.summary;
        match row.outcome {
            Outcome::Succeeded => summary.succeeded += 1,
            Outcome::DryRun => summary.dry_run += 1,
            Outcome::Denied => summary.denied += 1,
            Outcome::Failed => summary.failed += 1,
        }
        summary.on_behalf += u64::from(row.is_on_behalf);
        // A call without a time is neither before nor after.
        if let Some((time, moment)) = row.event_time.zip(quarantined) {
            *summary.before_quarantine.get_or_insert(0) += u64::from(time < moment);
            *summary.after_quarantine.get_or_insert(0) += u64::from(time >= moment);
        }
        self.has_data_events |= row.is_data_event;
        let identity = &mut self.identities[row.identity as usize];
        identity.count.add(row);
        identity.arn = identity.arn.or(row.caller_arn);
        identity.account_id = identity.account_id.or(row.caller_account_id);
        let api = (row.event_source, row.event_name);
        self.accounts.add(row.account_id, row);
        self.regions.add(row.region, row);
        self.services.add(row.event_source, row);
        self.apis.add(api, row);
        self.addresses.add(row.source_ip_address, row);
        self.user_agents.add(row.user_agent, row);
        if let Some(code) = row.error_code {
            self.errors.add((code, api), row);
        }
        if row.is_access {
            // A call that names a resource twice is one call.
            let resources: HashSet<TextId> = row.resources.iter().copied().collect();
            resources.into_iter().for_each(|resource| self.accessed.add((api, resource), row));
        }
    }
}

impl Report {
    /// `quarantined` is the earliest quarantine of the users and roles behind the calls.
    ///
    /// # Errors
    /// The temporary file of the timeline cannot be read.
    pub fn new(
        identities: &Identities,
        timeline: &Timeline,
        undoing: Vec<Undoing>,
        quarantined: Option<OffsetDateTime>,
    ) -> io::Result<Report> {
        let mut counter =
            Counter { identities: vec![IdentityCount::default(); identities.list.len()], ..Counter::default() };
        if quarantined.is_some() {
            counter.summary.before_quarantine = Some(0);
            counter.summary.after_quarantine = Some(0);
        }
        let mut left = LeftBehind::default();
        timeline.each(|row| {
            counter.add(row, quarantined);
            left.add(identities, timeline, row);
            Ok::<_, io::Error>(())
        })?;
        let text = |id: TextId| timeline.text(id).clone();
        let optional = |id: Option<TextId>| id.map(text);
        let api = |(source, name): Api| (text(source), text(name));
        let value = |value, count| ValueRow { value, count };
        let identity_counts = mem::take(&mut counter.identities);
        let mut accessed = counter.accessed.rows(
            |((source, name), resource)| (text(source), text(name), text(resource)),
            |(event_source, event_name, resource), Count { calls, first_event_time, last_event_time, .. }| {
                AccessedRow { event_source, event_name, resource, calls, first_event_time, last_event_time }
            },
        );
        let accessed_more = accessed.len().saturating_sub(MAX_ACCESSED);
        accessed.truncate(MAX_ACCESSED);
        Ok(Report {
            identities: identity_rows(identities, timeline, identity_counts),
            summary: Summary {
                calls: counter.all.calls,
                duplicates: timeline.duplicates,
                first_event_time: counter.all.first_event_time,
                last_event_time: counter.all.last_event_time,
                ..counter.summary
            },
            accounts: counter.accounts.rows(text, |account_id, Count { calls, denied, .. }| AccountRow {
                account_id,
                calls,
                denied,
            }),
            regions: counter.regions.rows(optional, |aws_region, Count { calls, denied, .. }| RegionRow {
                aws_region,
                calls,
                denied,
            }),
            services: counter.services.rows(text, |event_source, Count { calls, denied, .. }| ServiceRow {
                event_source,
                calls,
                denied,
            }),
            apis: counter.apis.rows(api, |(event_source, event_name), count| ApiRow {
                event_source,
                event_name,
                count,
            }),
            source_ip_addresses: counter.addresses.rows(optional, value),
            user_agents: counter.user_agents.rows(optional, value),
            errors: counter.errors.rows(
                |(code, of)| (text(code), api(of)),
                |(error_code, (event_source, event_name)), count| ErrorRow {
                    error_code,
                    event_source,
                    event_name,
                    count: count.calls,
                    first_event_time: count.first_event_time,
                    last_event_time: count.last_event_time,
                },
            ),
            left_behind: left.rows(undoing),
            accessed,
            accessed_more,
            has_data_events: counter.has_data_events,
        })
    }
}

/// Parents come before their children.
fn identity_rows(identities: &Identities, timeline: &Timeline, counts: Vec<IdentityCount>) -> Vec<IdentityRow> {
    let text = |id: TextId| timeline.text(id).clone();
    let rows = identities.list.iter().zip(counts);
    rows.map(|(traced, IdentityCount { count, arn, account_id })| IdentityRow {
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

/// One row for each thing, of its first making, and when it was last made.
#[derive(Default)]
struct LeftBehind {
    rows: Vec<LeftRow>,
    last_made: HashMap<Thing, (usize, Option<OffsetDateTime>)>,
}

impl LeftBehind {
    fn add(&mut self, identities: &Identities, timeline: &Timeline, row: &Row) {
        let text = |id: TextId| timeline.text(id).clone();
        for left in timeline.left(row) {
            let thing = (left.kind, left.id.clone(), text(row.account_id), row.region.map(text));
            if let Some((_, last)) = self.last_made.get_mut(&thing) {
                *last = (*last).max(row.event_time);
                continue;
            }
            self.last_made.insert(thing, (self.rows.len(), row.event_time));
            self.rows.push(LeftRow {
                kind: left.kind,
                id: left.id.clone(),
                account_id: text(row.account_id),
                region: row.region.map(text),
                event_name: text(row.event_name),
                event_id: row.event_id.map(|id| timeline.event_id(id)),
                event_time: row.event_time.map(Time),
                by: identities.list[row.identity as usize].identity.id(),
                removed_at: None,
                removed_by: None,
                removed_event_id: None,
                undo: left.undo.clone(),
            });
        }
    }

    /// A thing is removed if something undid it after its last making.
    fn rows(mut self, undoing: Vec<Undoing>) -> Vec<LeftRow> {
        let mut undone: HashMap<Thing, Vec<Undoing>> = HashMap::new();
        for undoing in undoing {
            let thing = (undoing.kind, undoing.id.clone(), undoing.account_id.clone(), undoing.region.clone());
            undone.entry(thing).or_default().push(undoing);
        }
        for (thing, (row, last)) in self.last_made {
            let later = undone.get(&thing).into_iter().flatten();
            let later = later.filter(|undoing| undoing.time.is_some() && undoing.time >= last);
            if let Some(first) = later.min_by(|a, b| (a.time, &a.by).cmp(&(b.time, &b.by))) {
                self.rows[row].removed_at = first.time.map(Time);
                self.rows[row].removed_by = first.by.clone();
                self.rows[row].removed_event_id = first.event_id.clone();
            }
        }
        self.rows
    }
}
