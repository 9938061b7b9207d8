//! What a bucket holds, in pages of at most 1,000 objects, in the order of their keys.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::list_objects_v2::ListObjectsV2Error,
};

use super::{explain, log_bucket::LogBucket};
use crate::log_file::LogFile;

/// A page of a listing.
pub struct Page {
    pub objects: Vec<LogFile>,
    /// Up to the next `/`, it included; empty unless folders were asked for.
    pub folders: Vec<String>,
    next: Option<String>,
}

/// What is listed of a bucket.
#[derive(Clone, Debug)]
pub struct Listing {
    pub bucket: String,
    pub prefix: String,
    /// Only what comes behind this key.
    pub after: Option<String>,
    /// Whether what lies below the next `/` is named by its folder alone.
    pub by_folder: bool,
}

/// Why a bucket cannot be listed; to be read behind its name.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    #[error("does not exist; check its name, and whose credentials are in use")]
    Missing,
    #[error("cannot be listed (access denied); allow the identity in use s3:ListBucket on it")]
    Denied,
    #[error("cannot be listed without credentials ({0}); set AWS_PROFILE, and sign in, such as by `aws sso login`")]
    NoCredentials(String),
    #[error("is in the region {0}")]
    OtherRegion(String),
    #[error("cannot be listed ({0})")]
    Other(String),
}

impl LogBucket {
    /// The first page, or the one behind `page`; `None` behind the last one.
    ///
    /// # Errors
    /// The bucket is not there, may not be listed, or is in another region.
    pub async fn list(&self, listing: &Listing, page: Option<&Page>) -> Result<Option<Page>, ListingError> {
        let next = match page {
            None => None,
            Some(Page { next: None, .. }) => return Ok(None),
            Some(Page { next, .. }) => next.clone(),
        };
        let request = self
            .s3
            .list_objects_v2()
            .bucket(&listing.bucket)
            .prefix(&listing.prefix)
            .set_start_after(listing.after.clone())
            .set_delimiter(listing.by_folder.then(|| "/".into()))
            .set_continuation_token(next);
        let answer = request.send().await.map_err(|error| because(&error))?;
        let size = |size: Option<i64>| size.and_then(|size| u64::try_from(size).ok());
        let objects = answer.contents.unwrap_or_default().into_iter().filter_map(|object| {
            Some(LogFile::from_plain(listing.bucket.clone(), object.key?, None, size(object.size)))
        });
        let folders = answer.common_prefixes.unwrap_or_default().into_iter().filter_map(|folder| folder.prefix);
        Ok(Some(Page { objects: objects.collect(), folders: folders.collect(), next: answer.next_continuation_token }))
    }
}

fn because(error: &SdkError<ListObjectsV2Error, HttpResponse>) -> ListingError {
    let region = error.raw_response().and_then(|answer| answer.headers().get("x-amz-bucket-region"));
    match (error.code(), region) {
        (Some("NoSuchBucket"), _) => ListingError::Missing,
        (Some("AccessDenied" | "AllAccessDisabled"), _) => ListingError::Denied,
        (
            Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"),
            Some(region),
        ) => ListingError::OtherRegion(region.to_owned()),
        _ => {
            let reason = explain(error).split_whitespace().collect::<Vec<_>>().join(" ");
            // The SDK has no kind of its own for it: what failed before the request was sent tells it in its words.
            let is_unsigned = matches!(error, SdkError::DispatchFailure(_)) && reason.contains("credential");
            if is_unsigned { ListingError::NoCredentials(reason) } else { ListingError::Other(reason) }
        }
    }
}
