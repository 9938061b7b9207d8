use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn, tracing};
use quarantine_alert::{
    aws::{self, alert_topic::AlertTopic, dedup_table::DedupTable, log_bucket::LogBucket},
    config::Config,
    handler::{Failure, Handler},
};
use serde_json::value::RawValue;
use tokio::time::Instant;

/// The part of an invocation that is kept for the answer.
const RESERVE: Duration = Duration::from_secs(2);
/// The template's timeout, for a deadline in the past: cargo-lambda sends one in 1970.
const TIMEOUT: Duration = Duration::from_secs(60);

// One thread: a function of this memory has a fraction of a core. With more threads a single log file took 1.8 ms of CPU
// instead of 1.2, and nothing became faster (`make bench`).
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing::init_default_subscriber();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}.");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let config = Config::from_env(|name| std::env::var(name).ok())?;
    let sdk = aws::sdk_config().await;
    let table = DedupTable::new(&sdk, config.dedup_table.clone());
    let topic = AlertTopic::new(&sdk, config.alert_topic.clone());
    let handler = Handler::new(config, LogBucket::new(&sdk), table, topic);
    let serve = service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or(TIMEOUT);
        let deadline = Instant::now() + left.saturating_sub(RESERVE);
        let failed =
            |failure: Failure| Diagnostic { error_type: "Failure".into(), error_message: format!("{failure}.") };
        // Boxed, since the runtime wraps it in more layers than rustc follows by default.
        Box::pin(handler.handle(event.payload.get(), deadline)).await.map_err(failed)
    });
    lambda_runtime::run(serve).await.map_err(anyhow::Error::from_boxed).context("the Lambda runtime stopped")
}
