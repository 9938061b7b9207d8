//! Sends old log files to the deployed function, through its delivery queue.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use quarantine_alert::trail::log_file::S3Object;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::{
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    args::EnqueueArgs,
    aws::{
        delivery_queue::{BATCH, DeliveryQueue},
        sdk_with_region,
    },
    output::replacement,
    progress::{Progress, Snapshot, plural, say},
    source::{
        Target,
        s3::{Bucket, Part},
    },
    status::Status,
    stop::Stop,
};

/// How many batches are sent concurrently.
const BATCHES_AT_ONCE: usize = 16;

const BUG: &str = "a batch stopped without a result; report this bug";

/// A job, as its resume file identifies it.
#[derive(Default, Serialize, Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Job {
    path: String,
    queue: String,
    /// The options as given. Other options would have chosen other objects so far.
    since: Option<String>,
    until: Option<String>,
    accounts: Vec<String>,
}

/// The progress of a job: everything up to the key `after` is in the queue.
#[derive(Default, Serialize, Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Point {
    job: Job,
    /// The period of the first run, in seconds since 1970: `7d` means another one the next day.
    begin: Option<i64>,
    end: Option<i64>,
    after: Option<String>,
    sent: u64,
    /// Emptied log files, which were not sent.
    emptied: u64,
    /// Whether everything was sent. New objects may have keys before `after`.
    done: bool,
}

/// # Errors
/// The bucket cannot be listed, or messages cannot be sent. The resume file contains the progress.
pub async fn run(arguments: EnqueueArgs) -> anyhow::Result<Status> {
    let Target::Bucket { bucket, prefix } = &arguments.path else {
        bail!("enqueue reads only from S3; write s3://bucket/prefix, or use find");
    };
    let mut filter = arguments.period.filter()?;
    let mut point = Point {
        job: Job {
            path: arguments.path.to_string(),
            queue: arguments.queue.clone(),
            since: arguments.period.since.map(|when| when.to_string()),
            until: arguments.period.until.map(|when| when.to_string()),
            accounts: arguments.period.account.clone(),
        },
        begin: filter.since.map(OffsetDateTime::unix_timestamp),
        end: filter.until.map(OffsetDateTime::unix_timestamp),
        ..Point::default()
    };
    if let Some(file) = &arguments.resume {
        point = resumed(file, point)?;
        let time =
            |seconds| OffsetDateTime::from_unix_timestamp(seconds).context("the resume file has an invalid time");
        filter.since = point.begin.map(time).transpose()?;
        filter.until = point.end.map(time).transpose()?;
    }
    let sdk = sdk_with_region().await;
    let queue = DeliveryQueue::new(&sdk, &arguments.queue);
    let name = bucket;
    let bucket = Bucket::open(&sdk, bucket, prefix, &filter).await?;
    let stop = Stop::on_signal()?;
    let begun = point.sent;
    let mut sender = Sender {
        queue,
        pace: pace(arguments.rate),
        point,
        file: arguments.resume,
        progress: Progress::new(),
        listed: 0,
        bytes: 0,
    };
    let result = sender.send_all(&bucket, &stop).await;
    sender.progress.clear();
    let sent = plural(sender.point.sent - begun, "log file");
    say(&format!("{sent} sent to the queue in {:.1} s.", sender.progress.elapsed().as_secs_f64()));
    let is_done = matches!(result, Ok(Sending::Done));
    if let Some(after) = sender.point.after.as_ref().filter(|_| !is_done) {
        let last = S3Object::new(name.clone(), after.clone(), None, None);
        say(&match &sender.file {
            Some(_) => {
                format!("PARTIAL: the last log file sent was {last}; run the same command to continue after it.")
            }
            None => format!("PARTIAL: the last log file sent was {last}; with --resume FILE, a run can be continued."),
        });
    }
    let emptied = sender.point.emptied;
    let archived = bucket.archived.count();
    if let Some(sentence) = bucket.archived.sentence() {
        say(&format!("not sent: {sentence}."));
    }
    if result? == Sending::Done && sender.listed + emptied + archived == 0 && begun == 0 {
        bail!("{} contains no CloudTrail log file that was asked for", arguments.path);
    }
    Ok(if is_done && emptied + archived == 0 { Status::Done } else { Status::Incomplete })
}

/// How far the sending came.
#[derive(PartialEq)]
enum Sending {
    Done,
    /// A signal stopped it.
    Stopped,
}

struct Sender {
    queue: DeliveryQueue,
    pace: Interval,
    point: Point,
    file: Option<PathBuf>,
    progress: Progress,
    listed: u64,
    bytes: u64,
}

