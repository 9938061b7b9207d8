//! Log files in S3: the folders that may contain wanted ones, their objects, and the library's reader for them.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZero,
    sync::Arc,
    thread,
};

use anyhow::{Context, Error, anyhow};
use quarantine_alert::{
    aws::{
        SdkConfig, in_region,
        listing::{Listing, ListingError, Page},
        log_bucket::LogBucket,
    },
    engine::{
        error::FileEnd,
        reader::{Candidate, KEPT_BYTES, Reader},
        resources::Resources,
    },
    scan::Settings,
    trail::log_file::{Handling, LogFile, S3Object},
    untrusted::visible,
};
use time::OffsetDateTime;
use tokio::{
    sync::{
        Semaphore,
        mpsc::{Sender, channel},
    },
    task::{Id, JoinError, JoinSet},
};

use super::{
    archived::Archived,
    feed::{Feed, FromSource, Tally},
    prefixes::{Dates, Plan, is_of_account, plan},
};
use crate::filter::Filter;

/// Memory per object is fixed, so it may inflate to any size.
const SETTINGS: Settings = Settings { limit_mib: None, other_mib: None, kept_bytes: KEPT_BYTES, needs_records: false };

/// At 30 ms each, a tenth of the requests that S3 takes per second for one prefix.
const LISTINGS_AT_ONCE: usize = 16;
/// As the function.
const LOG_FILES_AT_ONCE: usize = 64;
/// How many objects next to folders are held in memory.
const MAX_LOOSE: usize = 1000;
/// How many pages of 1,000 objects the listing may be ahead.
const PAGES_AHEAD: usize = 100;

/// The memory for records that are being judged.
const RECORDS_KIB: usize = 128 * 1024;

const BUG: &str = "a listing stopped without a result; report this bug";

/// A bucket, and what is wanted of it.
#[derive(Clone)]
pub struct Bucket {
    log_bucket: LogBucket,
    pub name: String,
    prefix: String,
    filter: Filter,
    dates: Option<Dates>,
    /// The wanted log files that were listed.
    pub archived: Archived,
}

/// A part of a bucket, in the order of the keys.
pub enum Part {
    Object(S3Object),
    Folder(String),
}

impl Part {
    fn key(&self) -> &str {
        match self {
            Part::Object(object) => &object.key,
            Part::Folder(folder) => folder,
        }
    }
}

impl Bucket {
    /// Finds the bucket, whatever its region.
    ///
    /// # Errors
    /// The bucket is missing, or may not be listed.
    pub async fn open(sdk: &SdkConfig, name: &str, prefix: &str, filter: &Filter) -> anyhow::Result<Bucket> {
        let mut log_bucket = LogBucket::new(sdk);
        let probe = Listing { bucket: name.to_owned(), prefix: prefix.to_owned(), after: None, by_folder: true };
        match log_bucket.list(&probe, None).await {
            Ok(_) => {}
            Err(ListingError::OtherRegion(region)) => log_bucket = LogBucket::new(&in_region(sdk, &region)),
            Err(error) => return Err(anyhow!("s3://{name} {error}")),
        }
        Ok(Bucket {
            log_bucket,
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            filter: filter.clone(),
            dates: Dates::of(filter, OffsetDateTime::now_utc().date()),
            archived: Archived::new(name, prefix),
        })
    }

    /// The reader of its objects.
    pub fn reader(&self) -> Reader {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Reader::new(self.log_bucket.clone(), SETTINGS, Resources::new(cores, RECORDS_KIB))
    }

