//! The matches of the function's rules in old log files.

use std::sync::Arc;

use indicatif::HumanBytes;
use quarantine_alert::{
    engine::pending::PendingMatch,
    rule::{Match, Rules},
    trail::{log_file::LogFile, record::Record},
};

use crate::{
    args::SearchArgs,
    coverage::Coverage,
    filter::Filter,
    incidents::sort,
    progress::plural,
    search::{Sink, Sources, search},
    source::feed::{Judge, Judged},
    stop::Stop,
};

/// Matches are held in memory until all are found. More bytes than these are an attack, or too wide a search.
const MAX_BYTES: usize = 1024 * 1024 * 1024;

/// The sorted matches of a search, what it read, and where to read it again.
pub struct Findings {
    pub matches: Vec<PendingMatch>,
    pub coverage: Coverage,
    pub sources: Sources,
}

/// Searches for matches of the rules.
pub async fn find(arguments: &SearchArgs, filter: &Filter, stop: &Stop) -> Findings {
    let rules = Rules::new(arguments.denied_attempts.is_on());
    let needles = rules.needles();
    let mut sink = Matches { rules, matches: Vec::new(), bytes: 0 };
    let (coverage, sources) = search(&arguments.paths, needles, filter, &mut sink, stop).await;
    sort(&mut sink.matches);
    Findings { matches: sink.matches, coverage, sources }
}

/// Collects the matches of the rules.
struct Matches {
    rules: Rules,
    matches: Vec<PendingMatch>,
    bytes: usize,
}

impl Sink for Matches {
    type Wanted = Box<Match>;

    fn judge(&self) -> Judge<Box<Match>> {
        let rules = self.rules.clone();
        Box::new(move |record| {
            if lacks_parameters(&record) {
                return Judged::Unclear("contains a policy call without its parameters (requestParameters)");
            }
            rules.judge(record).map_or(Judged::Unwanted, |matched| Judged::Wanted(Box::new(matched)))
        })
    }

    fn take(&mut self, matched: Box<Match>, log_file: Arc<LogFile>) -> Result<(), String> {
        let pending = PendingMatch::new(*matched, Some(log_file));
        self.bytes += pending.bytes();
        self.matches.push(pending);
        if self.bytes > MAX_BYTES {
            let most = HumanBytes(MAX_BYTES as u64);
            return Err(format!("more than {most} of matches were found; use --since, --until or --account"));
        }
        Ok(())
    }

    fn note(&self) -> String {
        plural(self.matches.len(), "match")
    }
}

/// CloudTrail omits the parameters only from failed calls. An export may have turned them into text or columns.
fn lacks_parameters(record: &Record) -> bool {
    let is_policy_call = record.event_name.as_ref().is_some_and(|name| name.test(|text| text.ends_with("Policy")));
    record.is_of_iam() && is_policy_call && record.request_parameters.is_none() && record.error_code.is_none()
}
