//! Hands old log files to the deployed function, by its delivery queue.

use std::{fs, io::ErrorKind, path::Path, time::Duration};

use anyhow::{Context, anyhow, bail};
use quarantine_alert::{
    aws::delivery_queue::{BATCH, DeliveryQueue},
    log_file::LogFile,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::{
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    Status, args,
    findings::plural,
    progress::{Progress, Step, say},
    source::{
        Target,
        bucket::{Bucket, Part, sdk},
    },
    stop::Stop,
};

/// Batches on their way at once.
const BATCHES_AT_ONCE: usize = 16;

/// How far a run came: all up to this key is in the queue.
#[derive(Default, Serialize, Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Point {
    path: String,
    queue: String,
    /// The options that choose objects: others would have chosen others up to that key.
    period: String,
    /// What they meant on the first day, in seconds since 1970: `7d` means something else on the next.
    since: Option<i64>,
    until: Option<i64>,
    after: Option<String>,
    sent: u64,
    /// Log files that hold nothing, and were not handed over.
    emptied: u64,
    /// Whether nothing was left: what came later would not be looked for before that key.
    done: bool,
}

/// # Errors
/// The bucket cannot be listed, or the queue does not take the messages; the resume file tells how far it came.
pub async fn run(arguments: args::Enqueue) -> anyhow::Result<Status> {
    let Target::Bucket { bucket, prefix } = &arguments.path else {
        bail!("only what is in S3 can be handed to the function; write s3://bucket/prefix, or use find");
    };
    let mut filter = arguments.period.filter(Vec::new())?;
    let mut point = Point {
        path: arguments.path.to_string(),
        queue: arguments.queue.clone(),
        period: format!("{:?}", arguments.period),
        since: filter.since.map(OffsetDateTime::unix_timestamp),
        until: filter.until.map(OffsetDateTime::unix_timestamp),
        ..Point::default()
    };
    if let Some(file) = &arguments.resume {
        point = resumed(file, point)?;
        let time = |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).context("the resume file tells no time");
        filter.since = point.since.map(time).transpose()?;
        filter.until = point.until.map(time).transpose()?;
    }
    let sdk = sdk().await;
    let queue = DeliveryQueue::new(&sdk, &arguments.queue);
    let bucket = Bucket::open(&sdk, bucket, prefix, &filter).await?;
    let stop = Stop::on_signal()?;
    let mut sender = Sender {
        queue,
        pace: pace(arguments.rate),
        point,
        file: arguments.resume,
        progress: Progress::new(),
        listed: 0,
        bytes: 0,
    };
    let begun = sender.point.sent;
    let result = sender.send_all(&bucket, &stop).await;
    sender.progress.clear();
    let sent = plural(sender.point.sent - begun, "log file");
    say(&format!("{sent} handed over in {:.1} s.", sender.progress.elapsed().as_secs_f64()));
    let is_done = matches!(result, Ok(true));
    if let Some(after) = sender.point.after.as_ref().filter(|_| !is_done) {
        let last = LogFile::from_plain(sender.bucket_name(), after.clone(), None, None);
        say(&match &sender.file {
            Some(_) => format!("PARTIAL: the last one was {last}; the same command goes on behind it."),
            None => {
                format!("PARTIAL: the last one was {last}; with --resume FILE, a further run would go on behind it.")
            }
        });
    }
    let emptied = sender.point.emptied;
    if result? && sender.listed + emptied == 0 && begun == 0 {
        bail!("{} holds no CloudTrail log file that is asked for", arguments.path);
    }
    Ok(if is_done && emptied == 0 { Status::NothingFound } else { Status::Incomplete })
}

struct Sender {
    queue: DeliveryQueue,
    pace: Interval,
    point: Point,
    file: Option<std::path::PathBuf>,
    progress: Progress,
    listed: u64,
    bytes: u64,
}