    /// Reads the wanted objects. Returns what could not be listed.
    pub async fn read<T: Send + 'static>(self, target: usize, reader: Reader, feed: Arc<Feed<T>>) -> Vec<Error> {
        feed.tally.begin();
        let (parts, mut errors) = self.parts().await;
        let (pages, mut listed) = channel(PAGES_AHEAD);
        let lister = tokio::spawn({
            let tally = feed.tally.clone();
            let bucket = self.clone();
            async move {
                let errors = bucket.list_all(parts, pages, &tally).await;
                tally.end();
                errors
            }
        });
        let at_once = Arc::new(Semaphore::new(LOG_FILES_AT_ONCE));
        let mut reads = Reads::default();
        while let Some(objects) = listed.recv().await {
            for object in objects {
                let permit = at_once.clone().acquire_owned().await;
                let task = reads.tasks.spawn({
                    let (reader, feed, object) = (reader.clone(), feed.clone(), object.clone());
                    async move {
                        read_object(target, &reader, &feed, object).await;
                        drop(permit);
                    }
                });
                reads.objects.insert(task.id(), object);
                while let Some(read) = reads.tasks.try_join_next_with_id() {
                    reads.ended(read, target, &feed).await;
                }
            }
        }
        while let Some(read) = reads.tasks.join_next_with_id().await {
            reads.ended(read, target, &feed).await;
        }
        errors.extend(lister.await.unwrap_or_else(|error| vec![Error::new(error).context(BUG)]));
        errors.extend(self.archived.sentence().map(Error::msg));
        errors
    }

    /// Finds the folders that may contain wanted objects, the objects next to them, and what could not be listed.
    pub async fn parts(&self) -> (Vec<Part>, Vec<Error>) {
        let mut errors = Vec::new();
        let mut parts = Vec::new();
        let mut open = VecDeque::new();
        let take = |folder: String, open: &mut VecDeque<String>, parts: &mut Vec<Part>| match plan(
            &folder,
            &self.filter,
            self.dates,
        ) {
            Plan::Open => open.push_back(folder),
            Plan::List => parts.push(Part::Folder(folder)),
            Plan::ListOnly(folders) => parts.extend(folders.into_iter().map(Part::Folder)),
            Plan::Skip => {}
        };
        if self.prefix.is_empty() || self.prefix.ends_with('/') {
            take(self.prefix.clone(), &mut open, &mut parts);
        } else {
            // The beginning of some names, or a folder without its slash.
            open.push_back(self.prefix.clone());
        }
        let mut listings: JoinSet<anyhow::Result<(String, Option<Vec<Page>>)>> = JoinSet::new();
        loop {
            while listings.len() < LISTINGS_AT_ONCE
                && let Some(folder) = open.pop_front()
            {
                let bucket = self.clone();
                listings.spawn(async move {
                    let pages = bucket.pages(&folder).await?;
                    Ok((folder, pages))
                });
            }
            let Some(pages) = listings.join_next().await else { break };
            let pages = match pages.context(BUG).flatten() {
                Ok((_, Some(pages))) => pages,
                Ok((folder, None)) => {
                    parts.push(Part::Folder(folder));
                    continue;
                }
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            for Page { objects, archived, folders, .. } in pages {
                self.set_aside(&archived);
                parts.extend(objects.into_iter().map(Part::Object));
                folders.into_iter().for_each(|folder| take(folder, &mut open, &mut parts));
            }
        }
        parts.sort_by(|a, b| a.key().cmp(b.key()));
        (parts, errors)
    }

    /// Whether the object is wanted, by its key and size.
    pub fn wants(&self, object: &S3Object) -> bool {
        !matches!(object.handling(), Handling::Skip(_)) && !object.is_emptied() && self.asks_for(&object.key)
    }

    /// Whether the object is a wanted log file that was emptied.
    pub fn is_emptied(&self, object: &S3Object) -> bool {
        object.is_emptied() && self.asks_for(&object.key)
    }

    /// Counts the wanted ones of archived objects.
    pub fn set_aside(&self, archived: &[S3Object]) {
        self.archived.add(archived.iter().filter(|object| self.wants(object)).count());
    }

    /// Whether a key has the requested dates and accounts, or none at all.
    fn asks_for(&self, key: &str) -> bool {
        self.dates.is_none_or(|dates| dates.include(key)) && is_of_account(key, &self.filter.accounts)
    }

    /// The listing of everything below a folder.
    pub fn listing(&self, folder: String, after: Option<String>) -> Listing {
        Listing { bucket: self.name.clone(), prefix: folder, after, by_folder: false }
    }

    /// The folders and objects in a folder. `None` if it has so many objects that they are better listed later.
    async fn pages(&self, folder: &str) -> anyhow::Result<Option<Vec<Page>>> {
        let listing = Listing { by_folder: true, ..self.listing(folder.to_owned(), None) };
        let mut pages: Vec<Page> = Vec::new();
        while let Some(page) = self.page(&listing, pages.last()).await? {
            pages.push(page);
            if pages.iter().map(|page| page.objects.len()).sum::<usize>() > MAX_LOOSE {
                return Ok(None);
            }
        }
        Ok(Some(pages))
    }

    /// The page after the one before.
    ///
    /// # Errors
    /// The folder could not be listed.
    pub async fn page(&self, listing: &Listing, before: Option<&Page>) -> anyhow::Result<Option<Page>> {
        self.log_bucket
            .list(listing, before)
            .await
            .map_err(|error| anyhow!("s3://{}/{} {error}", self.name, visible(&listing.prefix, 1024)))
    }

    /// Lists the parts concurrently, in no order. Returns what could not be listed.
    async fn list_all(&self, parts: Vec<Part>, pages: Sender<Vec<S3Object>>, tally: &Arc<Tally>) -> Vec<Error> {
        let mut listings: JoinSet<anyhow::Result<()>> = JoinSet::new();
        let mut errors = Vec::new();
        for part in parts {
            if listings.len() >= LISTINGS_AT_ONCE
                && let Some(ended) = listings.join_next().await
            {
                errors.extend(ended.context(BUG).flatten().err());
            }
            let (bucket, pages, tally) = (self.clone(), pages.clone(), tally.clone());
            match part {
                Part::Object(object) => bucket.pass_on(vec![object], &pages, &tally).await,
                Part::Folder(folder) => {
                    listings.spawn(async move {
                        let listing = bucket.listing(folder, None);
                        let mut before = None;
                        while let Some(mut page) = bucket.page(&listing, before.as_ref()).await? {
                            bucket.set_aside(&page.archived);
                            bucket.pass_on(std::mem::take(&mut page.objects), &pages, &tally).await;
                            before = Some(page);
                        }
                        Ok(())
                    });
                }
            }
        }
        while let Some(ended) = listings.join_next().await {
            errors.extend(ended.context(BUG).flatten().err());
        }
        errors
    }

    async fn pass_on(&self, objects: Vec<S3Object>, pages: &Sender<Vec<S3Object>>, tally: &Tally) {
        let (wanted, others): (Vec<S3Object>, Vec<S3Object>) =
            objects.into_iter().partition(|object| self.wants(object) || self.is_emptied(object));
        tally.skip(others.len());
        tally.list(wanted.len());
        // Nothing receives them after the run has ended.
        let _ = pages.send(wanted).await;
    }
}

