//! Log files in S3: which folders can hold what is wanted, what they hold, and the function's own reader for it.

use std::{collections::VecDeque, sync::Arc};

use anyhow::{Context, Error, anyhow};
use aws_config::{Region, SdkConfig};
use quarantine_alert::{
    aws::{
        listing::{Listing, ListingError, Page},
        log_bucket::LogBucket,
        sdk_config,
    },
    handler::read::{Found, Reader},
    log_file::{LogFile, Verdict},
    untrusted::visible,
};
use time::OffsetDateTime;
use tokio::{
    sync::{
        Semaphore,
        mpsc::{Sender, channel},
    },
    task::JoinSet,
};

use super::{
    Tally,
    prefixes::{Dates, Folder, is_of_account, judge},
};
use crate::filter::Filter;

/// Two seconds' worth of requests of what S3 takes for a prefix before it asks to slow down.
const LISTINGS_AT_ONCE: usize = 16;
/// As the function.
const LOG_FILES_AT_ONCE: usize = 64;
/// Objects beside folders that are held in memory.
const MOST_LOOSE: usize = 1000;
/// Pages of 1,000 objects that the listing may be ahead.
const PAGES_AHEAD: usize = 100;

const BUG: &str = "a listing stopped without a result, which is a bug of this program";

const READ_BUG: &str = "a read stopped without a result, which is a bug of this program";

/// A bucket with what is looked for in it.
#[derive(Clone)]
pub struct Bucket {
    pub log_bucket: LogBucket,
    name: String,
    prefix: String,
    filter: Filter,
    dates: Option<Dates>,
}

/// What is left to list, in the order of the keys.
pub enum Part {
    Object(LogFile),
    Folder(String),
}

impl Part {
    fn key(&self) -> &str {
        match self {
            Part::Object(log_file) => &log_file.key,
            Part::Folder(folder) => folder,
        }
    }
}

/// Region, credentials and endpoints as every AWS program finds them. Where no region is set, the bucket's is found.
pub async fn sdk() -> SdkConfig {
    let sdk = sdk_config().await;
    if sdk.region().is_some() { sdk } else { sdk.into_builder().region(Region::from_static("us-east-1")).build() }
}

impl Bucket {
    /// Finds the bucket, in whatever region it is.
    ///
    /// # Errors
    /// It is not there, or may not be listed.
    pub async fn open(sdk: &SdkConfig, name: &str, prefix: &str, filter: &Filter) -> anyhow::Result<Bucket> {
        let mut log_bucket = LogBucket::new(sdk);
        let probe = Listing { bucket: name.to_owned(), prefix: prefix.to_owned(), after: None, by_folder: true };
        match log_bucket.list(&probe, None).await {
            Ok(_) => {}
            Err(ListingError::OtherRegion(region)) => {
                log_bucket = LogBucket::new(&sdk.clone().into_builder().region(Region::new(region)).build());
            }
            Err(error) => return Err(anyhow!("s3://{name} {error}")),
        }
        Ok(Bucket {
            log_bucket,
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            filter: filter.clone(),
            dates: Dates::of(filter, OffsetDateTime::now_utc().date()),
        })
    }

    /// Reads what is wanted of it; `scan` is the number of the target. Gives what could not be listed.
    pub async fn read(self, scan: usize, reader: Reader, tally: Arc<Tally>, out: Sender<Found>) -> Vec<Error> {
        tally.begin();
        let parts = self.parts().await;
        let (pages, mut listed) = channel(PAGES_AHEAD);
        let lister = tokio::spawn({
            let (bucket, tally) = (self, tally.clone());
            async move {
                let (parts, mut errors) = parts;
                errors.extend(bucket.list_all(parts, pages, &tally).await);
                tally.end();
                errors
            }
        });
        let mut errors = Vec::new();
        let (at_once, mut reads) = (Arc::new(Semaphore::new(LOG_FILES_AT_ONCE)), JoinSet::new());
        while let Some(log_files) = listed.recv().await {
            for log_file in log_files {
                let permit = at_once.clone().acquire_owned().await;
                let (reader, out) = (reader.clone(), out.clone());
                reads.spawn(async move {
                    reader.read(scan, log_file, &out).await;
                    drop(permit);
                });
                while let Some(read) = reads.try_join_next() {
                    errors.extend(read.context(READ_BUG).err());
                }
            }
        }
        while let Some(read) = reads.join_next().await {
            errors.extend(read.context(READ_BUG).err());
        }
        errors.extend(lister.await.unwrap_or_else(|error| vec![Error::new(error).context(BUG)]));
        errors
    }

