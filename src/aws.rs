//! The shell around the core: the only rooms, with `main`, that name an AWS SDK.

pub mod alert_topic;
pub mod dedup_table;
#[cfg(feature = "cli")]
pub mod delivery_queue;
#[cfg(feature = "cli")]
pub mod listing;
pub mod log_bucket;

use std::{error::Error, sync::LazyLock, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{config::http::HttpResponse, error::ProvideErrorMetadata, error::SdkError};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// What all clients share, one HTTP client among it. Region, credentials and endpoints come from the environment,
/// as Lambda and the SDK document it.
pub async fn sdk_config() -> SdkConfig {
    // ring needs no more than a C compiler to build; aws-lc, the SDK's default, compiles for half a minute.
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    // The SDK's own first back-off of a second would use up the time of a claim.
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(100));
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).retry_config(retries).load().await
}

/// A client that a match alone needs: nearly every process ends without one.
type OnFirstMatch<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send>>;

/// Limits for one call with all its attempts; the SDK by itself waits for ever.
fn timeouts(attempt: u64, operation: u64) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(attempt))
        .operation_timeout(Duration::from_secs(operation))
        .build()
}

/// An SDK error in one line. Its own `Display` says "service error", its `Debug` holds headers and bodies.
fn explain<E: Error + ProvideErrorMetadata + 'static>(error: &SdkError<E, HttpResponse>) -> String {
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

/// Whether the same call may succeed later without anybody doing anything.
fn is_passing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
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
