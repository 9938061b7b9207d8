//! The function, except the Lambda runtime: one delivery from its payload to the answer.

mod failure;
mod metrics;
mod queue;
mod report;
mod scanner;
mod turns;

use std::{collections::BTreeSet, sync::Arc};

use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use crate::{
    alert::Alert,
    aws::{alert_topic::AlertTopic, dedup_table::DedupTable, log_bucket::LogBucket},
    config::Config,
    delivery,
    engine::{
        ledger::{Answer, Claims, Ledger},
        pending::PendingMatch,
        publisher::Publisher,
        reader::{KEPT_BYTES, Reader},
        resources::Resources,
    },
    rule::{OptionalRules, Rules},
    scan::Settings,
};
use queue::MatchQueue;
use report::{Acknowledged, Response};
use scanner::Detector;

pub use failure::{Failure, NotAlerted};

/// The memory for records that are parsed or wait for their claim, so that 64 hostile log files fit into the function's.
const RECORDS_KIB: usize = 24 * 1024;

/// A bucket may contain terabytes of other logs. What does not begin like a log file is searched for the rules' needles only up
/// to here.
const OTHER_MIB: u64 = 64;

/// The function's state between invocations.
pub struct Handler {
    function_name: String,
    detector: Detector,
    reader: Reader,
    ledger: Ledger,
    publisher: Publisher,
}

impl Handler {
    pub fn new(config: Config, bucket: LogBucket, table: DedupTable, topic: AlertTopic) -> Handler {
        let rules = Rules::new(OptionalRules {
            denied: config.denied_attempts.is_on(),
            enforced: config.enforced_denials.is_on(),
        });
        let settings = Settings {
            limit_mib: Some(config.max_inflated.mib),
            other_mib: Some(OTHER_MIB),
            kept_bytes: KEPT_BYTES,
            needs_records: false,
        };
        Handler {
            detector: Detector { needles: Arc::new(rules.needles()), rules },
            reader: Reader::new(bucket, settings, Resources::new(1, RECORDS_KIB)),
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
        let mut queue = MatchQueue::scan(&self.reader, &self.detector, delivery);
        let mut claims = self.ledger.open(Some(deadline));
        let work = async {
            while let Some(queued) = queue.next().await {
                let removals = queue.removals(&queued.pending.key.entity);
                let settled = queue.receive_during(self.alert(&mut claims, &queued.pending, &removals)).await;
                match settled {
                    Ok(Settled::Acknowledged(Acknowledged::Suppressed)) => queue.suppress(queued, removals.len()),
                    Ok(Settled::Acknowledged(acknowledged)) => queue.settle(queued, Ok(acknowledged)),
                    Ok(Settled::ClaimedUntil(until)) => queue.wait(queued, until),
                    Err(reason) => queue.settle(queued, Err(reason)),
                }
            }
        };
        let in_time = timeout_at(deadline, work).await.is_ok();
        queue.answer(in_time, &self.function_name)
    }

    /// Claims a match and publishes its alert, unless its incident needs none.
    async fn alert(
        &self,
        claims: &mut Claims<'_>,
        pending: &PendingMatch,
        removals: &BTreeSet<i64>,
    ) -> Result<Settled, NotAlerted> {
        match claims.claim(pending, removals).await {
            Answer::Suppress => Ok(Settled::Acknowledged(Acknowledged::Suppressed)),
            Answer::Flooded => Ok(Settled::Acknowledged(Acknowledged::Flooded)),
            Answer::NoTime => Err(NotAlerted::NoTime),
            Answer::Wait(until) => Ok(Settled::ClaimedUntil(until)),
            Answer::Publish { claim, degraded } => {
                let related = self.reader.related(pending).await;
                let now = OffsetDateTime::now_utc();
                let alert = Alert::new(&pending.matched, &claim, pending.log_file.as_deref(), related, degraded, now);
                let alert_id = alert.alert_id.clone();
                self.publisher.publish(alert).await.map_err(NotAlerted::Publish)?;
                claims.complete(&claim).await;
                Ok(Settled::Acknowledged(Acknowledged::Published { alert_id, degraded }))
            }
        }
    }
}

/// The outcome of a match.
enum Settled {
    Acknowledged(Acknowledged),
    /// Another process works on its incident until then, in seconds since 1970.
    ClaimedUntil(i64),
}
