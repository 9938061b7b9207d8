//! The matches of the function's rules in old log files.

mod thinned;

use std::{collections::HashMap, sync::Arc};

use indicatif::HumanBytes;
use quarantine_alert::{
    alert::Occurrences,
    engine::pending::PendingMatch,
    rule::{Match, OptionalRules, Rules},
    trail::log_file::LogFile,
};

use crate::{
    args::SearchArgs,
    coverage::Coverage,
    filter::Filter,
    incidents::sort,
    progress::plural,
    search::{Sink, Sources, search},
    source::feed::Judge,
    stop::Stop,
};
pub use thinned::RowKey;
use thinned::Thinned;

/// Matches are held in memory until all are found. More bytes than these are an attack, or too wide a search.
const MAX_BYTES: usize = 1024 * 1024 * 1024;

/// The sorted matches of a search, what it read, and where to read it again.
pub struct Findings {
    pub matches: Vec<PendingMatch>,
    /// The number of matches, those that were not kept included.
    pub count: u64,
    /// How often each row matched, for the rules that can match every call of a key.
    pub occurrences: HashMap<RowKey, Occurrences>,
    pub coverage: Coverage,
    pub sources: Sources,
}

/// Searches for matches of the rules.
pub async fn find(arguments: &SearchArgs, filter: &Filter, stop: &Stop) -> Findings {
    let mut sink = Matches::of_rules(arguments);
    let mut sources = Sources::default();
    let needles = sink.rules.needles();
    let coverage = search(&arguments.paths, &mut sources, needles, filter, &mut sink, stop).await;
    let count = sink.count();
    let (matches, occurrences) = sink.finish();
    Findings { matches, count, occurrences, coverage, sources }
}

/// Collects the matches of the rules.
pub struct Matches {
    pub rules: Rules,
    matches: Vec<PendingMatch>,
    thinned: Thinned,
    bytes: usize,
}

impl Matches {
    pub fn of_rules(arguments: &SearchArgs) -> Matches {
        let rules = Rules::new(OptionalRules {
            denied: arguments.denied_attempts.is_on(),
            enforced: arguments.enforced_denials.is_on(),
        });
        Matches { rules, matches: Vec::new(), thinned: Thinned::default(), bytes: 0 }
    }

    /// The sorted matches, and how many there were of those that are thinned.
    pub fn finish(mut self) -> (Vec<PendingMatch>, HashMap<RowKey, Occurrences>) {
        let (mut matches, occurrences) = self.thinned.finish();
        matches.append(&mut self.matches);
        sort(&mut matches);
        (matches, occurrences)
    }

    fn count(&self) -> u64 {
        self.matches.len() as u64 + self.thinned.count()
    }
}

impl Sink for Matches {
    type Wanted = Box<Match>;

    fn judge(&self) -> Judge<Box<Match>> {
        let rules = self.rules.clone();
        Box::new(move |record| rules.judge(record).map(Box::new))
    }

    fn take(&mut self, matched: Box<Match>, log_file: Arc<LogFile>) -> Result<(), String> {
        let pending = PendingMatch::new(*matched, Some(log_file));
        self.bytes += pending.bytes();
        if pending.matched.rule.period_hours.is_some() {
            self.bytes -= self.thinned.add(pending);
        } else {
            self.matches.push(pending);
        }
        if self.bytes > MAX_BYTES {
            let most = HumanBytes(MAX_BYTES as u64);
            return Err(format!("more than {most} of matches were found; use --since, --until or --account"));
        }
        Ok(())
    }

    fn note(&self) -> String {
        plural(self.count(), "match")
    }
}
