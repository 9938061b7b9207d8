//! Shows what a key did: its calls, what came from it, and what it left behind.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File},
    io,
    path::Path,
    sync::Arc,
};

use anyhow::{Context, bail};
use indicatif::{HumanBytes, HumanCount};
use quarantine_alert::{
    alert::Alert,
    rule::{EntityType, Match, Outcome},
    scan::{Needle, Needles},
    trace::{
        call::{Call, named, replaced_by},
        calls::Calls,
        edges::{self, Edge},
        identities::Identities,
        identity::Caller,
        left_behind::{Undoing, undoing_names},
        report::Report,
    },
    trail::{log_file::LogFile, record::Record},
    untrusted::Untrusted,
};
use serde::Serialize;
use tempfile::TempPath;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

use crate::{
    args::{Color, Format, TraceArgs},
    coverage::Coverage,
    incidents::{FirstMatch, newest_first},
    matches::{Matches, RowKey},
    output::{
        Output, json,
        trace::{Trace, text, timeline},
    },
    progress::plural,
    search::{Sink, search},
    source::{Target, feed::Judge},
    status::Status,
    stop::Stop,
};

/// # Errors
/// The arguments contradict each other, standard input cannot be kept, or the result cannot be written.
pub async fn run(arguments: TraceArgs) -> anyhow::Result<Status> {
    let filter = arguments.search.filter()?;
    let output = Output::open(arguments.output.as_deref(), arguments.format, Color::Auto)?;
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
        calls: Calls::default(),
        undoing: Vec::new(),
        undoing_bytes: 0,
        named: Named::default(),
    };
    let needles: Vec<Needle> = identities.needles().chain(second.matches.rules.each_needle()).collect();
    let needles = Needles::with_names(needles, undoing_names());
    let (coverage, _) = search(&targets, needles, &filter, &mut second, &stop).await;

    let Second { matches, mut calls, mut undoing, named, .. } = second;
    undoing.retain(|undoing| undoing.event_id.clone().is_none_or(|id| !calls.is_replaced(id)));
    calls.finish();
    let (quarantine, quarantined) = quarantine(matches, &calls, &identities);
    let report = Report::new(&identities, &calls, undoing, quarantined);
    let coverage_row = named.row(&coverage, report.has_data_events);
    let is_empty = calls.rows.is_empty();
    let summary = plural(report.summary.calls, "call");
    let trace = Trace {
        schema_version: "1.0",
        report,
        quarantine,
        coverage: coverage_row,
        quarantined,
        is_filtered: filter.hides(),
    };
    output.write_text(&match arguments.format {
        Format::Table => text::text(&trace, &identities),
        Format::Json => json::one(&trace)?,
        Format::Ndjson => timeline::lines(&identities, &calls)?,
        Format::Csv => timeline::csv(&identities, &calls)?,
    })?;
    coverage.report(&if is_empty { "no call of these identities was found".into() } else { summary });
    Ok(match (coverage.is_complete(), is_empty) {
        (false, _) => Status::Incomplete,
        (true, true) => Status::NothingFound,
        (true, false) => Status::Found,
    })
}

/// The alerts of `find` for the users and roles behind the calls, and the time of the earliest quarantine.
fn quarantine(matches: Matches, calls: &Calls, identities: &Identities) -> (Vec<Alert>, Option<OffsetDateTime>) {
    let behind = calls.behind();
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

/// Standard input, pipes and devices can be read only once, so they are copied into temporary files, which exist as long as
/// their paths.
async fn kept(targets: &[Target], stop: &Stop) -> anyhow::Result<(Vec<Target>, Vec<TempPath>)> {
    let mut kept = Vec::new();
    let mut targets = targets.to_vec();
    for target in &mut targets {
        let is_pipe = |path: &Path| fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        let pipe = match target {
            Target::Stdin => None,
            Target::Disk(path) if is_pipe(path) => Some(path.clone()),
            _ => continue,
        };
        let what = format!("cannot keep a copy of {target}, which must be read twice");
        let (mut file, path) =
            tempfile::Builder::new().prefix("quarantine-scan-").tempfile().context(what.clone())?.into_parts();
        *target = Target::Disk(path.to_path_buf());
        kept.push(path);
        // In a thread of its own, so that a signal ends the run while nothing comes.
        let copy = spawn_blocking(move || match pipe {
            None => io::copy(&mut io::stdin().lock(), &mut file),
            Some(path) => io::copy(&mut File::open(path)?, &mut file),
        });
        tokio::select! {
            copied = copy => { copied?.context(what)?; }
            () = stop.requested() => bail!("stopped by a signal, before everything was read"),
        }
    }
    Ok((targets, kept))
}

/// Credentials are held in memory, each with its caller: about 2 GiB for so many.
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
    named: Named,
}

