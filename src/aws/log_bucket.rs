//! Log file → byte stream, from S3.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>

use std::{env, time::Duration};

use aws_config::{SdkConfig, stalled_stream_protection::StalledStreamProtectionConfig};
use aws_sdk_s3::{
    Client,
    config::{Builder, ResponseChecksumValidation, http::HttpResponse},
    error::{ProvideErrorMetadata, SdkError},
    operation::get_object::GetObjectError,
    primitives::ByteStream,
};

use super::{explain, is_passing, timeouts};
use crate::log_file::LogFile;

/// The buckets that deliveries name.
#[derive(Clone)]
pub struct LogBucket {
    pub(super) s3: Client,
}

/// An object that is being read.
pub struct Object {
    body: ByteStream,
    pub etag: Option<String>,
    pub version: Option<String>,
}

/// Why an object cannot be read; to be read behind its name.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("does not exist; somebody may have deleted it to hide something, so look for it in the bucket's versions")]
    Missing,
    #[error(
        "cannot be read (access denied, which S3 also says of an object that is gone); allow the identity in use \
         s3:GetObject on it, and kms:Decrypt on its key, in the key's own policy too"
    )]
    Denied,
    #[error("is in a bucket of the region {0}; deploy one stack in each region that has a log bucket")]
    OtherRegion(String),
    #[error("changed while it was read; log files never change, so compare its versions")]
    Changed,
    #[error("cannot be read ({reason})")]
    Other { reason: String, passing: bool },
}

impl BucketError {
    /// Whether the next try may succeed by itself.
    pub fn is_passing(&self) -> bool {
        matches!(self, BucketError::Other { passing: true, .. })
    }
}

impl LogBucket {
    pub fn new(sdk: &SdkConfig) -> LogBucket {
        // A local server knows its buckets by path only.
        let is_local = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|name| env::var_os(name).is_some());
        let config = Builder::from(sdk)
            .force_path_style(is_local)
            .timeout_config(timeouts(5, 12))
            .stalled_stream_protection(
                StalledStreamProtectionConfig::enabled().grace_period(Duration::from_secs(5)).build(),
            )
            // gzip carries a checksum of its own, of the text that we look at.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        LogBucket { s3: Client::from_conf(config) }
    }

    /// Opens the object; with `etag` only if it is still the one that had it.
    ///
    /// # Errors
    /// It is not there, or may not be read, or another has taken its place.
    pub async fn open(&self, log_file: &LogFile, etag: Option<&str>) -> Result<Object, BucketError> {
        let answer = self
            .s3
            .get_object()
            .set_bucket(log_file.bucket.clone())
            .key(&log_file.key)
            .set_version_id(log_file.version.clone())
            .set_if_match(etag.map(str::to_owned))
            .send()
            .await
            .map_err(|error| because(&error))?;
        Ok(Object { body: answer.body, etag: answer.e_tag, version: answer.version_id.filter(|id| id != "null") })
    }
}

impl Object {
    /// An object whose bytes are here already.
    pub fn of_bytes(bytes: Vec<u8>) -> Object {
        Object { body: ByteStream::from(bytes), etag: None, version: None }
    }

    /// The next chunk, of any size; `None` at the end.
    ///
    /// # Errors
    /// The connection broke or stalled.
    pub async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, BucketError> {
        let broken = |error| BucketError::Other { reason: format!("the download broke: {error}"), passing: true };
        self.body.try_next().await.map_err(broken)
    }
}

fn because(error: &SdkError<GetObjectError, HttpResponse>) -> BucketError {
    let region = error.raw_response().and_then(|answer| answer.headers().get("x-amz-bucket-region"));
    match (error.code(), region) {
        (Some("NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "MethodNotAllowed"), _) => BucketError::Missing,
        (Some("AccessDenied" | "AllAccessDisabled"), _) => BucketError::Denied,
        (Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"), region) => {
            BucketError::OtherRegion(region.unwrap_or("unknown").to_owned())
        }
        (Some("PreconditionFailed"), _) => BucketError::Changed,
        _ => BucketError::Other { reason: explain(error), passing: is_passing(error) },
    }
}
