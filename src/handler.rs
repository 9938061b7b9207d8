//! The function, except the Lambda runtime: one delivery from its payload to the answer.

mod failure;
mod metrics;
mod queue;
mod report;

use std::sync::Arc;

use aws_lambda_events::sqs::SqsBatchResponse;
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use crate::{
    alert::Alert,
    aws::{alert_topic::AlertTopic, dedup_table::DedupTable, log_bucket::LogBucket},
    config::Config,
    delivery,
    engine::{
        ledger::{Answer, Ledger},
        publisher::Publisher,
        reader::{KEPT_BYTES, Reader},
    },
    rule::Rules,
    scan::{Documents, OtherText, Settings},
};
use queue::{Judge, MatchQueue};
use report::Acknowledged;

pub use failure::{Failure, NotAlerted};

/// The function's state between invocations.
pub struct Handler {
    function_name: String,
    judge: Judge,
    reader: Reader,
    ledger: Ledger,
    publisher: Publisher,
}

/// For a queue, the items to redeliver. Every other trigger gets nothing.
pub type Response = Option<SqsBatchResponse>;

impl Handler {
    pub fn new(config: Config, bucket: LogBucket, table: DedupTable, topic: AlertTopic) -> Handler {
        let rules = Rules::new(config.denied_attempts.is_on());
        let settings = Settings {
            documents: Documents::One,
            limit_mib: Some(config.max_inflated.mib),
            kept_bytes: KEPT_BYTES,
            other_text: OtherText::FirstBlock,
        };
        Handler {
            judge: Judge { needles: Arc::new(rules.needles()), rules },
            reader: Reader::new(bucket, settings),
            ledger: Ledger::new(table, config.dedup_period),
            publisher: Publisher::new(topic, config.https_format),
            function_name: config.function_name,
        }
    }

    /// Handles one invocation. Items that are not done at the deadline are redelivered.
    ///
    /// # Errors
    /// The first failure, if the trigger is not a queue. Further failures are logged.
    pub async fn handle(&self, payload: &str, deadline: Instant) -> Result<Response, Failure> {
        let delivery = delivery::decode(payload);
        let mut queue = MatchQueue::scan(&self.reader, &self.judge, delivery);
        let mut claims = self.ledger.open(Some(deadline));
        let work = async {
            while let Some(queued) = queue.next().await {
                match claims.claim(&queued.pending).await {
                    Answer::Suppress => queue.settle(queued, Ok(Acknowledged::Suppressed)),
                    Answer::NoTime => queue.settle(queued, Err(NotAlerted::NoTime)),
                    Answer::Wait(until) => queue.wait(queued, until),
                    Answer::Publish { claim, degraded } => {
                        let related = self.reader.related(&queued.pending).await;
                        let log_file = queued.pending.log_file.as_deref();
                        let now = OffsetDateTime::now_utc();
                        let alert = Alert::new(&queued.pending.matched, &claim, log_file, related, degraded, now);
                        let acknowledged = Acknowledged::Published { alert_id: alert.alert_id.clone(), degraded };
                        let published = self.publisher.publish(alert).await;
                        if published.is_ok() {
                            claims.complete(&claim).await;
                        }
                        queue.settle(queued, published.map(|()| acknowledged).map_err(NotAlerted::Publish));
                    }
                }
            }
        };
        let in_time = timeout_at(deadline, work).await.is_ok();
        queue.answer(in_time, &self.function_name)
    }
}