    /// Finds the folders that can hold what is wanted, and the objects beside them; and what could not be listed, which
    /// stops nothing else.
    pub async fn parts(&self) -> (Vec<Part>, Vec<Error>) {
        let mut errors = Vec::new();
        let mut parts = Vec::new();
        let mut open = VecDeque::new();
        let take = |folder: String, open: &mut VecDeque<String>, parts: &mut Vec<Part>| match judge(
            &folder,
            &self.filter,
            self.dates,
        ) {
            Folder::Open => open.push_back(folder),
            Folder::List => parts.push(Part::Folder(folder)),
            Folder::ListOnly(folders) => parts.extend(folders.into_iter().map(Part::Folder)),
            Folder::Skip => {}
        };
        if self.prefix.is_empty() || self.prefix.ends_with('/') {
            take(self.prefix.clone(), &mut open, &mut parts);
        } else {
            // The beginning of names, or a folder without its slash.
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
            for Page { objects, folders, .. } in pages {
                parts.extend(objects.into_iter().map(Part::Object));
                folders.into_iter().for_each(|folder| take(folder, &mut open, &mut parts));
            }
        }
        parts.sort_by(|a, b| a.key().cmp(b.key()));
        (parts, errors)
    }

    /// Whether the object is to be read, by its key.
    pub fn wants(&self, log_file: &LogFile) -> bool {
        !matches!(log_file.verdict(), Verdict::Skip(_)) && self.asks_for(&log_file.key)
    }

    /// Whether a log file of the trail holds nothing, which CloudTrail never writes.
    pub fn is_emptied(&self, log_file: &LogFile) -> bool {
        let of_any_size = LogFile::from_plain(self.name.clone(), log_file.key.clone(), None, None);
        log_file.size() == Some(0) && of_any_size.verdict() == Verdict::Scan && self.asks_for(&log_file.key)
    }

    /// Whether a key is of the dates and accounts, or does not tell.
    fn asks_for(&self, key: &str) -> bool {
        self.dates.is_none_or(|dates| dates.hold(key)) && is_of_account(key, &self.filter.accounts)
    }

    /// How the pages of a folder are asked for.
    pub fn listing(&self, folder: String, after: Option<String>) -> Listing {
        Listing { bucket: self.name.clone(), prefix: folder, after, by_folder: false }
    }

    /// What a folder holds, by folder; `None` where it holds so many objects itself that they are better listed later.
    async fn pages(&self, folder: &str) -> anyhow::Result<Option<Vec<Page>>> {
        let listing = Listing { by_folder: true, ..self.listing(folder.to_owned(), None) };
        let mut pages: Vec<Page> = Vec::new();
        while let Some(page) = self.page(&listing, pages.last()).await? {
            pages.push(page);
            if pages.iter().map(|page| page.objects.len()).sum::<usize>() > MOST_LOOSE {
                return Ok(None);
            }
        }
        Ok(Some(pages))
    }

    /// The page behind the one before.
    ///
    /// # Errors
    /// It could not be listed.
    pub async fn page(&self, listing: &Listing, before: Option<&Page>) -> anyhow::Result<Option<Page>> {
        self.log_bucket
            .list(listing, before)
            .await
            .map_err(|error| anyhow!("s3://{}/{} {error}", self.name, visible(&listing.prefix, 1024)))
    }

    /// Lists the parts, several at once, in no order. Gives what could not be listed, which stops nothing else.
    async fn list_all(&self, parts: Vec<Part>, pages: Sender<Vec<LogFile>>, tally: &Arc<Tally>) -> Vec<Error> {
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
                Part::Object(log_file) => bucket.hand_on(vec![log_file], &pages, &tally).await,
                Part::Folder(folder) => {
                    listings.spawn(async move {
                        let (listing, mut before) = (bucket.listing(folder, None), None);
                        while let Some(mut page) = bucket.page(&listing, before.as_ref()).await? {
                            bucket.hand_on(std::mem::take(&mut page.objects), &pages, &tally).await;
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

    async fn hand_on(&self, objects: Vec<LogFile>, pages: &Sender<Vec<LogFile>>, tally: &Tally) {
        let (wanted, others): (Vec<LogFile>, Vec<LogFile>) =
            objects.into_iter().partition(|log_file| self.wants(log_file) || self.is_emptied(log_file));
        others.iter().for_each(|_| tally.skip());
        wanted.iter().for_each(|_| tally.list());
        // Nobody takes them once the run is ended.
        let _ = pages.send(wanted).await;
    }
}
