//! The objects that are being read.

use std::{collections::HashMap, sync::Arc};

use quarantine_alert::{
    engine::{
        error::FileEnd,
        reader::{Candidate, Job, KEPT_BYTES, Reader},
    },
    scan::Passes,
    trail::log_file::{LogFile, S3Object},
};
use tokio::task::{Id, JoinError, JoinSet};

use super::gate::Place;
use crate::source::feed::{Feed, FromSource};

pub struct Reads<T> {
    target: usize,
    reader: Reader,
    feed: Arc<Feed<T>>,
    tasks: JoinSet<()>,
    objects: HashMap<Id, S3Object>,
}

impl<T: Send + 'static> Reads<T> {
    /// Of the target of this number.
    pub fn new(target: usize, reader: Reader, feed: Arc<Feed<T>>) -> Self {
        Reads { target, reader, feed, tasks: JoinSet::new(), objects: HashMap::new() }
    }

    /// Whether the search needs the object.
    pub async fn needs(&self, object: &S3Object) -> bool {
        let is_needed = self.feed.needs(&LogFile::S3(object.clone()));
        if !is_needed {
            self.feed.send(FromSource::PassedOver { target: self.target }).await;
        }
        is_needed
    }

    /// Reads an object, which has its place until then.
    pub async fn start(&mut self, object: S3Object, place: Place) {
        let task = self.tasks.spawn({
            let (target, reader, feed, object) = (self.target, self.reader.clone(), self.feed.clone(), object.clone());
            async move {
                read(target, &reader, &feed, object).await;
                drop(place);
            }
        });
        self.objects.insert(task.id(), object);
        while let Some(read) = self.tasks.try_join_next_with_id() {
            self.ended(read).await;
        }
    }

    /// Waits for all.
    pub async fn finish(&mut self) {
        while let Some(read) = self.tasks.join_next_with_id().await {
            self.ended(read).await;
        }
    }

    /// A read has ended. One that panicked has sent nothing.
    async fn ended(&mut self, read: Result<(Id, ()), JoinError>) {
        let id = read.as_ref().map_or_else(|error| error.id(), |(id, ())| *id);
        if let Some(object) = self.objects.remove(&id)
            && read.is_err()
        {
            let log_file = Arc::new(LogFile::S3(object));
            let end = FileEnd::panicked(log_file.clone());
            self.feed.send(FromSource::End { target: self.target, log_file, end }).await;
        }
    }
}

async fn read<T>(target: usize, reader: &Reader, feed: &Feed<T>, object: S3Object) {
    let is_kept = object.size.is_some_and(|bytes| bytes <= KEPT_BYTES as u64);
    let passes = if feed.finds_much && !is_kept { Passes::One } else { Passes::Two };
    let judge = |log_file: &Arc<LogFile>, candidate: Candidate| feed.candidate(log_file, candidate.record);
    let job = Job { object, number: target, passes, places: None };
    let (log_file, end) = reader.scan(job, &feed.needles, judge, &feed.out).await;
    feed.send(FromSource::End { target, log_file, end }).await;
}