impl Sender {
    /// Sends in the order of the keys, so that one key describes the progress.
    async fn send_all(&mut self, bucket: &Bucket, stop: &Stop) -> anyhow::Result<Sending> {
        let (parts, errors) = bucket.parts().await;
        // A folder that cannot be listed would be left out for ever once later keys are sent.
        if let Some(error) = errors.into_iter().next() {
            return Err(error);
        }
        for part in parts {
            let after = self.point.after.clone();
            match part {
                Part::Object(object) => {
                    let is_new = after.is_none_or(|after| after < object.key);
                    if is_new && self.send(bucket, vec![object], stop).await? == Sending::Stopped {
                        return Ok(Sending::Stopped);
                    }
                }
                Part::Folder(folder) => {
                    let is_sent =
                        after.as_ref().is_some_and(|after| folder < *after && !after.starts_with(folder.as_str()));
                    if !is_sent && self.send_folder(bucket, folder, stop).await? == Sending::Stopped {
                        return Ok(Sending::Stopped);
                    }
                }
            }
        }
        self.point.done = true;
        self.store()?;
        Ok(Sending::Done)
    }

    async fn send_folder(&mut self, bucket: &Bucket, folder: String, stop: &Stop) -> anyhow::Result<Sending> {
        let after = self.point.after.clone().filter(|after| after.starts_with(&folder));
        let listing = bucket.listing(folder, after);
        let mut before = None;
        while let Some(mut page) = bucket.page(&listing, before.as_ref()).await? {
            bucket.set_aside(&page.archived);
            if self.send(bucket, std::mem::take(&mut page.objects), stop).await? == Sending::Stopped {
                return Ok(Sending::Stopped);
            }
            before = Some(page);
        }
        Ok(Sending::Done)
    }

    /// Sends one page, and stores the progress once all its batches are sent.
    async fn send(&mut self, bucket: &Bucket, mut objects: Vec<S3Object>, stop: &Stop) -> anyhow::Result<Sending> {
        let Some(last) = objects.last().map(|object| object.key.clone()) else { return Ok(Sending::Done) };
        if stop.is_requested() {
            return Ok(Sending::Stopped);
        }
        let mut emptied = 0;
        for object in objects.iter().filter(|object| bucket.is_emptied(object)) {
            emptied += 1;
            say(&format!("{object} is empty, and was not sent."));
        }
        objects.retain(|object| bucket.wants(object));
        self.listed += objects.len() as u64;
        self.bytes += objects.iter().filter_map(|object| object.size).sum::<u64>();
        let mut batches = JoinSet::new();
        for batch in objects.chunks(BATCH) {
            if stop.is_requested() {
                // The run that continues sends these batches again. Deduplication suppresses their alerts.
                return Ok(Sending::Stopped);
            }
            if batches.len() >= BATCHES_AT_ONCE
                && let Some(sent) = batches.join_next().await
            {
                sent.context(BUG)??;
            }
            self.pace.tick().await;
            let (queue, batch) = (self.queue.clone(), batch.to_vec());
            batches.spawn(async move { queue.send(&batch).await });
        }
        while let Some(sent) = batches.join_next().await {
            sent.context(BUG)??;
        }
        self.point.sent += objects.len() as u64;
        self.point.emptied += emptied;
        self.point.after = Some(last);
        self.store()?;
        self.progress.show(&Snapshot {
            done: self.point.sent,
            listed: self.listed,
            is_listing: true,
            bytes: self.bytes,
            note: "in the queue".into(),
        });
        Ok(Sending::Done)
    }

    fn store(&self) -> anyhow::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| store(file, &self.point))
    }
}

/// The interval of batches for this many messages a second.
fn pace(rate: u32) -> Interval {
    let mut pace = interval(Duration::from_secs(BATCH as u64) / rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// The progress of an earlier run of the same job.
fn resumed(file: &Path, new: Point) -> anyhow::Result<Point> {
    let name = file.display();
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(new),
        text => text.with_context(|| format!("cannot read {name}"))?,
    };
    let point: Point = serde_json::from_str(&text)
        .with_context(|| format!("{name} is not a resume file of enqueue; use another file name"))?;
    if point.job != new.job {
        return Err(anyhow!("{name} belongs to another job ({}); use another file name", point.job.options()));
    }
    if point.done {
        return Err(anyhow!("{name} belongs to a finished job; remove it to start again, or use another file name"));
    }
    Ok(point)
}

impl Job {
    /// As they were given on the command line.
    fn options(&self) -> String {
        let option = |name: &str, value: &String| format!(" {name} {value}");
        let since = self.since.iter().map(|since| option("--since", since));
        let until = self.until.iter().map(|until| option("--until", until));
        let accounts = self.accounts.iter().map(|account| option("--account", account));
        let period: String = since.chain(until).chain(accounts).collect();
        format!("{} --queue {}{period}", self.path, self.queue)
    }
}

/// Replaces the file in one step, so that a crash leaves this progress or the one before.
fn store(file: &Path, point: &Point) -> anyhow::Result<()> {
    let new = replacement(file);
    fs::write(&new, serde_json::to_string(point)?)
        .and_then(|()| fs::rename(&new, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests;
