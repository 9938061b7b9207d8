//! Which accounts, regions and times the log files of a search are from, by their names.

use std::collections::BTreeSet;

use quarantine_alert::{
    trace::report::Time,
    trail::{key::FileName, log_file::LogFile},
};
use serde::Serialize;

use super::Coverage;

/// The coverage of a search. The field names are those of the JSON.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    pub log_files: u64,
    pub accounts: BTreeSet<String>,
    pub regions: BTreeSet<String>,
    pub first_delivery: Option<Time>,
    pub last_delivery: Option<Time>,
    /// Log files whose name shows none of these.
    pub unnamed: u64,
    /// Whether any call is a data event.
    pub data_events_seen: bool,
    pub unread: Vec<String>,
    /// Whether something is unread.
    pub partial: bool,
}

impl Seen {
    /// A log file was read to its end.
    pub fn add(&mut self, log_file: &LogFile) {
        self.log_files += 1;
        let path = match log_file {
            LogFile::S3(object) => object.key.as_str().into(),
            LogFile::Disk(path) => path.to_string_lossy(),
            LogFile::Stdin => "".into(),
        };
        let Some(FileName { account_id, region, delivered }) = FileName::of(&path) else {
            self.unnamed += 1;
            return;
        };
        if !self.accounts.contains(account_id) {
            self.accounts.insert(account_id.to_owned());
        }
        if !self.regions.contains(region) {
            self.regions.insert(region.to_owned());
        }
        let delivered = Some(Time(delivered));
        self.first_delivery = self.first_delivery.min(delivered).or(delivered);
        self.last_delivery = self.last_delivery.max(delivered);
    }

    /// Adds what was not read.
    pub fn complete(self, coverage: &Coverage, data_events_seen: bool) -> Seen {
        let unread = coverage.unread.iter().chain(&coverage.stopped).cloned().collect();
        Seen { data_events_seen, unread, partial: !coverage.is_complete(), ..self }
    }
}
