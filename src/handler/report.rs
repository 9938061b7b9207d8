//! The outcome of each item of an invocation: the log lines, the counts, and the answer to the trigger.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use aws_lambda_events::sqs::SqsBatchResponse;
use time::OffsetDateTime;
use tracing::{error, info, warn};

use super::{
    failure::{Failure, NotAlerted},
    metrics::Counts,
};
use crate::{
    engine::{error::FileEnd, pending::PendingMatch},
    scan::Scanned,
    trail::log_file::S3Object,
};

/// For a queue, the items to redeliver. Every other trigger gets nothing.
pub type Response = Option<SqsBatchResponse>;

/// How a match was acknowledged.
pub(super) enum Acknowledged {
    Suppressed,
    /// Its entity has had its alerts within this period.
    Flooded,
    Published {
        alert_id: String,
        degraded: bool,
    },
}

/// The items, with what is still open of them.
pub(super) struct Report {
    from_queue: bool,
    items: Vec<ItemReport>,
    counts: Counts,
    suppressed: Repeats,
    /// Beyond the flood bound.
    flooded: Repeats,
}

/// At most this many failures of an item are named. A message may have thousands of bad parts.
const MAX_NAMED: usize = 100;

/// Beyond this number of keys, each suppressed match has its line.
const MAX_KEYS: usize = 1000;

struct ItemReport {
    id: Option<String>,
    /// Matches that are not settled yet.
    open: u64,
    /// Matches that are not alerted now. There may be hundreds of thousands, so they are only counted.
    put_aside: u64,
    failures: Vec<Failure>,
}

/// By dedup key, the number of matches after the first. There may be thousands, so they are counted instead of logged.
#[derive(Default)]
struct Repeats(HashMap<String, u64>);

impl Repeats {
    fn is_first(&mut self, dedup_key: &str) -> bool {
        if let Some(repeats) = self.0.get_mut(dedup_key) {
            *repeats += 1;
            return false;
        }
        if self.0.len() < MAX_KEYS {
            self.0.insert(dedup_key.to_owned(), 0);
        }
        true
    }

    fn after_the_first(&self) -> impl Iterator<Item = (&String, &u64)> {
        self.0.iter().filter(|(_, repeats)| **repeats > 0)
    }
}

impl Report {
    pub fn new(from_queue: bool) -> Report {
        Report {
            from_queue,
            items: Vec::new(),
            counts: Counts::default(),
            suppressed: Repeats::default(),
            flooded: Repeats::default(),
        }
    }

    /// Adds an item and returns its number.
    pub fn add(&mut self, id: Option<String>) -> usize {
        self.items.push(ItemReport { id, open: 0, put_aside: 0, failures: Vec::new() });
        self.items.len() - 1
    }

    /// The item is not acknowledged.
    pub fn fail(&mut self, item: usize, failure: Failure) {
        if failure.is_transient() {
            self.counts.transient_failures += 1;
        } else {
            self.counts.permanent_failures += 1;
        }
        self.items[item].failures.push(failure);
    }

    /// A part of a delivery that needs no work.
    pub fn without_work(&mut self) {
        self.counts.without_work += 1;
    }

    pub fn skipped(&mut self, object: &S3Object, reason: &str) {
        self.counts.files_skipped += 1;
        let (bucket, key) = object.visible();
        info!(bucket, key, reason, "Skipped object.");
    }

    /// The scan of a log file with this number of matches has ended.
    pub fn ended(&mut self, item: usize, object: &S3Object, matches: u64, end: FileEnd, milliseconds: u64) {
        match end {
            FileEnd::Scanned(Scanned { bytes, inflated_bytes, .. }) => {
                self.counts.files_scanned += 1;
                let (bucket, key) = object.visible();
                info!(bucket, key, bytes, inflated_bytes, matches, milliseconds, "Scanned log file.");
            }
            FileEnd::Skipped(fault) => self.skipped(object, &fault.to_string()),
            FileEnd::NotRead(not_read) => {
                self.counts.files_failed += 1;
                self.counts.files_changed += u64::from(not_read.has_changed());
                self.fail(item, not_read.into());
            }
        }
    }