impl Sender {
    /// In the order of the keys, so that one key tells how far it came; `false` if it was stopped before the end.
    async fn send_all(&mut self, bucket: &Bucket, stop: &Stop) -> anyhow::Result<bool> {
        let (parts, errors) = bucket.parts().await;
        // In the order of the keys or not at all: behind the last key nothing may be left.
        if let Some(error) = errors.into_iter().next() {
            return Err(error);
        }
        for part in parts {
            let after = self.point.after.clone();
            match part {
                Part::Object(log_file) => {
                    if after.is_none_or(|after| after < log_file.key)
                        && !self.send(bucket, vec![log_file], stop).await?
                    {
                        return Ok(false);
                    }
                }
                // All below it is behind already.
                Part::Folder(folder)
                    if after.as_ref().is_some_and(|after| folder < *after && !after.starts_with(&folder)) => {}
                Part::Folder(folder) => {
                    let after = after.filter(|after| after.starts_with(&folder));
                    let (listing, mut before) = (bucket.listing(folder, after), None);
                    while let Some(mut page) = bucket.page(&listing, before.as_ref()).await? {
                        if !self.send(bucket, std::mem::take(&mut page.objects), stop).await? {
                            return Ok(false);
                        }
                        before = Some(page);
                    }
                }
            }
        }
        self.point.done = true;
        self.store()?;
        Ok(true)
    }

    /// One page: several batches at once, and the point behind it once all are taken.
    async fn send(&mut self, bucket: &Bucket, mut log_files: Vec<LogFile>, stop: &Stop) -> anyhow::Result<bool> {
        let Some(last) = log_files.last().map(|log_file| log_file.key.clone()) else { return Ok(true) };
        if stop.is_asked() {
            return Ok(false);
        }
        let mut emptied = 0;
        for log_file in log_files.iter().filter(|log_file| bucket.is_emptied(log_file)) {
            emptied += 1;
            say(&format!("{log_file} is empty: not handed over."));
        }
        log_files.retain(|log_file| bucket.wants(log_file));
        self.listed += log_files.len() as u64;
        self.bytes += log_files.iter().filter_map(LogFile::size).sum::<u64>();
        let mut batches = JoinSet::new();
        for batch in log_files.chunks(BATCH) {
            if stop.is_asked() {
                // What is on its way is sent again by the run that goes on: deduplication takes care of it.
                return Ok(false);
            }
            if batches.len() >= BATCHES_AT_ONCE
                && let Some(sent) = batches.join_next().await
            {
                sent.context("a batch stopped, which is a bug of this program")??;
            }
            self.pace.tick().await;
            let (queue, batch) = (self.queue.clone(), batch.to_vec());
            batches.spawn(async move { queue.send(&batch).await });
        }
        while let Some(sent) = batches.join_next().await {
            sent.context("a batch stopped, which is a bug of this program")??;
        }
        self.point.sent += log_files.len() as u64;
        self.point.emptied += emptied;
        self.point.after = Some(last);
        self.store()?;
        let (done, listed, bytes) = (self.point.sent, self.listed, self.bytes);
        self.progress.show(&Step { done, listed, is_listing: true, bytes, note: "in the queue".into() });
        Ok(true)
    }

    fn store(&self) -> anyhow::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| store(file, &self.point))
    }

    fn bucket_name(&self) -> String {
        self.point.path.trim_start_matches("s3://").split('/').next().unwrap_or_default().to_owned()
    }
}

/// So many messages a second, in batches.
fn pace(rate: u32) -> Interval {
    let mut pace = interval(Duration::from_secs(BATCH as u64) / rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// How far an earlier run of the same job came.
fn resumed(file: &Path, new: Point) -> anyhow::Result<Point> {
    let name = file.display();
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(new),
        text => text.with_context(|| format!("{name} cannot be read"))?,
    };
    let point: Point =
        serde_json::from_str(&text).with_context(|| format!("{name} is no resume file of enqueue; name another"))?;
    if (&point.path, &point.queue, &point.period) != (&new.path, &new.queue, &new.period) {
        let Point { path, queue, period, .. } = point;
        return Err(anyhow!("{name} is of another job, {path} to {queue} with {period}; name another file"));
    }
    if point.done {
        return Err(anyhow!("{name} is of a job that is done; remove it to begin anew, or name another file"));
    }
    Ok(point)
}

/// Replaces the file at once, so that a crash leaves the point before or this one.
fn store(file: &Path, point: &Point) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, serde_json::to_string(point)?)
        .and_then(|()| fs::rename(&new, file))
        .with_context(|| format!("{} cannot be written", file.display()))
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    #[test]
    fn what_7d_meant_on_the_first_day_it_means_on_the_next() {
        let file = env::temp_dir().join(format!("quarantine-scan-{}.json", process::id()));
        let point = |since| Point { period: "7d".into(), since: Some(since), ..Point::default() };
        let first = Point { after: Some("key".into()), sent: 3, ..point(100) };
        store(&file, &first).unwrap();
        let resumed = resumed(&file, point(200));
        fs::remove_file(&file).unwrap();
        assert_eq!(resumed.unwrap(), first);
    }
}
