//! Where the evidence of an alert is, and where the credentials leaked.

use serde::Serialize;

use crate::{rule::Evidence, trail::log_file::LogFile, untrusted::Untrusted};

/// Where the evidence is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub bucket: Option<Untrusted>,
    /// On a disk, the path.
    pub key: Option<Untrusted>,
    pub version_id: Option<Untrusted>,
    #[serde(rename = "eventID")]
    pub event_id: Option<Untrusted>,
    #[serde(rename = "requestID")]
    pub request_id: Option<Untrusted>,
    /// Of AWS Health's event.
    pub event_arn: Option<Untrusted>,
    pub communication_id: Option<Untrusted>,
    /// Whether the record came from standard input.
    #[serde(skip)]
    pub is_stdin: bool,
}

/// The place where credentials were found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leak {
    /// As AWS Health reports it. Whoever published the credentials chose it.
    pub url: Untrusted,
    /// The form for people, which no client makes a link of.
    pub defanged_url: String,
}

/// Longer URLs are cut for people.
const MAX_URL_CHARS: usize = 1024;

impl Source {
    pub(super) fn of(evidence: &Evidence, log_file: Option<&LogFile>) -> Source {
        let (bucket, key, version_id) = match log_file {
            Some(LogFile::S3(object)) => {
                let version = object.version.as_deref().map(Untrusted::new);
                (Some(Untrusted::new(&object.bucket)), Some(Untrusted::new(&object.key)), version)
            }
            Some(LogFile::Disk(path)) => (None, Some(Untrusted::new(path.to_string_lossy())), None),
            Some(LogFile::Stdin) | None => (None, None, None),
        };
        let is_stdin = matches!(log_file, Some(LogFile::Stdin));
        let Evidence { event_id, request_id, notice, .. } = evidence;
        let notice = notice.as_ref();
        Source {
            bucket,
            key,
            version_id,
            event_id: event_id.clone(),
            request_id: request_id.clone(),
            event_arn: notice.and_then(|notice| notice.event_arn.clone()),
            communication_id: notice.and_then(|notice| notice.communication_id.clone()),
            is_stdin,
        }
    }
}

impl Leak {
    pub(super) fn of(evidence: &Evidence) -> Option<Leak> {
        let url = evidence.notice.as_ref()?.exposed_url.as_ref()?;
        Some(Leak { url: url.clone(), defanged_url: url.defanged_url(MAX_URL_CHARS) })
    }
}
