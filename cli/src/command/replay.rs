//! Publishes the matches of old log files, with the function's own claims and topic.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, anyhow};
use quarantine_alert::{
    alert::Alert,
    aws::{alert_topic::AlertTopic, dedup_table::DedupTable, sdk_config},
    dedup::{Claim, NO_REMOVALS},
    engine::{
        ledger::{Answer, Claims, Ledger},
        pending::PendingMatch,
        publisher::Publisher,
    },
};
use time::OffsetDateTime;
use tokio::time::sleep;

use crate::{
    args::{Color, ReplayArgs},
    incidents::{FirstMatch, group},
    matches::{Findings, find},
    output::Output,
    progress::plural,
    related::related,
    search::Sources,
    status::Status,
    stop::Stop,
};

/// The outcome of a replay.
#[derive(Default)]
struct Replayed {
    alerted: usize,
    suppressed: usize,
    lines: String,
}

/// # Errors
/// The table or the topic cannot be used. Alerts that were sent are suppressed in the next run.
pub async fn run(arguments: ReplayArgs) -> anyhow::Result<Status> {
    let filter = arguments.search.filter()?;
    let stop = Stop::on_signal()?;
    let sdk = sdk_config().await;
    let table = DedupTable::new(&sdk, arguments.table.clone());
    // A search may take hours. It is useless without the table.
    table.load("quarantine-scan").await.context("nothing was sent")?;
    let Findings { matches, count, coverage, sources, .. } = find(&arguments.search, &filter, &stop).await;
    let mut replayed =
        Replayed { suppressed: usize::try_from(count).unwrap_or(usize::MAX) - matches.len(), ..Replayed::default() };
    let sent = if arguments.yes {
        let ledger = Ledger::new(table, arguments.dedup_period_minutes);
        let publisher = Publisher::new(AlertTopic::new(&sdk, arguments.topic_arn), arguments.https_format);
        send(matches, &ledger, &publisher, &sources, &stop, &mut replayed).await
    } else {
        predict(matches, &table, arguments.dedup_period_minutes.duration(), &mut replayed).await
    };
    Output::stdout(Color::Auto).write_text(&replayed.lines)?;
    let alerts = plural(replayed.alerted, "alert");
    let suppressed = plural(replayed.suppressed, "match");
    coverage.report(&if arguments.yes {
        format!("{alerts} sent, {suppressed} suppressed (already alerted, or beyond the flood bound); found")
    } else {
        format!("{alerts} would be sent, {suppressed} suppressed (already alerted, or beyond the flood bound); use --yes to send; found")
    });
    let is_sent = sent?;
    Ok(if coverage.is_complete() && is_sent { Status::Done } else { Status::Incomplete })
}

/// Sends the alerts, the oldest first. Returns `false` if it was stopped before the last.
async fn send(
    matches: Vec<PendingMatch>,
    ledger: &Ledger,
    publisher: &Publisher,
    sources: &Sources,
    stop: &Stop,
    replayed: &mut Replayed,
) -> anyhow::Result<bool> {
    let claims = ledger.open(None);
    for pending in matches {
        if stop.is_requested() {
            return Ok(false);
        }
        let Some(claim) = claim(&claims, &pending, stop).await? else {
            // A signal may have interrupted the wait for another process's claim.
            replayed.suppressed += usize::from(!stop.is_requested());
            continue;
        };
        let related = related(sources, &pending).await;
        let now = OffsetDateTime::now_utc();
        let alert = Alert::new(&pending.matched, &claim, pending.log_file.as_deref(), related, false, now);
        let line = line("sent", &alert);
        publisher.publish(alert).await.context("the remaining alerts were not sent; correct this and run it again")?;
        replayed.add(&line);
        claims
            .complete_strictly(&claim)
            .await
            .context("an alert was sent but not recorded; the next run may send it again")?;
    }
    Ok(!stop.is_requested())
}

/// The claim on a match. `None` if its incident is alerted, or the run is stopped while another process works on it.
///
/// The function alerts without its table; a replay does not, since history can wait.
async fn claim(claims: &Claims<'_>, pending: &PendingMatch, stop: &Stop) -> anyhow::Result<Option<Claim>> {
    loop {
        let answer = claims.claim_strictly(pending, &NO_REMOVALS).await;
        match answer.context("the remaining alerts were not sent, since they could be duplicates")? {
            Answer::Publish { claim, .. } => return Ok(Some(claim)),
            Answer::Suppress | Answer::Flooded => return Ok(None),
            Answer::Wait(until) => {
                let left = until - OffsetDateTime::now_utc().unix_timestamp();
                tokio::select! {
                    () = sleep(Duration::from_secs(u64::try_from(left).unwrap_or(0).max(1))) => {}
                    () = stop.requested() => return Ok(None),
                }
            }
            Answer::NoTime => return Err(anyhow!("a claim ran out of time without a deadline; report this bug")),
        }
    }
}

/// Shows what would be sent. The table is read, and nothing is written.
async fn predict(
    matches: Vec<PendingMatch>,
    table: &DedupTable,
    period: Duration,
    replayed: &mut Replayed,
) -> anyhow::Result<bool> {
    let count = matches.len();
    let mut documents = HashMap::new();
    for pending in &matches {
        let entity = &pending.key.entity;
        if !documents.contains_key(entity) {
            documents.insert(entity.clone(), table.load(entity).await?);
        }
    }
    for FirstMatch { pending, claim } in group(matches, period, documents) {
        let now = OffsetDateTime::now_utc();
        let alert = Alert::new(&pending.matched, &claim, pending.log_file.as_deref(), None, false, now);
        replayed.add(&line("would send", &alert));
    }
    replayed.suppressed += count - replayed.alerted;
    Ok(true)
}

impl Replayed {
    fn add(&mut self, line: &str) {
        self.alerted += 1;
        self.lines.push_str(line);
    }
}

fn line(what: &str, alert: &Alert) -> String {
    let time = alert.event_time.as_deref().unwrap_or("unknown time");
    format!("{what}: {} {}: {}, alert {}\n", time, alert.severity, alert.title, alert.alert_id)
}
