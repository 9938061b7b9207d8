//! Targets + needles + filter → a sink. A search knows no rule and holds no match.

use std::{collections::HashMap, sync::Arc};

use quarantine_alert::{
    engine::{
        error::{FileEnd, SourceError},
        reader::Reader,
    },
    scan::{Needles, Scanned},
    trail::log_file::LogFile,
};
use tokio::{
    sync::{OnceCell, mpsc::channel},
    task::{Id, JoinSet},
    time::{Instant, interval_at},
};

use crate::{
    aws::sdk_with_region,
    coverage::Coverage,
    filter::Filter,
    progress::{Progress, Snapshot, TICK},
    source::{
        Target,
        disk::Disk,
        feed::{Feed, FromSource, Judge, Select, Tally},
        file,
        s3::Bucket,
    },
    stop::Stop,
};

/// The command's side of a search: it judges records and collects those it wants.
pub trait Sink {
    type Wanted: Send + 'static;

    /// How candidates are judged.
    fn judge(&self) -> Judge<Self::Wanted>;

    /// Takes something wanted.
    ///
    /// # Errors
    /// The search must end, for this reason.
    fn take(&mut self, wanted: Self::Wanted, log_file: Arc<LogFile>) -> Result<(), String>;

    /// Which log files are read.
    fn select(&self) -> Select {
        None
    }

    /// Whether nearly every log file has something wanted, so that a large object is not downloaded a second time for it.
    fn finds_much(&self) -> bool {
        false
    }

    /// A log file was read to its end.
    fn scanned(&mut self, _log_file: &LogFile, _scanned: &Scanned) {}

    /// The result so far, for the progress bar.
    fn note(&self) -> String;
}

/// The most messages from sources that wait for the sink.
const MAX_WAITING: usize = 64;

/// Reads what the targets contain. Something that cannot be read is named in the coverage, and stops nothing else. Buckets that an
/// earlier search has opened and listed are taken from `sources`, and left there.
pub async fn search<S: Sink>(
    targets: &[Target],
    sources: &mut Sources,
    needles: Needles,
    filter: &Filter,
    sink: &mut S,
    stop: &Stop,
) -> Coverage {
    let mut coverage = Coverage::of_targets(targets.len());
    let tally = Arc::new(Tally::default());
    let (out, mut results) = channel(MAX_WAITING);
    let feed = Feed {
        needles,
        filter: filter.clone(),
        tally: tally.clone(),
        judge: sink.judge(),
        select: sink.select(),
        finds_much: sink.finds_much(),
        out,
    };
    let mut running = Running::start(targets, sources, feed, &mut coverage).await;

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
    // Sources may have sent results before the signal.
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
    coverage
}

fn take<S: Sink>(found: FromSource<S::Wanted>, sink: &mut S, coverage: &mut Coverage) {
    match found {
        FromSource::Wanted { wanted, log_file } => {
            if let Err(reason) = sink.take(wanted, log_file) {
                coverage.stopped = Some(reason);
            }
        }
        FromSource::Batch(batch) => batch.into_iter().for_each(|found| take(found, sink, coverage)),
        FromSource::PassedOver { target } => coverage.pass_over(target),
        FromSource::End { target, log_file, end } => {
            coverage.ended(target, &log_file, &end);
            if let FileEnd::Scanned(scanned) = &end {
                sink.scanned(&log_file, scanned);
            }
        }
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
        sources: &mut Sources,
        feed: Feed<T>,
        coverage: &mut Coverage,
    ) -> Running {
        let feed = Arc::new(feed);
        let mut running = Running { tasks: JoinSet::new(), targets: HashMap::new() };
        let sdk = OnceCell::new();
        for (target, path) in targets.iter().enumerate() {
            let feed = feed.clone();
            match path {
                Target::Disk(path) => {
                    let path = path.clone();
                    let task = running.tasks.spawn_blocking(move || {
                        Disk { feed }.read(target, &path);
                        Vec::new()
                    });
                    running.targets.insert(task.id(), target);
                }
                Target::Stdin => {
                    let task = running.tasks.spawn_blocking(move || {
                        file::read_stdin(&feed, target);
                        Vec::new()
                    });
                    running.targets.insert(task.id(), target);
                }
                Target::Bucket { bucket, prefix } => {
                    let opened = match sources.buckets.get(&target) {
                        Some(bucket) => Ok(bucket.clone()),
                        None => {
                            let sdk = sdk.get_or_init(sdk_with_region).await;
                            Bucket::open(sdk, bucket, prefix, &feed.filter).await
                        }
                    };
                    match opened {
                        Ok(bucket) => {
                            let reader = bucket.reader();
                            sources.readers.insert(bucket.name.clone(), reader.clone());
                            sources.buckets.insert(target, bucket.clone());
                            let task = running.tasks.spawn(bucket.read(target, reader, feed));
                            running.targets.insert(task.id(), target);
                        }
                        Err(error) => coverage.unread(target, format!("{error:#}")),
                    }
                }
            }
        }
        running
    }

    /// Waits for the sources, and takes what they could not read.
    async fn join(&mut self, targets: &[Target], coverage: &mut Coverage) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let id = ended.as_ref().map_or_else(|error| error.id(), |(id, _)| *id);
            let Some(&target) = self.targets.get(&id) else { continue };
            match ended {
                Ok((_, errors)) => errors.iter().for_each(|error| coverage.unread(target, format!("{error:#}"))),
                Err(_) => coverage.unread(target, format!("{} {}", targets[target], SourceError::Panicked)),
            }
        }
    }
}

/// The sources of a search, from which a log file can be read again.
#[derive(Default)]
pub struct Sources {
    /// By the number of the target.
    buckets: HashMap<usize, Bucket>,
    /// By bucket.
    pub readers: HashMap<String, Reader>,
}
