//! The parts of a bucket to list: its folders that may contain wanted objects, and the objects next to them.

use std::collections::VecDeque;

use anyhow::{Context, Error};
use quarantine_alert::{
    aws::listing::{Listing, Page},
    trail::log_file::S3Object,
};
use tokio::task::JoinSet;

use super::{BUG, Bucket, LISTINGS_AT_ONCE};
use crate::source::prefixes::{Plan, plan};

/// How many objects next to folders are held in memory.
const MAX_LOOSE: usize = 1000;

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

    /// The folders and objects directly in a folder. `None` if there are too many objects to hold in memory; `list_all` lists them.
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
}
