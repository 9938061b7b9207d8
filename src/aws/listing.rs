//! The objects of a bucket, in pages of at most 1,000, in the order of their keys.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::list_objects_v2::ListObjectsV2Error,
    types::{Object, ObjectStorageClass, OptionalObjectAttributes},
};

use super::{explain, log_bucket::LogBucket};
use crate::trail::log_file::S3Object;

/// A page of a listing.
pub struct Page {
    pub objects: Vec<S3Object>,
    /// Objects that cannot be read until they are restored. They are not among the others.
    pub archived: Vec<S3Object>,
    /// Each with its `/`. Empty unless the listing is by folder.
    pub folders: Vec<String>,
    next: Option<String>,
}

/// Which objects are listed.
#[derive(Clone, Debug)]
pub struct Listing {
    pub bucket: String,
    pub prefix: String,
    /// Only keys after this one.
    pub after: Option<String>,
    /// Whether only the folder is listed for objects below the next `/`.
    pub by_folder: bool,
}

/// Why a bucket cannot be listed. The text follows its name.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    #[error("does not exist; check its name and which account's credentials are in use")]
    Missing,
    #[error("cannot be listed: access denied; allow s3:ListBucket on it to the role or user in use")]
    Denied,
    #[error("cannot be listed: no credentials ({0}); set AWS_PROFILE and sign in, for example with `aws sso login`")]
    NoCredentials(String),
    #[error("is in the region {0}")]
    OtherRegion(String),
    #[error("cannot be listed ({0})")]
    Other(String),
}

impl LogBucket {
    /// The first page, or the one after `page`. `None` after the last one.
    ///
    /// # Errors
    /// The bucket is missing, may not be listed, or is in another region.
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
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
            .set_continuation_token(next);
        let answer = request.send().await.map_err(|error| because(&error))?;
        let size = |size: Option<i64>| size.and_then(|size| u64::try_from(size).ok());
        let (archived, objects): (Vec<Object>, Vec<Object>) =
            answer.contents.unwrap_or_default().into_iter().partition(is_archived);
        let objects_of = |objects: Vec<Object>| {
            let object =
                |object: Object| Some(S3Object::new(listing.bucket.clone(), object.key?, None, size(object.size)));
            objects.into_iter().filter_map(object).collect()
        };
        let folders = answer.common_prefixes.unwrap_or_default().into_iter().filter_map(|folder| folder.prefix);
        Ok(Some(Page {
            objects: objects_of(objects),
            archived: objects_of(archived),
            folders: folders.collect(),
            next: answer.next_continuation_token,
        }))
    }
}

/// Whether an object must be restored before it is read. Glacier Instant Retrieval needs no restore.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html>
fn is_archived(object: &Object) -> bool {
    let is_restored = object.restore_status.as_ref().is_some_and(|status| status.restore_expiry_date.is_some());
    let class = object.storage_class.as_ref();
    matches!(class, Some(ObjectStorageClass::Glacier | ObjectStorageClass::DeepArchive)) && !is_restored
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
            // The SDK has no error code for it. Only the text shows that the request could not be signed.
            let is_unsigned = matches!(error, SdkError::DispatchFailure(_)) && reason.contains("credential");
            if is_unsigned { ListingError::NoCredentials(reason) } else { ListingError::Other(reason) }
        }
    }
}
