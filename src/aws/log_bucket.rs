//! Log file → byte stream, from S3.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>

use std::{env, time::Duration};

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_sdk_s3::{
    Client,
    config::{Builder, ResponseChecksumValidation, http::HttpResponse},
    error::{ProvideErrorMetadata, SdkError},
    operation::get_object::GetObjectError,
    primitives::ByteStream,
};

use bytes::Bytes;

use super::{SdkConfig, explain, is_transient, timeouts};
use crate::trail::log_file::S3Object;

/// The buckets that deliveries name.
#[derive(Clone)]
pub struct LogBucket {
    pub(super) s3: Client,
}

/// An object that is being read.
pub struct Body {
    stream: ByteStream,
    pub etag: Option<String>,
    pub version: Option<String>,
    /// In bytes.
    pub size: Option<u64>,
}

/// Why an object cannot be read. The text follows its name.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("does not exist; look for it in the bucket's versions, since it may have been deleted to hide something")]
    Missing,
    #[error(
        "cannot be read: access denied (S3 also returns this for missing objects); grant the role or user in use \
         s3:GetObject on it and, if a KMS key encrypts it, kms:Decrypt in both its IAM policy and the key policy"
    )]
    Denied,
    #[error("is in a bucket of the region {0}; deploy one stack in each region that has a log bucket")]
    OtherRegion(String),
    #[error("changed while it was read; compare its versions, since CloudTrail never changes a log file")]
    Changed,
    #[error(
        "is archived (storage class GLACIER or DEEP_ARCHIVE); restore it (`aws s3api restore-object`), then redrive its delivery"
    )]
    Archived,
    /// The next attempt may succeed.
    #[error("cannot be read for now: {0}")]
    Transient(String),
    #[error("cannot be read: {0}; check the object in the S3 console")]
    Permanent(String),
}

impl LogBucket {
    pub fn new(sdk: &SdkConfig) -> LogBucket {
        // Local servers address buckets only by path.
        let is_local = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|name| env::var_os(name).is_some());
        let config = Builder::from(sdk)
            .force_path_style(is_local)
            .timeout_config(timeouts(5, 12))
            .stalled_stream_protection(
                StalledStreamProtectionConfig::enabled().grace_period(Duration::from_secs(5)).build(),
            )
            // gzip has its own checksum of the inflated text.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        LogBucket { s3: Client::from_conf(config) }
    }

    /// Opens the object. With an `etag`, only the object that has it.
    ///
    /// # Errors
    /// The object is missing, may not be read, or has changed.
    pub async fn open(&self, object: &S3Object, etag: Option<&str>) -> Result<Body, ObjectError> {
        let answer = self
            .s3
            .get_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_version_id(object.version.clone())
            .set_if_match(etag.map(str::to_owned))
            .send()
            .await
            .map_err(|error| because(&error))?;
        Ok(Body {
            stream: answer.body,
            etag: answer.e_tag,
            version: answer.version_id.filter(|id| id != "null"),
            size: answer.content_length.and_then(|length| length.try_into().ok()),
        })
    }
}

impl Body {
    /// The next chunk, of any size. `None` at the end.
    ///
    /// # Errors
    /// The connection broke or stalled.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        let broken = |error| ObjectError::Transient(format!("the download was interrupted ({error})"));
        self.stream.try_next().await.map_err(broken)
    }
}

fn because(error: &SdkError<GetObjectError, HttpResponse>) -> ObjectError {
    let region = error.raw_response().and_then(|answer| answer.headers().get("x-amz-bucket-region"));
    match error.code() {
        Some("NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "MethodNotAllowed") => ObjectError::Missing,
        Some("AccessDenied" | "AllAccessDisabled") => ObjectError::Denied,
        Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            ObjectError::OtherRegion(region.unwrap_or("unknown").to_owned())
        }
        Some("PreconditionFailed") => ObjectError::Changed,
        Some("InvalidObjectState") => ObjectError::Archived,
        _ if is_transient(error) => ObjectError::Transient(explain(error)),
        _ => ObjectError::Permanent(explain(error)),
    }
}
