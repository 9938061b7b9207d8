//! Why a log file is not read: the one error from which both programs make their sentences.

use std::{fmt, io, sync::Arc};

use crate::{
    aws::log_bucket::ObjectError,
    scan::{self, Fault, Scanned},
    trail::log_file::{Handling, LogFile},
};

/// Why a source ended early.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    S3(#[from] ObjectError),
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("was not read to its end: its reader stopped without a result; report this bug")]
    Panicked,
}

/// Why a log file is not read, or not to its end.
pub type Unread = scan::Unread<SourceError>;

/// How the reading of a log file ended.
pub enum FileEnd {
    Scanned(Scanned),
    /// It is something other than a log file, and need not be one.
    Skipped(Fault),
    NotRead(NotRead),
}

impl FileEnd {
    /// `may_be_other` allows the file to be something other than a log file.
    pub fn of(end: Result<Scanned, Unread>, may_be_other: bool, log_file: &Arc<LogFile>) -> FileEnd {
        match end {
            Ok(scanned) => FileEnd::Scanned(scanned),
            Err(Unread::NotALogFile(fault)) if may_be_other => FileEnd::Skipped(fault),
            Err(reason) => FileEnd::NotRead(NotRead { log_file: log_file.clone(), reason }),
        }
    }

    /// The reader stopped without a result.
    pub fn panicked(log_file: Arc<LogFile>) -> FileEnd {
        FileEnd::NotRead(NotRead { log_file, reason: Unread::Source(SourceError::Panicked) })
    }
}

/// A log file that was not read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub struct NotRead {
    pub log_file: Arc<LogFile>,
    #[source]
    pub reason: Unread,
}

impl NotRead {
    /// Whether the next attempt may succeed without intervention.
    pub fn is_transient(&self) -> bool {
        match &self.reason {
            Unread::Source(SourceError::S3(error)) => match error {
                ObjectError::Transient(_) => true,
                ObjectError::Missing
                | ObjectError::Denied
                | ObjectError::OtherRegion(_)
                | ObjectError::Changed
                | ObjectError::Archived
                | ObjectError::Permanent(_) => false,
            },
            Unread::Source(SourceError::Io(_) | SourceError::Panicked) | Unread::NotALogFile(_) | Unread::Faulty(_) => {
                false
            }
        }
    }

    /// Whether the object changed between two reads.
    pub fn has_changed(&self) -> bool {
        matches!(self.reason, Unread::Source(SourceError::S3(ObjectError::Changed)))
    }

    /// Whether the trail's digest files can show that this is tampering.
    fn may_be_tampering(&self) -> bool {
        let is_content = match &self.reason {
            Unread::NotALogFile(fault) | Unread::Faulty(fault) => !matches!(fault, Fault::TooLarge { .. }),
            Unread::Source(_) => false,
        };
        // Digest files cover only the trail's own objects.
        is_content && matches!(&*self.log_file, LogFile::S3(object) if object.handling() == Handling::Scan)
    }
}

/// The object, what is wrong with it, and what to do.
impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.log_file, self.reason)?;
        if self.may_be_tampering() {
            f.write_str("; run `aws cloudtrail validate-logs` to see whether it was changed")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(reason: SourceError) -> String {
        let log_file = Arc::new(LogFile::Disk("x.json".into()));
        NotRead { log_file, reason: Unread::Source(reason) }.to_string()
    }

    #[test]
    fn each_end_of_a_source_has_its_own_sentence() {
        assert_eq!(
            sentence(SourceError::Panicked),
            "x.json was not read to its end: its reader stopped without a result; report this bug"
        );
        let error = io::Error::new(io::ErrorKind::PermissionDenied, "permission denied");
        assert_eq!(sentence(SourceError::Io(error)), "x.json cannot be read: permission denied");
        assert_eq!(
            sentence(SourceError::S3(ObjectError::Archived)),
            "x.json is archived (storage class GLACIER or DEEP_ARCHIVE); restore it (`aws s3api restore-object`), then \
             redrive its delivery"
        );
    }

    #[test]
    fn a_reader_that_panicked_is_not_a_passing_failure() {
        let FileEnd::NotRead(not_read) = FileEnd::panicked(Arc::new(LogFile::Stdin)) else { panic!("it was read") };
        assert!(!not_read.is_transient());
        assert!(not_read.to_string().starts_with("standard input was not read to its end"));
    }
}
