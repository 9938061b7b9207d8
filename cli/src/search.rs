//! Targets + needles + filter → a sink. A search knows no rule and holds no match.

use std::{collections::HashMap, sync::Arc};

use quarantine_alert::{
    scan::Needles,
    trail::{log_file::LogFile, record::Record},
};
use tokio::{
    sync::mpsc::{Sender, channel},
    task::{Id, JoinSet},
    time::{Instant, interval_at},
};

use crate::{
    aws::sdk_with_region,
    coverage::{Coverage, Ended},
    filter::Filter,
    progress::{Progress, Snapshot, TICK},
    source::{Sources, Tally, Target, disk::Disk, file, s3::Bucket},
    stop::Stop,
};

/// What a command wants from the records of a search.
pub trait Sink {
    type Item: Send + 'static;

    /// How a candidate is judged. This runs in the threads that read.
    fn judge(&self) -> Judge<Self::Item>;

    /// Takes a wanted item.
    ///
    /// # Errors
    /// The search must end, for this reason.
    fn take(&mut self, item: Self::Item, log_file: Arc<LogFile>) -> Result<(), String>;

    /// What was found so far, for the progress bar.
    fn note(&self) -> String;
}

pub type Judge<T> = Box<dyn Fn(Record) -> Judged<T> + Send + Sync>;

/// What a command says about a candidate.
pub enum Judged<T> {
    Wanted(T),
    Unwanted,
    /// It cannot be judged, for this reason. Its file counts as not read.
    Unclear(&'static str),
}

/// What the sources of a search share.
pub struct Search<T> {
    pub needles: Needles,
    pub filter: Filter,
    pub tally: Arc<Tally>,
    judge: Judge<T>,
    out: Sender<Found<T>>,
}

/// What a source sends. `target` is the target's number.
pub enum Found<T> {
    Item { item: T, log_file: Arc<LogFile> },
    Unclear { target: usize, log_file: Arc<LogFile>, reason: &'static str },
    End { target: usize, ended: Ended },
}

impl<T> Search<T> {
    /// What becomes of a candidate.
    pub fn judge(&self, target: usize, log_file: &Arc<LogFile>, record: Record) -> Option<Found<T>> {
        let log_file = log_file.clone();
        if record.event_source.is_none() || record.event_name.is_none() {
            // For example the output of `aws cloudtrail lookup-events`, or a list of whole log files.
            let reason = "contains a search term in a document that is not a CloudTrail record";
            return Some(Found::Unclear { target, log_file, reason });
        }
        if !self.filter.wants(&record) {
            return None;
        }
        match (self.judge)(record) {
            Judged::Wanted(item) => Some(Found::Item { item, log_file }),
            Judged::Unwanted => None,
            Judged::Unclear(reason) => Some(Found::Unclear { target, log_file, reason }),
        }
    }

    /// Sends to the search. Nothing receives it after the run has ended.
    pub async fn send(&self, found: Found<T>) {
        let _ = self.out.send(found).await;
    }

    /// [`Search::send`] for a thread.
    pub fn blocking_send(&self, found: Found<T>) {
        let _ = self.out.blocking_send(found);
    }

