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

/// So much of an invocation is kept for the answer.
const RESERVE: Duration = Duration::from_secs(2);
/// The timeout of the template, for a deadline that has passed: cargo-lambda gives one in 1970.
const TIMEOUT: Duration = Duration::from_secs(60);

// One thread: a function of this memory has a fraction of a core. Measured (`make bench`), more threads take a log file
// alone from 1.2 to 1.8 ms of CPU, and win nothing.
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
    let table = DedupTable::new(&sdk, &config.dedup_table);
    let topic = AlertTopic::new(&sdk, &config);
    let handler = Handler::new(config, LogBucket::new(&sdk), table, topic)?;
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