/// The objects that are being read.
#[derive(Default)]
struct Reads {
    tasks: JoinSet<()>,
    objects: HashMap<Id, S3Object>,
}

impl Reads {
    /// A read has ended. One that panicked has sent nothing.
    async fn ended<T>(&mut self, read: Result<(Id, ()), JoinError>, target: usize, feed: &Feed<T>) {
        let id = read.as_ref().map_or_else(|error| error.id(), |(id, ())| *id);
        if let Some(object) = self.objects.remove(&id)
            && read.is_err()
        {
            let log_file = Arc::new(LogFile::S3(object));
            let end = FileEnd::panicked(log_file.clone());
            feed.send(FromSource::End { target, log_file, end }).await;
        }
    }
}

async fn read_object<T>(target: usize, reader: &Reader, feed: &Feed<T>, object: S3Object) {
    let log_file = LogFile::S3(object);
    if !feed.needs(&log_file) {
        return feed.send(FromSource::PassedOver { target }).await;
    }
    let LogFile::S3(object) = log_file else { return };
    let judge = |log_file: &Arc<LogFile>, candidate: Candidate| feed.candidate(log_file, candidate.record);
    let (log_file, end) = reader.scan(object, target, None, &feed.needles, judge, &feed.out).await;
    feed.send(FromSource::End { target, log_file, end }).await;
}
