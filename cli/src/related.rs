//! Reads the log file of a match again, for other calls of the same identity.

use std::{fs, path::Path, time::Instant};

use quarantine_alert::{
    engine::{pending::PendingMatch, reader::RELATED_TIMEOUT},
    related::{Gathering, Identity, Related},
    rule::Match,
    scan::Passes,
    trail::log_file::LogFile,
};

use crate::{
    search::Sources,
    source::file::{Buffer, FileReading, FromFile, Stream},
};

/// `None` if that is not known in time, or the log file came from a stream.
pub async fn related(sources: &Sources, pending: &PendingMatch) -> Option<Related> {
    match pending.log_file.as_deref()? {
        LogFile::S3(object) => sources.readers.get(&object.bucket)?.related(pending).await,
        LogFile::Disk(path) => on_disk(path, &pending.matched),
        LogFile::Stdin => None,
    }
}

fn on_disk(path: &Path, matched: &Match) -> Option<Related> {
    // Opening a pipe again would block.
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return None;
    }
    let identity = Identity::of(matched);
    let needles = identity.needles();
    let mut gathering = Gathering::default();
    let started = Instant::now();
    let mut buffer = Buffer::new();
    let mut reading = FileReading::new(Stream::open(path).ok()?, &needles, Passes::One, false);
    loop {
        match reading.next(&mut buffer, || started.elapsed() < RELATED_TIMEOUT)? {
            FromFile::Candidate(record) => gathering.add(&identity, &record),
            FromFile::End(end) => return end.ok().map(|_| gathering.finish(&identity)),
        }
    }
}
