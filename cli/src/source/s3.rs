//! Log files in S3: the folders that may contain wanted ones, their objects, and the library's reader for them.

mod gate;
mod listed;
mod parts;
mod reads;

use std::{num::NonZero, sync::Arc, thread};

use anyhow::{Context, Error, anyhow};
use quarantine_alert::{
    aws::{
        SdkConfig, in_region,
        listing::{Listing, ListingError, Page},
        log_bucket::LogBucket,
    },
    engine::{
        reader::{KEPT_BYTES, Reader},
        resources::Resources,
    },
    scan::Settings,
    trail::log_file::{Handling, S3Object},
    untrusted::visible,
};
use time::OffsetDateTime;
use tokio::{
    sync::mpsc::{Sender, channel},
    task::JoinSet,
};

use super::{
    archived::Archived,
    feed::{Feed, Tally},
    prefixes::{Dates, is_of_account},
};
use crate::filter::Filter;
use gate::Gate;
use listed::Listed;
pub use parts::Part;
use reads::Reads;

/// Memory per object is fixed, so it may inflate to any size.
const SETTINGS: Settings = Settings { limit_mib: None, other_mib: None, kept_bytes: KEPT_BYTES, needs_records: false };

/// At 30 ms each, a tenth of the requests that S3 takes per second for one prefix.
const LISTINGS_AT_ONCE: usize = 16;
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
    listed: Listed,
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
            listed: Listed::default(),
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
        let (pages, mut listed) = channel(PAGES_AHEAD);
        let lister = tokio::spawn({
            let tally = feed.tally.clone();
            let bucket = self.clone();
            async move {
                let errors = bucket.list(pages, &tally).await;
                tally.end();
                errors
            }
        });
        let gate = Gate::new();
        let mut adapting = JoinSet::new();
        adapting.spawn(gate.clone().adapt());
        let mut reads = Reads::new(target, reader, feed);
        while let Some(objects) = listed.recv().await {
            for object in objects {
                if reads.needs(&object).await {
                    let place = gate.enter(&object).await;
                    reads.start(object, place).await;
                }
            }
        }
        reads.finish().await;
        let mut errors = lister.await.unwrap_or_else(|error| vec![Error::new(error).context(BUG)]);
        errors.extend(self.archived.sentence().map(Error::msg));
        errors
    }

    /// Lists the wanted objects, or takes them from an earlier listing. Returns what could not be listed.
    async fn list(&self, pages: Sender<Vec<S3Object>>, tally: &Arc<Tally>) -> Vec<Error> {
        if let Some(objects) = self.listed.take() {
            self.pass_on(objects, &pages, tally).await;
            return Vec::new();
        }
        self.listed.begin();
        let (parts, mut errors) = self.parts().await;
        errors.extend(self.list_all(parts, pages, tally).await);
        if errors.is_empty() {
            self.listed.complete();
        }
        errors
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
        self.listed.add(&wanted);
        // Nothing receives them after the run has ended.
        let _ = pages.send(wanted).await;
    }
}
