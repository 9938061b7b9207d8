//! Reads what the paths hold, and prints the incidents.

use std::{path::PathBuf, sync::Arc};

use indicatif::{HumanBytes, HumanCount};
use quarantine_alert::{
    alert::Alert,
    handler::{
        read::{End, Found, Reader},
        turn::Turn,
    },
    related::Related,
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
    incidents::{group, sort},
    output::Output,
    progress::{Progress, Step, TICK, say},
    source::{
        Tally, Target,
        bucket::{Bucket, sdk},
        disk::{self, Disk},
    },
    stop::Stop,
};

/// Two matches of one entity and outcome further apart are two incidents, as in the function by default.
const PERIOD: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// Matches are held in memory until all are found: so many bytes of them are an attack, or too wide a search.
const MOST_BYTES: usize = 1024 * 1024 * 1024;

/// Each costs a read of its log file: of so many incidents, the newest, related activity is told.
const MOST_RELATED: usize = 100;

/// So many of the files that could not be read are named.
const MOST_NAMED: usize = 1000;

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
    let mut incidents = group(turns, PERIOD);
    // Newest first: what happened last is asked about first.
    incidents.reverse();
    let mut alerts = Vec::new();
    for incident in incidents {
        let is_told = output.shows_related() && alerts.len() < MOST_RELATED;
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

/// What the paths hold.
pub struct Findings {
    pub turns: Vec<Turn>,
    /// Of each path, if it is in S3.
    readers: Vec<Option<Reader>>,
    /// Whether a path has led to a log file, or it was told why not.
    is_told: Vec<bool>,
    scanned: u64,
    bytes: u64,
    inflated_bytes: u64,
    skipped: u64,
    /// Each with its reason; the first ones.
    unread: Vec<String>,
    unread_count: usize,
    /// Why the run ended before its end.
    stopped: Option<String>,
    seconds: f64,
    held_bytes: usize,
}

/// Reads what the paths hold.
///
/// # Errors
/// A rule's needle cannot be searched for.
pub async fn find(search: &Search, stop: &Stop) -> anyhow::Result<Findings> {
    let (rules, filter) = (Rules::new(search.denied_attempts == Switch::On), search.filter());
    let (needles, tally) = (Arc::new(rules.needles()?), Arc::new(Tally::default()));
    let (out, mut results) = channel(1024);
    let mut findings = Findings {
        turns: Vec::new(),
        readers: vec![None; search.paths.len()],
        is_told: vec![false; search.paths.len()],
        scanned: 0,
        bytes: 0,
        inflated_bytes: 0,
        skipped: 0,
        unread: Vec::new(),
        unread_count: 0,
        stopped: None,
        seconds: 0.0,
        held_bytes: 0,
    };
    let mut sources = start(&search.paths, &filter, &needles, &tally, out, &mut findings).await;
    let (mut progress, mut tick) = (Progress::new(), interval_at(Instant::now() + TICK, TICK));
    loop {
        tokio::select! {
            biased;
            () = stop.asked() => findings.stopped = Some("stopped by a signal".into()),
            _ = tick.tick() => progress.show(&findings.step(&tally)),
            result = results.recv() => match result {
                Some(Found::Candidate { scan, log_file, record }) => {
                    if let Some(matched) = rules.judge(*record).filter(|matched| filter.wants(matched)) {
                        findings.take(Turn::new(scan, matched, Some(log_file)));
                    }
                }
                Some(Found::End { scan, end }) => {
                    findings.end(scan, end);
                }
                None => break,
            },
        }
        if findings.stopped.is_some() {
            break;
        }
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
        let (scan, result) = result?;
        if let Err(error) = result {
            findings.unread(scan, format!("{error:#}"));
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
) -> JoinSet<(usize, anyhow::Result<()>)> {
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
                    (scan, {
                        disk.read_stdin(scan);
                        Ok(())
                    })
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
            (scan, {
                disk.read(on_disk);
                Ok(())
            })
        });
    }
    sources
}

impl Findings {
    /// Whether all that was asked for has been read.
    pub fn is_complete(&self) -> bool {
        self.unread_count == 0 && self.stopped.is_none()
    }

    /// What else the identity of a match did in its log file; `None` where that cannot be told.
    pub async fn related(&self, turn: &Turn) -> Option<Related> {
        match &self.readers[turn.item] {
            Some(reader) => reader.related(turn).await,
            None => disk::related(turn),
        }
    }

    /// Tells the person what was found in what, and what could not be read.
    pub fn report(&self, what: &str) {
        let files = plural(self.scanned, "log file");
        let bytes = format!("{}, {} inflated", HumanBytes(self.bytes), HumanBytes(self.inflated_bytes));
        say(&format!("{what} in {files} ({bytes}), {:.1} s.", self.seconds));
        if self.skipped > 0 {
            say(&format!("{} passed over: no CloudTrail log files.", plural(self.skipped, "other file")));
        }
        for line in &self.unread {
            say(&format!("not read: {line}."));
        }
        if self.unread_count > self.unread.len() {
            say(&format!("not read: {} more.", HumanCount((self.unread_count - self.unread.len()) as u64)));
        }
        if let Some(reason) = &self.stopped {
            say(&format!("PARTIAL: {reason}; what was not yet read is not in this result."));
        }
    }

    fn take(&mut self, turn: Turn) {
        self.held_bytes += turn.bytes();
        self.turns.push(turn);
        if self.held_bytes > MOST_BYTES {
            let most = HumanBytes(MOST_BYTES as u64);
            self.stopped = Some(format!("more than {most} of matches; narrow it by --since, --until or --account"));
        }
    }

    fn end(&mut self, scan: usize, end: Result<End, quarantine_alert::handler::Failure>) {
        match end {
            Ok(End::Scanned(scanned)) => {
                self.is_told[scan] = true;
                self.scanned += 1;
                self.bytes += scanned.bytes;
                self.inflated_bytes += scanned.inflated_bytes;
            }
            Ok(End::Skipped(_)) => self.skipped += 1,
            Err(failure) => self.unread(scan, failure.to_string()),
        }
    }

    fn unread(&mut self, scan: usize, line: String) {
        self.is_told[scan] = true;
        self.unread_count += 1;
        if self.unread.len() < MOST_NAMED {
            self.unread.push(line);
        }
    }

    fn step(&self, tally: &Tally) -> Step {
        Step {
            done: self.scanned + self.skipped + self.unread_count as u64,
            listed: tally.listed(),
            is_listing: tally.is_listing(),
            bytes: self.bytes,
            note: plural(self.turns.len(), "match"),
        }
    }
}

/// A number with its noun.
pub fn plural<N: TryInto<u64>>(number: N, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let ending = match noun {
        _ if number == 1 => "",
        "match" => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", HumanCount(number))
}
