//! Prints the incidents in log files.

use std::{collections::HashMap, sync::Arc};

use indicatif::HumanBytes;
use quarantine_alert::{
    alert::Alert,
    config::DedupPeriod,
    engine::pending::PendingMatch,
    rule::{Match, Rules},
    trail::{log_file::LogFile, record::Record},
    untrusted::Untrusted,
};
use time::OffsetDateTime;

use crate::{
    Status,
    args::{FindArgs, SearchArgs},
    coverage::Coverage,
    incidents::{FirstMatch, group, sort},
    output::Output,
    progress::{plural, say},
    search::{Sink, Sources, search},
    source::feed::{Judge, Judged},
    stop::Stop,
};

/// Related activity costs another read of a log file. Only the newest incidents get it.
const MAX_RELATED: usize = 100;

/// Matches are held in memory until all are found. More bytes than these are an attack, or too wide a search.
const MAX_BYTES: usize = 1024 * 1024 * 1024;

/// # Errors
/// The arguments contradict each other, or the result cannot be written.
pub async fn run(arguments: FindArgs) -> anyhow::Result<Status> {
    arguments.search.filter()?;
    let output = Output::open(arguments.output.as_deref(), arguments.format, arguments.color)?;
    let stop = Stop::on_signal()?;
    let Findings { matches, coverage, sources } = find(&arguments.search, &stop).await?;
    let count = matches.len();
    let mut incidents = group(matches, DedupPeriod::default().duration(), HashMap::new());
    // The newest first: it is asked about first.
    incidents.reverse();
    let mut alerts = Vec::new();
    for FirstMatch { pending, claim } in incidents {
        let gets_related = output.shows_related() && alerts.len() < MAX_RELATED && !stop.is_requested();
        let related = if gets_related { sources.related(&pending).await } else { None };
        let now = OffsetDateTime::now_utc();
        alerts.push(Alert::new(&pending.matched, &claim, pending.log_file.as_deref(), related, false, now));
    }
    let lacks_related = output.shows_related() && alerts.len() > MAX_RELATED;
    output.write_alerts(&alerts)?;
    coverage.report(&match alerts.len() {
        0 => "nothing found".into(),
        incidents => format!("{} ({})", plural(incidents, "incident"), plural(count, "match")),
    });
    if lacks_related {
        say(&format!("Only the newest {MAX_RELATED} incidents have related activity."));
    }
    Ok(if !coverage.is_complete() {
        Status::Incomplete
    } else if alerts.is_empty() {
        Status::NothingFound
    } else {
        Status::Found
    })
}

/// The sorted matches of a search, what it read, and where to read it again.
pub struct Findings {
    pub matches: Vec<PendingMatch>,
    pub coverage: Coverage,
    pub sources: Sources,
}

/// Searches for matches of the rules.
///
/// # Errors
/// The arguments contradict each other.
pub async fn find(arguments: &SearchArgs, stop: &Stop) -> anyhow::Result<Findings> {
    let filter = arguments.filter()?;
    let rules = Rules::new(arguments.denied_attempts.is_on());
    let needles = rules.needles();
    let mut sink = Matches { rules, matches: Vec::new(), bytes: 0 };
    let (coverage, sources) = search(&arguments.paths, needles, &filter, &mut sink, stop).await;
    sort(&mut sink.matches);
    Ok(Findings { matches: sink.matches, coverage, sources })
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
    let is = |field: &Option<Untrusted>, test: fn(&str) -> bool| field.as_ref().is_some_and(|field| field.test(test));
    is(&record.event_source, |text| text == "iam.amazonaws.com")
        && is(&record.event_name, |text| text.ends_with("Policy"))
        && record.request_parameters.is_none()
        && record.error_code.is_none()
}
