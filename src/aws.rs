//! The shell around the core, and the only modules that name an AWS SDK.

pub mod alert_topic;
pub mod dedup_table;
mod https;
pub mod listing;
pub mod log_bucket;

use std::{error::Error, sync::LazyLock, time::Duration};

use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{config::http::HttpResponse, error::ProvideErrorMetadata, error::SdkError};
use https::Https;

pub use aws_config::SdkConfig;

/// The configuration of all clients, with one HTTP client. Region, credentials and endpoints come from the environment, as
/// Lambda and the SDK document.
pub async fn sdk_config() -> SdkConfig {
    // The SDK's default first backoff of one second would use up the time of a claim.
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(100));
    aws_config::defaults(BehaviorVersion::latest()).http_client(Https::new()).retry_config(retries).load().await
}

/// The same configuration for another region.
pub fn in_region(sdk: &SdkConfig, region: &str) -> SdkConfig {
    sdk.clone().into_builder().region(Region::new(region.to_owned())).build()
}

/// A client that only a match needs. Nearly every process ends without one.
type OnFirstMatch<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send>>;

/// The time limits, in seconds, of one attempt and of a call with all its attempts. The SDK has none by default.
pub fn timeouts(attempt: u64, operation: u64) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(attempt))
        .operation_timeout(Duration::from_secs(operation))
        .build()
}

/// An SDK error in one line. Its `Display` is only "service error", and its `Debug` contains headers and bodies.
pub fn explain<E: Error + ProvideErrorMetadata + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    if let Some(code) = error.code() {
        return format!("{code}: {}", error.message().unwrap_or("no message"));
    }
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

/// Whether the same call may succeed later without intervention.
fn is_transient<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(error) => {
            let status = error.raw().status().as_u16();
            let is_throttled = error.err().code().is_some_and(|code| {
                code.contains("Throttl")
                    || code == "ProvisionedThroughputExceededException"
                    || code == "RequestLimitExceeded"
            });
            status >= 500 || status == 429 || is_throttled
        }
        _ => true,
    }
}
