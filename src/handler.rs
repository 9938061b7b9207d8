//! The way of a delivery through the function.

pub mod ledger;
mod line;
mod outcome;
pub mod publisher;
pub mod read;
pub mod turn;

use std::sync::Arc;

use aws_lambda_events::sqs::SqsBatchResponse;
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use crate::{
    alert::Alert,
    aws::{
        alert_topic::{AlertTopic, PublishError},
        dedup_table::DedupTable,
        log_bucket::{BucketError, LogBucket},
    },
    config::Config,
    dedup::LEASE,
    delivery::{self, DeliveryError},
    log_file::LogFile,
    record::RecordError,
    rule::Rules,
    scan::{Documents, NeedleError, ScanError},
};
use ledger::{Answer, Ledger};
use line::Line;
use outcome::Settled;
use publisher::Publisher;
use read::Reader;

/// The function, but for the Lambda runtime.
pub struct Handler {
    config: Config,
    rules: Rules,
    reader: Reader,
    ledger: Ledger,
    publisher: Publisher,
}

/// What a queue takes: the items to deliver again. Every other trigger gets nothing.
pub type Response = Option<SqsBatchResponse>;

impl Handler {
    /// # Errors
    /// A rule's needle cannot be searched for.
    pub fn new(config: Config, bucket: LogBucket, table: DedupTable, topic: AlertTopic) -> Result<Self, NeedleError> {
        let rules = Rules::new(config.denied_attempts);
        let reader = Reader::new(bucket, Arc::new(rules.needles()?), Documents::One, config.max_inflated_mib);
        let ledger = Ledger::new(table, config.dedup_period);
        let publisher = Publisher::new(topic, config.https_format);
        Ok(Handler { config, rules, reader, ledger, publisher })
    }

    /// Handles one invocation. What is not done at the deadline is handed back.
    ///
    /// # Errors
    /// Where the trigger is no queue: the first failure; further ones are logged.
    pub async fn handle(&self, payload: &str, deadline: Instant) -> Result<Response, Failure> {
        let delivery = delivery::decode(payload);
        let mut line = Line::scan(&self.reader, delivery);
        let mut claims = self.ledger.open(deadline);
        let work = async {
            while let Some(turn) = line.next(|record| self.rules.judge(record)).await {
                let settled = match claims.claim(&turn).await {
                    Answer::Suppress => Ok(Settled::Suppressed),
                    Answer::NoTime => Err(Problem::NoTime),
                    Answer::Wait(until) => {
                        line.wait(turn, until);
                        continue;
                    }
                    Answer::Publish { claim, degraded } => {
                        let (log_file, related) = (turn.log_file.as_deref(), self.reader.related(&turn).await);
                        let alert =
                            Alert::new(&turn.matched, &claim, log_file, related, degraded, OffsetDateTime::now_utc());
                        let settled = Settled::Published { alert_id: alert.alert_id.clone(), degraded };
                        let published = self.publisher.publish(alert).await;
                        if published.is_ok() {
                            claims.complete(&claim).await;
                        }
                        published.map(|()| settled).map_err(Problem::Publish)
                    }
                };
                line.settle(turn, settled);
            }
        };
        let in_time = timeout_at(deadline, work).await.is_ok();
        line.answer(in_time, &self.config.function_name)
    }
}

/// Why an item cannot be acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error("{log_file} {problem}")]
    Bucket { log_file: Arc<LogFile>, problem: BucketError },
    #[error("{log_file} {problem}; `aws cloudtrail validate-logs` tells whether somebody changed it")]
    Scan { log_file: Arc<LogFile>, problem: ScanError },
    #[error("{log_file} is broken: {problem}; `aws cloudtrail validate-logs` tells whether somebody changed it")]
    Record { log_file: Arc<LogFile>, problem: RecordError },
    #[error("{log_file} cannot be searched: {problem}")]
    Needle { log_file: Arc<LogFile>, problem: NeedleError },
    #[error("the record that EventBridge delivered is broken: {0}")]
    LoneRecord(RecordError),
    #[error("the match {dedup_key} in {place} is not alerted: {problem}")]
    NotAlerted { dedup_key: String, place: String, problem: Problem },
    #[error("the scan of {0} stopped without a result, which is a bug of this program")]
    Lost(Arc<LogFile>),
    #[error("{0} is not scanned: the time ran out; it is delivered again")]
    NotScanned(Arc<LogFile>),
    #[error("the time ran out while a match was handled; the delivery comes again")]
    Deadline,
}

/// Why the alert of a match is not out.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error(transparent)]
    Publish(PublishError),
    #[error("less than the {} s are left that it may take; it is delivered again", LEASE.as_secs())]
    NoTime,
}

impl Failure {
    /// Whether the redelivery may succeed without anybody doing anything.
    fn is_passing(&self) -> bool {
        match self {
            Failure::Bucket { problem, .. } => problem.is_passing(),
            Failure::NotAlerted { problem: Problem::Publish(problem), .. } => problem.is_passing(),
            Failure::NotAlerted { problem: Problem::NoTime, .. } | Failure::NotScanned(_) | Failure::Deadline => true,
            _ => false,
        }
    }
}
