//! What came of each item of an invocation: the log lines, the counts, and the answer to the trigger.

use std::io::{self, Write};

use aws_lambda_events::sqs::SqsBatchResponse;
use time::OffsetDateTime;
use tracing::{error, info, warn};

use super::{
    Failure, Problem, Response,
    read::{End, Scanned},
    turn::Turn,
};
use crate::{aws::log_bucket::BucketError, log_file::LogFile, metrics::Counts};

/// How a match was acknowledged.
pub(super) enum Settled {
    Suppressed,
    Published { alert_id: String, degraded: bool },
}

/// The items, with what is still open of them.
pub(super) struct Outcome {
    from_queue: bool,
    items: Vec<Item>,
    counts: Counts,
}

struct Item {
    id: String,
    /// Matches that are not settled yet.
    open: u64,
    failures: Vec<Failure>,
}

impl Outcome {
    pub fn new(from_queue: bool) -> Outcome {
        Outcome { from_queue, items: Vec::new(), counts: Counts::default() }
    }

    /// Adds an item; gives its number.
    pub fn add(&mut self, id: String) -> usize {
        self.items.push(Item { id, open: 0, failures: Vec::new() });
        self.items.len() - 1
    }

    /// The item is not acknowledged.
    pub fn fail(&mut self, item: usize, failure: Failure) {
        if failure.is_passing() {
            self.counts.passing_failures += 1;
        } else {
            self.counts.permanent_failures += 1;
        }
        self.items[item].failures.push(failure);
    }

    pub fn skipped(&mut self, log_file: &LogFile, reason: &str) {
        self.counts.files_skipped += 1;
        let (bucket, key) = log_file.visible();
        info!(bucket, key, reason, "Skipped object.");
    }

    /// A log file is at its end; `matches` were found in it.
    pub fn ended(&mut self, item: usize, log_file: &LogFile, matches: u64, end: Result<End, Failure>) {
        let (bucket, key) = log_file.visible();
        match end {
            Ok(End::Scanned(Scanned { bytes, inflated_bytes, milliseconds })) => {
                self.counts.files_scanned += 1;
                info!(bucket, key, bytes, inflated_bytes, matches, milliseconds, "Scanned log file.");
            }
            Ok(End::Skipped(problem)) => self.skipped(log_file, &problem.to_string()),
            Err(failure) => {
                self.counts.files_failed += 1;
                self.counts.files_changed +=
                    u64::from(matches!(failure, Failure::Bucket { problem: BucketError::Changed, .. }));
                self.fail(item, failure);
            }
        }
    }

    /// A match of the item is in line.
    pub fn open(&mut self, item: usize) {
        self.items[item].open += 1;
    }

    /// The match is acknowledged, or its item fails.
    pub fn settle(&mut self, turn: Turn, settled: Result<Settled, Problem>) {
        let place = turn.place();
        let Turn { item, dedup_key, .. } = turn;
        self.items[item].open -= 1;
        match settled {
            Ok(Settled::Suppressed) => {
                self.counts.matches_suppressed += 1;
                info!(dedup_key, place, "Suppressed match: its incident is alerted.");
            }
            Ok(Settled::Published { alert_id, degraded }) => {
                self.counts.matches_published += 1;
                self.counts.published_degraded += u64::from(degraded);
                if degraded {
                    warn!(alert_id, dedup_key, place, "Published alert without the dedup table: it may be a copy.");
                } else {
                    info!(alert_id, dedup_key, place, "Published alert.");
                }
            }
            Err(problem) => {
                self.counts.matches_failed += 1;
                self.fail(item, Failure::NotAlerted { dedup_key, place, problem });
            }
        }
    }

    /// What the trigger is told. Where it is no queue, the runtime logs the first failure.
    pub fn answer(mut self, function_name: &str) -> Result<Response, Failure> {
        // The match in hand when the time ran out.
        for item in (0..self.items.len()).filter(|&item| self.items[item].open > 0).collect::<Vec<_>>() {
            self.counts.matches_failed += self.items[item].open;
            self.fail(item, Failure::Deadline);
        }
        self.log_counts(function_name);
        let mut response = SqsBatchResponse::default();
        let mut first = None;
        for Item { id, failures, .. } in self.items {
            if !failures.is_empty() {
                response.add_failure(&id);
            }
            for failure in failures {
                if !self.from_queue && first.is_none() {
                    first = Some(failure);
                } else if failure.is_passing() {
                    warn!(item = id, "{failure}.");
                } else {
                    error!(item = id, "{failure}.");
                }
            }
        }
        first.map_or(Ok(self.from_queue.then_some(response)), Err)
    }

    /// CloudWatch reads metrics only from a line that is nothing else.
    fn log_counts(&self, function_name: &str) {
        let milliseconds = OffsetDateTime::now_utc().unix_timestamp() * 1000;
        if let Some(line) = self.counts.embedded_metric(function_name, milliseconds)
            && let Err(error) = writeln!(io::stdout(), "{line}")
        {
            warn!("The metrics of this invocation are lost: {error}.");
        }
    }
}
