//! Shows what a key did: its calls, what came from it, and what it left behind.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use anyhow::{Context, bail};
use indicatif::{HumanBytes, HumanCount};
use quarantine_alert::{
    alert::Alert,
    rule::{EntityType, Match, Outcome},
    scan::{Needle, Needles},
    trace::{
        call::{Call, replaced_by},
        calls::{Calls, Timeline},
        edges::{self, Edge},
        identities::Identities,
        identity::Caller,
        left_behind::{Undoing, undoing_names},
        report::Report,
    },
    trail::{log_file::LogFile, record::Record},
    untrusted::Untrusted,
};
use time::OffsetDateTime;

use crate::{
    args::{Color, TraceArgs, TraceFormat},
    coverage::Seen,
    incidents::{FirstMatch, newest_first},
    matches::{Matches, RowKey},
    output::{
        Output, json,
        trace::{Trace, page, text, timeline},
    },
    progress::plural,
    search::{Sink, search},
    source::{feed::Judge, kept::kept},
    status::Status,
    stop::Stop,
};

/// # Errors
/// The arguments contradict each other, standard input cannot be kept, or the result cannot be written.
pub async fn run(arguments: TraceArgs) -> anyhow::Result<Status> {
    let filter = arguments.search.filter()?;
    let output = Output::open(arguments.output.as_deref(), Color::Auto)?;
    if arguments.format == TraceFormat::Html && output.is_terminal() {
        bail!("a page is for a browser: add --output report.html, and open that file");
    }
    let stop = Stop::on_signal()?;
    let (targets, _kept) = kept(&arguments.search.paths, &stop).await?;
    let depth = if arguments.no_follow { 0 } else { arguments.depth.unwrap_or(usize::MAX) };
    let roots = arguments.identities.0;

    let mut edges = Edges::default();
    if depth > 0 {
        let (coverage, _) = search(&targets, Needles::with_names([], edges::names()), &filter, &mut edges, &stop).await;
        if coverage.stopped.is_some() {
            coverage.report("no call was looked for yet");
            return Ok(Status::Incomplete);
        }
    }
    let identities = Arc::new(Identities::follow(roots, &edges.found, &edges.replaced, depth));

    let mut second = Second {
        identities: identities.clone(),
        matches: Matches::of_rules(&arguments.search),
        calls: Calls::new(tempfile::tempfile),
        undoing: Vec::new(),
        undoing_bytes: 0,
        seen: Seen::default(),
    };
    let needles: Vec<Needle> = identities.needles().chain(second.matches.rules.each_needle()).collect();
    let needles = Needles::with_names(needles, undoing_names());
    let (coverage, _) = search(&targets, needles, &filter, &mut second, &stop).await;

    let Second { matches, calls, mut undoing, seen, .. } = second;
    let timeline = calls.finish().context(SPILLED)?;
    undoing.retain(|undoing| undoing.event_id.as_ref().is_none_or(|id| !timeline.is_replaced(id)));
    let (quarantine, quarantined) = quarantine(matches, &timeline, &identities);
    let report = Report::new(&identities, &timeline, undoing, quarantined).context(SPILLED)?;
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

/// Issued credentials are held in memory, each with its caller. This many take about 2 GiB.
const MAX_EDGES: usize = 4_000_000;

/// The first read: the calls that returned credentials or made users.
#[derive(Default)]
struct Edges {
    found: Vec<Edge>,
    /// The ids of the records that an addendum replaces, whatever its own outcome.
    replaced: HashSet<Untrusted>,
}

impl Sink for Edges {
    type Wanted = Box<(Option<Edge>, Option<Untrusted>)>;

    fn judge(&self) -> Judge<Self::Wanted> {
        Box::new(|record| {
            let (edge, replaced) = (Edge::of(&record), replaced_by(&record));
            (edge.is_some() || replaced.is_some()).then(|| Box::new((edge, replaced)))
        })
    }

    fn take(&mut self, wanted: Self::Wanted, _: Arc<LogFile>) -> Result<(), String> {
        let (edge, replaced) = *wanted;
        self.found.extend(edge);
        self.replaced.extend(replaced);
        if self.found.len() > MAX_EDGES {
            return Err(format!(
                "more than {} credentials were issued; use --since, --until or --account",
                HumanCount(MAX_EDGES as u64)
            ));
        }
        Ok(())
    }

    fn note(&self) -> String {
        plural(self.found.len(), "issued credential")
    }
}

/// The second read: the calls, what undid something, and the quarantines.
struct Second {
    identities: Arc<Identities>,
    matches: Matches,
    calls: Calls,
    undoing: Vec<Undoing>,
    undoing_bytes: usize,
    seen: Seen,
}

const SPILLED: &str = "cannot keep the calls in a temporary file (TMPDIR is its folder)";

/// Everything that a trace needs from one record.
struct Wanted {
    call: Option<Call>,
    undoing: Vec<Undoing>,
    matched: Option<Box<Match>>,
    replaced: Option<Untrusted>,
}

/// The calls are in temporary files if they are many, but what differs between them is in memory.
const MAX_BYTES: usize = 2 * 1024 * 1024 * 1024;

impl Sink for Second {
    type Wanted = Box<Wanted>;

    fn judge(&self) -> Judge<Box<Wanted>> {
        let (identities, rules) = (self.identities.clone(), self.matches.rules.clone());
        Box::new(move |record: Record| {
            let owner = identities.owner(&Caller::of(&record), record.event_time);
            let call = owner.and_then(|identity| Call::of(&record, identity));
            let undoing = Undoing::of(&record);
            let replaced = replaced_by(&record);
            let matched = rules.judge(record).map(Box::new);
            let is_wanted = call.is_some() || matched.is_some() || replaced.is_some() || !undoing.is_empty();
            is_wanted.then(|| Box::new(Wanted { call, undoing, matched, replaced }))
        })
    }

    fn take(&mut self, wanted: Box<Wanted>, log_file: Arc<LogFile>) -> Result<(), String> {
        let Wanted { call, undoing, matched, replaced } = *wanted;
        if let Some(id) = replaced {
            self.calls.replace(id);
        }
        if let Some(call) = call {
            self.calls.add(call, &log_file.to_string()).map_err(|error| format!("{SPILLED}: {error}"))?;
        }
        self.undoing_bytes += undoing.iter().map(Undoing::bytes).sum::<usize>();
        self.undoing.extend(undoing);
        if let Some(matched) = matched {
            self.matches.take(matched, log_file)?;
        }
        if self.calls.bytes() + self.undoing_bytes > MAX_BYTES {
            let most = HumanBytes(MAX_BYTES as u64);
            return Err(format!(
                "the calls have more than {most} of different values; use --since, --until, --account or --region"
            ));
        }
        Ok(())
    }

    fn scanned(&mut self, log_file: &LogFile) {
        self.seen.add(log_file);
    }

    fn note(&self) -> String {
        plural(self.calls.found, "call")
    }
}
