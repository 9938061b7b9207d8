//! Shows what a key did: its calls, what came from it, and what it left behind.

mod evidence;

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context, bail};
use indicatif::HumanBytes;
use quarantine_alert::{
    alert::Alert,
    rule::{EntityType, Outcome},
    scan::Needles,
    trace::{
        call::Call,
        calls::{Calls, Timeline},
        identities::Identities,
        identity::Caller,
        report::Report,
    },
    trail::{log_file::LogFile, record::Record},
    untrusted::Untrusted,
};
use time::OffsetDateTime;

use crate::{
    args::{Color, TraceArgs, TraceFormat},
    incidents::{FirstMatch, newest_first},
    matches::{Matches, RowKey},
    output::{
        Output, json,
        trace::{Trace, page, text, timeline},
    },
    progress::plural,
    search::{Sink, Sources, search},
    source::{
        feed::{Judge, Select},
        kept::kept,
    },
    status::Status,
    stop::Stop,
};
use evidence::{Evidence, Replaced};

/// The limit for the distinct values of all kept records: names, addresses, issued keys, object keys.
const MAX_BYTES: usize = 2 * 1024 * 1024 * 1024;

const SPILLED: &str = "cannot keep the calls in a temporary file (TMPDIR is its folder)";

/// # Errors
/// The arguments contradict each other, standard input cannot be kept, or the result cannot be written.
pub async fn run(arguments: TraceArgs) -> anyhow::Result<Status> {
    let filter = arguments.search.filter()?;
    let output = Output::open(arguments.output.as_deref(), Color::Auto)?;
    if arguments.format == TraceFormat::Html && output.look().is_fitted {
        bail!("a page is for a browser: add --output report.html, and open that file");
    }
    let stop = Stop::on_signal()?;
    let (targets, _kept) = kept(&arguments.search.paths, &stop).await?;
    let depth = if arguments.no_follow { 0 } else { arguments.depth.unwrap_or(usize::MAX) };

    let mut evidence = Evidence::new(Matches::of_rules(&arguments.search), depth > 0);
    let mut sources = Sources::default();
    let first = search(&targets, &mut sources, evidence.needles(), &filter, &mut evidence, &stop).await;
    if first.stopped.is_some() {
        first.report("no call was looked for yet");
        return Ok(Status::Incomplete);
    }
    let Evidence { edges, undoing, replaced, matches, seen, files, .. } = evidence;
    let identities = Arc::new(Identities::follow(arguments.identities.0, &edges, &replaced, depth));
    drop(edges);

    let replaced = Arc::new(replaced);
    let files = Arc::new(files);
    let mut found = Found {
        identities: identities.clone(),
        replaced: replaced.clone(),
        files,
        calls: Calls::new(tempfile::tempfile),
    };
    let needles = Needles::new(identities.needles());
    let second = search(&targets, &mut sources, needles, &filter, &mut found, &stop).await;

    let coverage = first.with_second(second);
    let timeline = found.calls.finish().context(SPILLED)?;
    let undoing =
        undoing.into_iter().filter(|undoing| !undoing.event_id.as_ref().is_some_and(|id| replaced.contains(id)));
    let (quarantine, quarantined) = quarantine(matches, &timeline, &identities);
    let report = Report::new(&identities, &timeline, undoing.collect(), quarantined).context(SPILLED)?;
    let seen = seen.complete(&coverage, report.has_data_events);
    let is_empty = timeline.calls == 0;
    let summary = plural(report.summary.calls, "call");
    let trace =
        Trace { schema_version: "1.0", report, quarantine, coverage: seen, quarantined, is_filtered: filter.hides() };
    match arguments.format {
        TraceFormat::Table => output.write_text(&text::text(&trace, &identities)),
        TraceFormat::Html => output.write(|to| page::write(to, &trace, &identities, &timeline)),
        TraceFormat::Json => output.write_text(&json::one(&trace)?),
        TraceFormat::Ndjson => output.write(|to| timeline::lines(to, &identities, &timeline)),
        TraceFormat::Csv => output.write(|to| timeline::csv(to, &identities, &timeline)),
    }?;
    coverage.report(&if is_empty { "no call of these identities was found".into() } else { summary });
    Ok(match (coverage.is_complete(), is_empty) {
        (false, _) => Status::Incomplete,
        (true, true) => Status::NothingFound,
        (true, false) => Status::Found,
    })
}

/// The alerts of `find` for the users and roles behind the calls, and the time of the earliest quarantine.
fn quarantine(matches: Matches, timeline: &Timeline, identities: &Identities) -> (Vec<Alert>, Option<OffsetDateTime>) {
    let behind = &timeline.behind;
    let (matches, mut occurrences) = matches.finish();
    let traced: BTreeSet<_> = identities
        .list
        .iter()
        .filter_map(|traced| traced.identity.user())
        .map(|(account, name)| (Untrusted::new(account), name))
        .collect();
    let (mut alerts, mut quarantined) = (Vec::new(), None);
    for FirstMatch { pending, claim } in newest_first(matches, &occurrences) {
        let now = OffsetDateTime::now_utc();
        let alert = Alert::new(&pending.matched, &claim, pending.log_file.as_deref(), None, false, now);
        let entity = (Untrusted::from(alert.account_id.as_str()), alert.entity.name.clone());
        let is_one = match alert.entity.kind {
            EntityType::User => behind.contains(&entity) || traced.contains(&entity),
            _ => behind.contains(&entity),
        };
        if is_one {
            if alert.outcome == Outcome::Quarantined {
                quarantined = [quarantined, pending.matched.facts.event_time].into_iter().flatten().min();
            }
            alerts.push(Alert { occurrences: occurrences.remove(&RowKey::of(&pending)), ..alert });
        }
    }
    alerts.sort_by(|a, b| a.event_time.cmp(&b.event_time));
    (alerts, quarantined)
}

/// The second read: the calls.
struct Found {
    identities: Arc<Identities>,
    replaced: Arc<Replaced>,
    files: Arc<evidence::Files>,
    calls: Calls,
}

impl Sink for Found {
    type Wanted = Box<Call>;

    fn judge(&self) -> Judge<Box<Call>> {
        let (identities, replaced) = (self.identities.clone(), self.replaced.clone());
        Box::new(move |record: Record| {
            if record.event_id.as_ref().is_some_and(|id| replaced.contains(id)) {
                return None;
            }
            let owner = identities.owner(&Caller::of(&record), record.event_time)?;
            Call::of(&record, owner).map(Box::new)
        })
    }

    fn select(&self) -> Select {
        let (keys, files) = (self.identities.only_keys()?, self.files.clone());
        Some(Box::new(move |log_file: &LogFile| files.may_have(log_file, &keys)))
    }

    fn take(&mut self, call: Box<Call>, log_file: Arc<LogFile>) -> Result<(), String> {
        self.calls.add(*call, &log_file.to_string()).map_err(|error| format!("{SPILLED}: {error}"))?;
        within_memory(self.calls.bytes())
    }

    fn finds_much(&self) -> bool {
        true
    }

    fn note(&self) -> String {
        plural(self.calls.found, "call")
    }
}

/// # Errors
/// The kept values exceed [`MAX_BYTES`].
fn within_memory(bytes: usize) -> Result<(), String> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let most = HumanBytes(MAX_BYTES as u64);
    Err(format!("the records have more than {most} of different values; use --since, --until, --account or --region"))
}
