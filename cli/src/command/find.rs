//! Prints the incidents in log files.

use std::time::{Duration, Instant};

use quarantine_alert::alert::Alert;
use time::OffsetDateTime;

use crate::{
    args::{FindArgs, Format},
    incidents::{FirstMatch, newest_first},
    matches::{Findings, RowKey, find},
    output::Output,
    progress::{plural, say},
    related::related,
    status::Status,
    stop::Stop,
};

/// Related activity costs another read of a log file. Only the newest incidents get it.
const MAX_RELATED: usize = 100;
/// All these reads together take no longer than this and the last of them.
const RELATED_TIME: Duration = Duration::from_secs(20);

/// # Errors
/// The arguments contradict each other, or the result cannot be written.
pub async fn run(arguments: FindArgs) -> anyhow::Result<Status> {
    let filter = arguments.search.filter()?;
    let output = Output::open(arguments.output.as_deref(), arguments.color)?;
    let stop = Stop::on_signal()?;
    let Findings { matches, count, mut occurrences, coverage, sources } = find(&arguments.search, &filter, &stop).await;
    let incidents = newest_first(matches, &occurrences);
    let shows_related = matches!(arguments.format, Format::Json | Format::Ndjson);
    let mut alerts = Vec::new();
    let mut with_related = 0;
    let started = Instant::now();
    for FirstMatch { pending, claim } in incidents {
        let gets_related =
            shows_related && with_related < MAX_RELATED && started.elapsed() < RELATED_TIME && !stop.is_requested();
        with_related += usize::from(gets_related);
        let related = if gets_related { related(&sources, &pending).await } else { None };
        let now = OffsetDateTime::now_utc();
        let alert = Alert::new(&pending.matched, &claim, pending.log_file.as_deref(), related, false, now);
        alerts.push(Alert { occurrences: occurrences.remove(&RowKey::of(&pending)), ..alert });
    }
    let lacks_related = shows_related && alerts.len() > with_related && !stop.is_requested();
    output.write_alerts(&alerts, arguments.format)?;
    coverage.report(&match alerts.len() {
        0 => "nothing found".into(),
        incidents => format!("{} ({})", plural(incidents, "incident"), plural(count, "match")),
    });
    if lacks_related {
        say(&format!("Only the newest {} have related activity.", plural(with_related, "incident")));
    }
    Ok(if !coverage.is_complete() {
        Status::Incomplete
    } else if alerts.is_empty() {
        Status::NothingFound
    } else {
        Status::Found
    })
}
