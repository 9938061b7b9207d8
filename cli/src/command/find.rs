//! Prints the incidents in log files.

use std::collections::{HashMap, HashSet};

use quarantine_alert::{alert::Alert, config::DedupPeriod};
use time::OffsetDateTime;

use crate::{
    args::FindArgs,
    incidents::{FirstMatch, group},
    matches::{Findings, find},
    output::Output,
    progress::{plural, say},
    related::related,
    status::Status,
    stop::Stop,
};

/// Related activity costs another read of a log file. Only the newest incidents get it.
const MAX_RELATED: usize = 100;

/// # Errors
/// The arguments contradict each other, or the result cannot be written.
pub async fn run(arguments: FindArgs) -> anyhow::Result<Status> {
    let filter = arguments.search.filter()?;
    let output = Output::open(arguments.output.as_deref(), arguments.format, arguments.color)?;
    let stop = Stop::on_signal()?;
    let Findings { matches, count, mut occurrences, coverage, sources } = find(&arguments.search, &filter, &stop).await;
    let mut incidents = group(matches, DedupPeriod::default().duration(), HashMap::new());
    // One row, at the first match, for the incidents that have their occurrences counted.
    let mut shown = HashSet::new();
    incidents.retain(|incident| {
        let key = &incident.pending.key.dedup_key;
        !occurrences.contains_key(key) || shown.insert(key.clone())
    });
    // The newest first: it is asked about first.
    incidents.reverse();
    let mut alerts = Vec::new();
    for FirstMatch { pending, claim } in incidents {
        let gets_related = output.shows_related() && alerts.len() < MAX_RELATED && !stop.is_requested();
        let related = if gets_related { related(&sources, &pending).await } else { None };
        let now = OffsetDateTime::now_utc();
        let alert = Alert::new(&pending.matched, &claim, pending.log_file.as_deref(), related, false, now);
        alerts.push(Alert { occurrences: occurrences.remove(&pending.key.dedup_key), ..alert });
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