    /// Whether the run has ended.
    pub fn is_over(&self) -> bool {
        self.out.is_closed()
    }
}

/// Reads what the targets contain. Something that cannot be read is named in the coverage, and stops nothing else.
pub async fn search<S: Sink>(
    targets: &[Target],
    needles: Needles,
    filter: &Filter,
    sink: &mut S,
    stop: &Stop,
) -> (Coverage, Sources) {
    let mut coverage = Coverage::of_targets(targets.len());
    let tally = Arc::new(Tally::default());
    let (out, mut results) = channel(1024);
    let search = Search { needles, filter: filter.clone(), tally: tally.clone(), judge: sink.judge(), out };
    let (mut running, sources) = Running::start(targets, search, &mut coverage).await;

    let mut progress = Progress::new();
    let mut tick = interval_at(Instant::now() + TICK, TICK);
    while coverage.stopped.is_none() {
        tokio::select! {
            biased;
            () = stop.requested() => coverage.stopped = Some("stopped by a signal".into()),
            _ = tick.tick() => progress.show(&snapshot(&coverage, &tally, sink.note())),
            found = results.recv() => match found {
                Some(found) => take(found, sink, &mut coverage),
                None => break,
            },
        }
    }
    // What was read before a signal.
    while let Ok(found) = results.try_recv() {
        take(found, sink, &mut coverage);
    }
    drop(results);
    coverage.skipped += tally.skipped();
    coverage.seconds = progress.elapsed().as_secs_f64();
    progress.clear();
    if coverage.stopped.is_none() {
        running.join(targets, &mut coverage).await;
        for target in coverage.unaccounted() {
            coverage.unread(target, format!("{} contains no CloudTrail log file that was asked for", targets[target]));
        }
    }
    (coverage, sources)
}

fn take<S: Sink>(found: Found<S::Item>, sink: &mut S, coverage: &mut Coverage) {
    match found {
        Found::Item { item, log_file } => {
            if let Err(reason) = sink.take(item, log_file) {
                coverage.stopped = Some(reason);
            }
        }
        Found::Unclear { target, log_file, reason } => {
            coverage.unread(target, format!("{log_file} {reason}; provide the records as CloudTrail writes them"));
        }
        Found::End { target, ended } => coverage.ended(target, ended),
    }
}

fn snapshot(coverage: &Coverage, tally: &Tally, note: String) -> Snapshot {
    Snapshot {
        done: coverage.done(),
        listed: tally.listed(),
        is_listing: tally.is_listing(),
        bytes: coverage.bytes(),
        note,
    }
}

/// The sources that are being read, each with the number of its target. They end when this is dropped.
struct Running {
    tasks: JoinSet<Vec<anyhow::Error>>,
    targets: HashMap<Id, usize>,
}

impl Running {
    /// Starts to read all targets.
    async fn start<T: Send + 'static>(
        targets: &[Target],
        search: Search<T>,
        coverage: &mut Coverage,
    ) -> (Running, Sources) {
        let search = Arc::new(search);
        let mut running = Running { tasks: JoinSet::new(), targets: HashMap::new() };
        let mut sources = Sources::default();
        let mut on_disk = Vec::new();
        let mut sdk = None;
        for (target, path) in targets.iter().enumerate() {
            let search = search.clone();
            match path {
                Target::Disk(path) => on_disk.push((target, path.clone())),
                Target::Stdin => {
                    let task = running.tasks.spawn_blocking(move || {
                        file::read_stdin(&search, target);
                        Vec::new()
                    });
                    running.targets.insert(task.id(), target);
                }
                Target::Bucket { bucket, prefix } => {
                    if sdk.is_none() {
                        sdk = Some(sdk_with_region().await);
                    }
                    let Some(sdk) = &sdk else { continue };
                    match Bucket::open(sdk, bucket, prefix, &search.filter).await {
                        Ok(bucket) => {
                            let reader = sources.add(&bucket);
                            let task = running.tasks.spawn(bucket.read(target, reader, search));
                            running.targets.insert(task.id(), target);
                        }
                        Err(error) => coverage.unread(target, format!("{error:#}")),
                    }
                }
            }
        }
        if let Some(&(target, _)) = on_disk.first() {
            let task = running.tasks.spawn_blocking(move || {
                Disk { search }.read(on_disk);
                Vec::new()
            });
            running.targets.insert(task.id(), target);
        }
        (running, sources)
    }

    /// Waits for the sources, and takes what they could not read.
    async fn join(&mut self, targets: &[Target], coverage: &mut Coverage) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let id = ended.as_ref().map_or_else(|error| error.id(), |(id, _)| *id);
            let target = self.targets.get(&id).copied().unwrap_or_default();
            match ended {
                Ok((_, errors)) => errors.iter().for_each(|error| coverage.unread(target, format!("{error:#}"))),
                Err(_) => coverage.unread(
                    target,
                    format!(
                        "{} was not read to its end: its reader stopped without a result; report this bug",
                        targets[target]
                    ),
                ),
            }
        }
    }
}
