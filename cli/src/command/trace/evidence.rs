//! The first read of a trace: everything except the calls, and which access keys each log file names.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use quarantine_alert::{
    rule::Match,
    scan::{KeyIds, Needles, Scanned},
    trace::{
        call::{ADDENDUM, replaced_by},
        edges::{self, Edge},
        left_behind::{Undoing, undoing_names},
    },
    trail::{log_file::LogFile, record::Record},
    untrusted::Untrusted,
};

use super::within_memory;
use crate::{coverage::Seen, matches::Matches, progress::plural, search::Sink, source::feed::Judge};

/// The ids of the records that an addendum replaces.
pub type Replaced = HashSet<Untrusted>;

pub struct Evidence {
    pub edges: Vec<Edge>,
    pub undoing: Vec<Undoing>,
    pub replaced: Replaced,
    pub matches: Matches,
    pub seen: Seen,
    pub files: Files,
    follows: bool,
    bytes: usize,
}

/// The evidence in one record.
pub struct Shown {
    edge: Option<Edge>,
    undoing: Vec<Undoing>,
    replaced: Option<Untrusted>,
    matched: Option<Box<Match>>,
}

impl Evidence {
    /// `follows`: whether edges are wanted.
    pub fn new(matches: Matches, follows: bool) -> Evidence {
        Evidence {
            edges: Vec::new(),
            undoing: Vec::new(),
            replaced: Replaced::new(),
            matches,
            seen: Seen::default(),
            files: Files::default(),
            follows,
            bytes: 0,
        }
    }

    pub fn needles(&self) -> Needles {
        let needles = self.matches.rules.each_needle().chain([ADDENDUM]);
        let names = edges::names().filter(|_| self.follows).chain(undoing_names());
        Needles::with_names(needles, names).with_key_ids()
    }
}

impl Sink for Evidence {
    type Wanted = Box<Shown>;

    fn judge(&self) -> Judge<Box<Shown>> {
        let (rules, follows) = (self.matches.rules.clone(), self.follows);
        Box::new(move |record: Record| {
            let edge = if follows { Edge::of(&record) } else { None };
            let (undoing, replaced) = (Undoing::of(&record), replaced_by(&record));
            let matched = rules.judge(record).map(Box::new);
            let is_wanted = edge.is_some() || !undoing.is_empty() || replaced.is_some() || matched.is_some();
            is_wanted.then(|| Box::new(Shown { edge, undoing, replaced, matched }))
        })
    }

    fn take(&mut self, shown: Box<Shown>, log_file: Arc<LogFile>) -> Result<(), String> {
        let Shown { edge, undoing, replaced, matched } = *shown;
        self.bytes += edge.as_ref().map_or(0, Edge::bytes)
            + undoing.iter().map(Undoing::bytes).sum::<usize>()
            + replaced.as_ref().map_or(0, Untrusted::bytes);
        self.edges.extend(edge);
        self.undoing.extend(undoing);
        self.replaced.extend(replaced);
        if let Some(matched) = matched {
            self.matches.take(matched, log_file)?;
        }
        within_memory(self.bytes)
    }

    fn scanned(&mut self, log_file: &LogFile, scanned: &Scanned) {
        self.seen.add(log_file);
        if let Some(key_ids) = &scanned.key_ids {
            self.files.add(log_file, key_ids);
        }
    }

    fn finds_much(&self) -> bool {
        true
    }

    fn note(&self) -> String {
        plural(self.edges.len(), "issued credential")
    }
}

/// Which access keys each log file names. The second read needs only those that name a traced key.
#[derive(Default)]
pub struct Files {
    keys: HashMap<u64, KeyIds>,
    bytes: usize,
}

/// Beyond it, log files are read again.
const MAX_FILES_BYTES: usize = 256 * 1024 * 1024;

impl Files {
    fn add(&mut self, log_file: &LogFile, key_ids: &KeyIds) {
        self.bytes += size_of::<(u64, KeyIds)>() + key_ids.bytes();
        if self.bytes > MAX_FILES_BYTES {
            return;
        }
        // Two log files may have one number, and a log file may be searched twice.
        let number = number(log_file);
        let all = self.keys.get(&number).map_or_else(|| key_ids.clone(), |known| known.union(key_ids));
        self.keys.insert(number, all);
    }

    /// Whether the log file may name one of the keys.
    pub fn may_have(&self, log_file: &LogFile, keys: &HashSet<u32>) -> bool {
        self.keys.get(&number(log_file)).is_none_or(|ids| ids.may_have(keys))
    }
}

fn number(log_file: &LogFile) -> u64 {
    let mut hasher = DefaultHasher::new();
    match log_file {
        // Reading an object shows its version, which its listing does not.
        LogFile::S3(object) => (&object.bucket, &object.key).hash(&mut hasher),
        LogFile::Disk(path) => path.hash(&mut hasher),
        LogFile::Stdin => {}
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_of_which_nothing_is_known_is_read_again() {
        let file = |name: &str| LogFile::Disk(name.into());
        assert!(Files::default().may_have(&file("a"), &HashSet::from([1])));
        assert_ne!(number(&file("a")), number(&file("b")));
    }
}
