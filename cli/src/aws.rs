//! The only module of the command line that names an AWS SDK, besides the library's own.

pub mod delivery_queue;

use aws_config::retry::RetryConfig;
use quarantine_alert::aws::{SdkConfig, in_region, sdk_config};

/// Region, credentials and endpoints as every AWS program finds them. Without a region, requests go to us-east-1, which
/// answers with the region of a bucket. Once a service throttles, the client sends fewer requests per second.
pub async fn sdk_with_region() -> SdkConfig {
    let sdk = sdk_config().await.into_builder().retry_config(RetryConfig::adaptive()).build();
    if sdk.region().is_some() { sdk } else { in_region(&sdk, "us-east-1") }
}
