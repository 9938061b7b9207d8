//! A log file in S3 → its candidates.

use std::time::Duration;

use bytes::Bytes;
use tokio::{task::yield_now, time::timeout};
use tracing::warn;

use super::{
    error::{NotRead, SourceError, Unread},
    pending::PendingMatch,
};
use crate::{
    alert::rfc3339,
    aws::log_bucket::{Body, LogBucket, ObjectError},
    related::{Gathering, Identity, Related},
    rule::Match,
    scan::{Needles, Passes, ScanStep, Scanned, Settings, TwoPass},
    trail::{
        log_file::{LogFile, S3Object},
        record::Record,
    },
};

/// Nearly all log files have at most this many stored bytes, and are not downloaded a second time.
pub const KEPT_BYTES: usize = 1024 * 1024;

/// The part of a lease that related activity may take.
pub const RELATED_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads log files. A clone reads for another task.
#[derive(Clone)]
pub struct Reader {
    bucket: LogBucket,
    settings: Settings,
}

/// A log file that is being read.
pub struct Reading<'n> {
    bucket: LogBucket,
    object: S3Object,
    scan: TwoPass<'n, SourceError>,
    body: Option<Body>,
    /// The object's, once it was opened: a second pass must read the same object.
    etag: Option<String>,
}

impl Reader {
    pub fn new(bucket: LogBucket, settings: Settings) -> Reader {
        Reader { bucket, settings }
    }

    /// Starts to read an object for these needles.
    pub fn read<'n>(&self, object: S3Object, needles: &'n Needles, passes: Passes) -> Reading<'n> {
        let scan = TwoPass::new(needles, self.settings, passes);
        Reading { bucket: self.bucket.clone(), object, scan, body: None, etag: None }
    }

    /// What else the identity of a match did in its log file. `None` if that is not known in time: an alert never waits for
    /// its context.
    pub async fn related(&self, pending: &PendingMatch) -> Option<Related> {
        let log_file = pending.log_file.as_ref()?;
        let LogFile::S3(object) = &**log_file else { return None };
        match timeout(RELATED_TIMEOUT, self.gather(object, &pending.matched)).await {
            Ok(Ok(related)) => Some(related),
            Ok(Err(reason)) => {
                let not_read = NotRead { log_file: log_file.clone(), reason };
                warn!("The alert has no related activity: {not_read}.");
                None
            }
            Err(_) => {
                let seconds = RELATED_TIMEOUT.as_secs();
                warn!("The alert has no related activity: {log_file} was not read within {seconds} s.");
                None
            }
        }
    }

    async fn gather(&self, object: &S3Object, matched: &Match) -> Result<Related, Unread> {
        let identity = Identity::of(matched);
        let needles = identity.needles();
        let mut gathering = Gathering::default();
        let mut reading = self.read(object.clone(), &needles, Passes::One);
        loop {
            match reading.next().await {
                Next::Candidate(record) => gathering.add(&identity, &record),
                Next::End(end) => {
                    end?;
                    return Ok(gathering.finish(&identity, rfc3339));
                }
            }
        }
    }
}

/// What comes out of a log file.
pub enum Next {
    Candidate(Box<Record>),
    /// Nothing more comes out.
    End(Result<Scanned, Unread>),
}

impl Reading<'_> {
    pub async fn next(&mut self) -> Next {
        loop {
            match self.scan.step() {
                ScanStep::Feed => {
                    let input = self.chunk().await;
                    self.scan.feed(input.map_err(SourceError::S3));
                }
                ScanStep::Reopen => self.body = None,
                ScanStep::Candidate(candidate) => {
                    if let Some(record) = self.scan.record(&candidate) {
                        return Next::Candidate(Box::new(record));
                    }
                }
                ScanStep::Yield => yield_now().await,
                ScanStep::End(end) => return Next::End(end),
            }
        }
    }

    /// The object, with the version that is read.
    pub fn object(&self) -> &S3Object {
        &self.object
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, ObjectError> {
        if let Some(body) = &mut self.body {
            return body.next().await;
        }
        let mut body = self.bucket.open(&self.object, self.etag.as_deref()).await?;
        self.object.version = self.object.version.take().or(body.version.take());
        self.etag = self.etag.take().or(body.etag.take());
        self.body.insert(body).next().await
    }
}
