//! Publishes what is found, by the function's own claims and topic.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, anyhow};
use quarantine_alert::{
    alert::Alert,
    aws::{alert_topic::AlertTopic, dedup_table::DedupTable, sdk_config},
    config::{Config, ConfigError},
    dedup::Claim,
    handler::{
        ledger::{Answer, Claims, Ledger},
        publisher::Publisher,
        turn::Turn,
    },
};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use crate::{
    Status, args,
    find::find,
    findings::{Findings, plural},
    incidents::{Incident, group, sort},
    output::Output,
    stop::Stop,
};

/// No invocation ends this process: a claim may always be made.
const NO_DEADLINE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const NOTHING_SENT: &str = "nothing more is sent, since copies might be";

/// What came of the matches.
#[derive(Default)]
struct Told {
    alerted: usize,
    suppressed: usize,
    lines: String,
}

/// # Errors
/// A value is bad, or the table or the topic cannot be used. What was sent is sent, and a further run suppresses it.
pub async fn run(arguments: args::Replay) -> anyhow::Result<Status> {
    let config = config(&arguments)?;
    let period = config.dedup_period;
    let stop = Stop::on_signal()?;
    let sdk = sdk_config().await;
    let table = DedupTable::new(&sdk, &config.dedup_table);
    // Before hours are spent on what is to be claimed in it.
    table.load("quarantine-scan").await.context(NOTHING_SENT)?;
    let mut found = find(&arguments.search, &stop).await?;
    let mut turns = std::mem::take(&mut found.turns);
    sort(&mut turns);
    let mut told = Told::default();
    let sent = if arguments.yes {
        let ledger = Ledger::new(table, period);
        let publisher = Publisher::new(AlertTopic::new(&sdk, &config), config.https_format);
        send(turns, &ledger, &publisher, &found, &stop, &mut told).await
    } else {
        foretell(turns, &table, period, &mut told).await
    };
    Output::of_text()?.write_text(&told.lines)?;
    let (alerts, copies) = (plural(told.alerted, "alert"), plural(told.suppressed, "match"));
    found.report(&if arguments.yes {
        format!("{alerts} sent, {copies} suppressed as alerted already; found")
    } else {
        format!("{alerts} would be sent, {copies} suppressed as alerted already (--yes sends them); found")
    });
    let is_sent = sent?;
    Ok(if found.is_complete() && is_sent { Status::NothingFound } else { Status::Incomplete })
}

/// Sends one after another, oldest first; `false` if it was stopped before the last.
async fn send(
    turns: Vec<Turn>,
    ledger: &Ledger,
    publisher: &Publisher,
    found: &Findings,
    stop: &Stop,
    told: &mut Told,
) -> anyhow::Result<bool> {
    let claims = ledger.open(Instant::now() + NO_DEADLINE);
    for turn in turns {
        if stop.is_asked() {
            return Ok(false);
        }
        let Some(claim) = claim(&claims, &turn, stop).await? else {
            // Not so where the wait for another's claim was cut short, which the next turn notices.
            told.suppressed += usize::from(!stop.is_asked());
            continue;
        };
        let related = found.related(&turn).await;
        let (log_file, now) = (turn.log_file.as_deref(), OffsetDateTime::now_utc());
        let alert = Alert::new(&turn.matched, &claim, log_file, related, false, now);
        let line = line("sent", &alert);
        publisher.publish(alert).await.context("the rest is not sent; run it again once this is mended")?;
        told.add(&line);
        claims.complete_strictly(&claim).await.context("an alert is sent whose incident may alert once more")?;
    }
    Ok(!stop.is_asked())
}

/// The claim on a match; `None` if its incident is alerted, or the run is stopped while another works on it.
///
/// History can wait: where the function would alert without its table, this stops.
async fn claim(claims: &Claims<'_>, turn: &Turn, stop: &Stop) -> anyhow::Result<Option<Claim>> {
    loop {
        match claims.claim_strictly(turn).await.context(NOTHING_SENT)? {
            Answer::Publish { claim, .. } => return Ok(Some(claim)),
            Answer::Suppress => return Ok(None),
            Answer::Wait(until) => {
                let left = until - OffsetDateTime::now_utc().unix_timestamp();
                tokio::select! {
                    () = sleep(Duration::from_secs(u64::try_from(left).unwrap_or(0).max(1))) => {}
                    () = stop.asked() => return Ok(None),
                }
            }
            Answer::NoTime => {
                return Err(anyhow!("a claim would outlast its deadline, which is a bug of this program"));
            }
        }
    }
}

/// Tells what would be sent; the table is read, and nothing is written.
async fn foretell(turns: Vec<Turn>, table: &DedupTable, period: Duration, told: &mut Told) -> anyhow::Result<bool> {
    let matches = turns.len();
    let mut documents = HashMap::new();
    for turn in &turns {
        if !documents.contains_key(&turn.dedup_key) {
            documents.insert(turn.dedup_key.clone(), table.load(&turn.dedup_key).await?);
        }
    }
    for Incident { turn, claim } in group(turns, period, documents) {
        let (log_file, now) = (turn.log_file.as_deref(), OffsetDateTime::now_utc());
        told.add(&line("would send", &Alert::new(&turn.matched, &claim, log_file, None, false, now)));
    }
    told.suppressed = matches - told.alerted;
    Ok(true)
}

impl Told {
    fn add(&mut self, line: &str) {
        self.alerted += 1;
        self.lines.push_str(line);
    }
}

fn line(what: &str, alert: &Alert) -> String {
    format!("{what}: {} {}: {}, alert {}\n", alert.event_time, alert.severity, alert.title, alert.alert_id)
}

/// The function's own configuration, checked by its own rules.
fn config(arguments: &args::Replay) -> anyhow::Result<Config> {
    let get = |name: &str| match name {
        "ALERT_TOPIC_ARN" => Some(arguments.topic_arn.clone()),
        "DEDUP_TABLE" => Some(arguments.table.clone()),
        "DEDUP_PERIOD_MINUTES" => Some(arguments.dedup_period_minutes.clone()),
        "HTTPS_FORMAT" => Some(arguments.https_format.clone()),
        _ => None,
    };
    Config::from_env(get).map_err(|error| {
        let option = |variable: &str| match variable {
            "ALERT_TOPIC_ARN" => "--topic-arn",
            "DEDUP_TABLE" => "--table",
            "DEDUP_PERIOD_MINUTES" => "--dedup-period-minutes",
            _ => "--https-format",
        };
        match error {
            ConfigError::Missing { variable, wants } => anyhow!("{} is empty; set it to {wants}", option(variable)),
            ConfigError::Bad { variable, value, wants } => {
                anyhow!("{} is {value:?}; set it to {wants}", option(variable))
            }
        }
    })
}