    /// The deadline came before the end of a scan.
    pub fn not_scanned(&mut self, item: usize, object: S3Object) {
        self.counts.files_failed += 1;
        self.fail(item, Failure::NotScanned(object));
    }

    /// The item has further matches.
    pub fn expect_matches(&mut self, item: usize, matches: u64) {
        self.items[item].open += matches;
    }

    /// The match is acknowledged, or its item fails.
    pub fn settle(&mut self, item: usize, pending: PendingMatch, settled: Result<Acknowledged, NotAlerted>) {
        let origin = || pending.origin();
        let dedup_key = &pending.key.dedup_key;
        self.items[item].open -= 1;
        match settled {
            Ok(Acknowledged::Suppressed) => {
                self.counts.matches_suppressed += 1;
                if self.suppressed.is_first(dedup_key) {
                    info!(dedup_key, origin = origin(), "Suppressed match: its incident is alerted.");
                }
            }
            Ok(Acknowledged::Flooded) => {
                self.counts.matches_suppressed += 1;
                self.counts.matches_flooded += 1;
                if self.flooded.is_first(dedup_key) {
                    warn!(
                        dedup_key,
                        origin = origin(),
                        "Suppressed match: its entity has reached its alerts for this period."
                    );
                }
            }
            Ok(Acknowledged::Published { alert_id, degraded: false }) => {
                self.counts.matches_published += 1;
                info!(alert_id, dedup_key, origin = origin(), "Published alert.");
            }
            Ok(Acknowledged::Published { alert_id, degraded: true }) => {
                self.counts.matches_published += 1;
                self.counts.published_degraded += 1;
                warn!(
                    alert_id,
                    dedup_key,
                    origin = origin(),
                    "Published alert without the dedup table: it may be a duplicate."
                );
            }
            Err(reason) => {
                self.counts.matches_failed += 1;
                self.fail(item, Failure::NotAlerted { dedup_key: dedup_key.clone(), origin: origin(), reason });
            }
        }
    }

    /// The match returns to the queue with its item.
    pub fn put_aside(&mut self, item: usize) {
        self.items[item].open -= 1;
        self.items[item].put_aside += 1;
    }

    /// The answer to the trigger. Unless it is a queue, the runtime logs the first failure.
    pub fn answer(mut self, function_name: &str) -> Result<Response, Failure> {
        // The deadline interrupted the match that was being handled.
        for item in 0..self.items.len() {
            if self.items[item].open > 0 {
                self.counts.matches_failed += self.items[item].open;
                self.fail(item, Failure::NotHandled);
            }
            let put_aside = self.items[item].put_aside;
            if put_aside > 0 {
                self.counts.matches_failed += put_aside;
                self.fail(item, Failure::PutAside(put_aside));
            }
        }
        for (dedup_key, matches) in self.suppressed.after_the_first() {
            info!(dedup_key, matches, "Suppressed further matches whose incident is alerted.");
        }
        for (dedup_key, matches) in self.flooded.after_the_first() {
            warn!(dedup_key, matches, "Suppressed further matches beyond the alerts of this period.");
        }
        self.log_counts(function_name);
        let mut response = SqsBatchResponse::default();
        let mut first = None;
        for ItemReport { id, failures, .. } in self.items {
            if !failures.is_empty()
                && let Some(id) = &id
            {
                response.add_failure(id);
            }
            let more = failures.len().saturating_sub(MAX_NAMED);
            for failure in failures.into_iter().take(MAX_NAMED) {
                if !self.from_queue && first.is_none() {
                    first = Some(failure);
                } else if failure.is_transient() {
                    warn!(item = id, "{failure}.");
                } else {
                    error!(item = id, "{failure}.");
                }
            }
            if more > 0 {
                error!(item = id, failures = more, "The item has further failures.");
            }
        }
        first.map_or(Ok(self.from_queue.then_some(response)), Err)
    }

    /// CloudWatch reads metrics only from a line that contains nothing else.
    fn log_counts(&self, function_name: &str) {
        let milliseconds = OffsetDateTime::now_utc().unix_timestamp() * 1000;
        if let Some(line) = self.counts.embedded_metric(function_name, milliseconds)
            && let Err(error) = writeln!(io::stdout(), "{line}")
        {
            warn!("Could not write the metrics of this invocation: {error}.");
        }
    }
}
