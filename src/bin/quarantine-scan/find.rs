//! Reads what the paths hold, and prints the incidents.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use quarantine_alert::{
    alert::Alert,
    handler::read::{Found, Reader},
    rule::Rules,
    scan::{Documents, Needles},
};
use time::OffsetDateTime;
use tokio::{
    sync::mpsc::{Sender, channel},
    task::JoinSet,
    time::{Instant, interval_at},
};

use crate::{
    Status,
    args::{self, Search, Switch},
    filter::Filter,
    findings::{Findings, plural},
    incidents::{group, sort},
    output::Output,
    progress::{Progress, TICK, say},
    source::{
        Tally, Target,
        bucket::{Bucket, sdk},
        disk::Disk,
    },
    stop::Stop,
};

/// Two matches of one entity and outcome further apart are two incidents, as in the function by default.
const PERIOD: Duration = Duration::from_secs(60 * 60);

/// Each costs a read of its log file: of so many incidents, the newest, related activity is told.
const MOST_RELATED: usize = 100;

/// The default command.
///
/// # Errors
/// The result cannot be written.
pub async fn run(arguments: args::Find) -> anyhow::Result<Status> {
    let output = Output::open(arguments.output.as_deref(), arguments.format, arguments.color)?;
    let stop = Stop::on_signal()?;
    let mut found = find(&arguments.search, &stop).await?;
    let mut turns = std::mem::take(&mut found.turns);
    let matches = turns.len();
    sort(&mut turns);
    let mut incidents = group(turns, PERIOD, HashMap::new());
    // Newest first: what happened last is asked about first.
    incidents.reverse();
    let mut alerts = Vec::new();
    for incident in incidents {
        let is_told = output.shows_related() && alerts.len() < MOST_RELATED && !stop.is_asked();
        let related = if is_told { found.related(&incident.turn).await } else { None };
        let (turn, now) = (&incident.turn, OffsetDateTime::now_utc());
        alerts.push(Alert::new(&turn.matched, &incident.claim, turn.log_file.as_deref(), related, false, now));
    }
    let is_cut = output.shows_related() && alerts.len() > MOST_RELATED;
    output.write(&alerts)?;
    found.report(&match alerts.len() {
        0 => "nothing found".into(),
        count => format!("{} ({})", plural(count, "incident"), plural(matches, "match")),
    });
    if is_cut {
        say(&format!("Related activity is told of the newest {MOST_RELATED} incidents alone."));
    }
    Ok(if !found.is_complete() {
        Status::Incomplete
    } else if alerts.is_empty() {
        Status::NothingFound
    } else {
        Status::Found
    })
}

/// Reads what the paths hold.
///
/// # Errors
/// A rule's needle cannot be searched for.
pub async fn find(search: &Search, stop: &Stop) -> anyhow::Result<Findings> {
    let (rules, filter) = (Rules::new(search.denied_attempts == Switch::On), search.filter()?);
    let (needles, tally) = (Arc::new(rules.needles()?), Arc::new(Tally::default()));
    let (out, mut results) = channel(1024);
    let mut findings = Findings::of(search.paths.len());
    let mut sources = start(&search.paths, &filter, &needles, &tally, out, &mut findings).await;
    let (mut progress, mut tick) = (Progress::new(), interval_at(Instant::now() + TICK, TICK));
    loop {
        tokio::select! {
            biased;
            () = stop.asked() => findings.stopped = Some("stopped by a signal".into()),
            _ = tick.tick() => progress.show(&findings.step(&tally)),
            result = results.recv() => match result {
                Some(found) => findings.take(found, &rules, &filter),
                None => break,
            },
        }
        if findings.stopped.is_some() {
            break;
        }
    }
    // What was read before a signal came.
    while let Ok(result) = results.try_recv() {
        findings.take(result, &rules, &filter);
    }
    drop(results);
    findings.skipped += tally.skipped();
    findings.seconds = progress.elapsed().as_secs_f64();
    progress.clear();
    if findings.stopped.is_some() {
        sources.abort_all();
        return Ok(findings);
    }
    while let Some(result) = sources.join_next().await {
        match result {
            Ok((scan, errors)) => errors.iter().for_each(|error| findings.unread(scan, format!("{error:#}"))),
            Err(error) => findings.unread(0, format!("a source stopped, which is a bug of this program: {error}")),
        }
    }
    // Whoever mistypes a prefix must not read that nothing was found.
    for (scan, path) in search.paths.iter().enumerate() {
        if !findings.is_told[scan] {
            findings.unread(scan, format!("{path} holds no CloudTrail log file that is asked for"));
        }
    }
    Ok(findings)
}

/// Starts to read; what cannot be opened is named, and stops nothing else.
async fn start(
    paths: &[Target],
    filter: &Filter,
    needles: &Arc<Needles>,
    tally: &Arc<Tally>,
    out: Sender<Found>,
    findings: &mut Findings,
) -> JoinSet<(usize, Vec<anyhow::Error>)> {
    let mut sources = JoinSet::new();
    let disk = Disk { needles: needles.clone(), tally: tally.clone(), out: out.clone() };
    let mut on_disk: Vec<(usize, PathBuf)> = Vec::new();
    let mut config = None;
    for (scan, path) in paths.iter().enumerate() {
        match path {
            Target::Disk(path) => on_disk.push((scan, path.clone())),
            Target::Stdin => {
                let disk = disk.clone();
                sources.spawn_blocking(move || {
                    disk.read_stdin(scan);
                    (scan, Vec::new())
                });
            }
            Target::Bucket { bucket, prefix } => {
                if config.is_none() {
                    config = Some(sdk().await);
                }
                let Some(config) = &config else { continue };
                match Bucket::open(config, bucket, prefix, filter).await {
                    Ok(bucket) => {
                        let reader = Reader::new(bucket.log_bucket.clone(), needles.clone(), Documents::Many, u64::MAX);
                        findings.readers[scan] = Some(reader.clone());
                        let (tally, out) = (tally.clone(), out.clone());
                        sources.spawn(async move { (scan, bucket.read(scan, reader, tally, out).await) });
                    }
                    Err(error) => findings.unread(scan, format!("{error:#}")),
                }
            }
        }
    }
    if let Some(&(scan, _)) = on_disk.first() {
        sources.spawn_blocking(move || {
            disk.read(on_disk);
            (scan, Vec::new())
        });
    }
    sources
}