/// What a record is for a trace.
struct Wanted {
    call: Option<Call>,
    undoing: Vec<Undoing>,
    matched: Option<Box<Match>>,
    replaced: Option<Untrusted>,
}

/// Calls are held in memory until all are found.
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
            self.calls.add(call, &log_file.to_string());
        }
        self.undoing_bytes += undoing.iter().map(Undoing::bytes).sum::<usize>();
        self.undoing.extend(undoing);
        if let Some(matched) = matched {
            self.matches.take(matched, log_file)?;
        }
        if self.calls.bytes() + self.undoing_bytes > MAX_BYTES {
            let most = HumanBytes(MAX_BYTES as u64);
            return Err(format!("more than {most} of calls were found; use --since, --until, --account or --region"));
        }
        Ok(())
    }

    fn scanned(&mut self, log_file: &LogFile) {
        self.named.add(log_file);
    }

    fn note(&self) -> String {
        plural(self.calls.rows.len(), "call")
    }
}

/// What the names of the log files show.
#[derive(Default)]
struct Named {
    log_files: u64,
    unnamed: u64,
    accounts: BTreeSet<String>,
    regions: BTreeSet<String>,
    delivered: BTreeSet<String>,
}

/// What was read. The names are those of the JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CoverageRow {
    pub log_files: u64,
    pub accounts: BTreeSet<String>,
    pub regions: BTreeSet<String>,
    pub first_delivery: Option<String>,
    pub last_delivery: Option<String>,
    /// Log files whose name shows none of these.
    pub unnamed: u64,
    pub data_events_seen: bool,
    pub unread: Vec<String>,
    /// Whether something is unread.
    pub partial: bool,
}

impl Named {
    fn add(&mut self, log_file: &LogFile) {
        self.log_files += 1;
        let path = match log_file {
            LogFile::S3(object) => object.key.clone(),
            LogFile::Disk(path) => path.to_string_lossy().into_owned(),
            LogFile::Stdin => String::new(),
        };
        let Some((account_id, region, delivered)) = named(&path) else {
            self.unnamed += 1;
            return;
        };
        self.accounts.insert(account_id.to_owned());
        self.regions.insert(region.to_owned());
        self.delivered.insert(delivered.to_owned());
        if self.delivered.len() > 2 {
            // Only the first and the last are shown.
            let (first, last) = (self.delivered.pop_first(), self.delivered.pop_last());
            self.delivered = first.into_iter().chain(last).collect();
        }
    }

    fn row(self, coverage: &Coverage, data_events_seen: bool) -> CoverageRow {
        // 20261124T0305Z
        let time = |text: &String| {
            let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
            format!("{}-{}-{}T{}:{}:00Z", part(0..4), part(4..6), part(6..8), part(9..11), part(11..13))
        };
        CoverageRow {
            log_files: self.log_files,
            first_delivery: self.delivered.first().map(time),
            last_delivery: self.delivered.last().map(time),
            accounts: self.accounts,
            regions: self.regions,
            unnamed: self.unnamed,
            data_events_seen,
            unread: coverage.unread_lines().map(str::to_owned).collect(),
            partial: !coverage.is_complete(),
        }
    }
}
