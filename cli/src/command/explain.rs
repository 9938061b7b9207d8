//! Shows how the rules judge a record, condition by condition.

use std::{fmt::Write, fs, io};

use anyhow::{Context, anyhow, bail};
use quarantine_alert::{
    json::JsonError,
    rule::{self, Alternative, Match, Rules},
    trail::{record::Record, time::rfc3339},
    untrusted::visible,
};
use serde_json::{Value, value::RawValue};
use time::OffsetDateTime;

use crate::{
    args::{Color, ExplainArgs},
    output::Output,
    status::Status,
};

/// A value of the record is cut to this length.
const MAX_CHARS: usize = 200;

/// # Errors
/// The record cannot be read.
pub fn run(arguments: &ExplainArgs) -> anyhow::Result<Status> {
    let is_stdin = arguments.path.as_os_str() == "-";
    let name = if is_stdin { "standard input".into() } else { visible(&arguments.path.to_string_lossy(), 1024) };
    let text = if is_stdin { io::read_to_string(io::stdin()) } else { fs::read_to_string(&arguments.path) };
    let text = text.with_context(|| format!("cannot read {name}"))?;
    let raw = one_record(&text, arguments.event_id.as_deref()).with_context(|| name.clone())?;
    let record = Record::parse(raw.get().as_bytes()).with_context(|| name.clone())?;
    let fields: Value = serde_json::from_str(&record.raw).map_err(JsonError::from).with_context(|| name.clone())?;

    let mut explanation = String::new();
    let mut is_match = false;
    for (rule, alternative) in nearest_first(&record) {
        let accepts = alternative.accepts(&record);
        is_match |= accepts;
        let verdict = if accepts { "MATCH" } else { "no match" };
        let _ = writeln!(explanation, "\n{verdict}: {rule} ({alternative})");
        for check in alternative.checks {
            let condition = format!("{} {} {}", check.field, check.operator, check.values);
            let _ = if check.passes(&record) {
                writeln!(explanation, "  yes  {condition}")
            } else {
                writeln!(explanation, "  NO   {condition}; it is {}", shown(&fields, check.field))
            };
        }
    }
    let summary = Rules::all().judge(record).map_or("No rule matches.\n".into(), |matched| summary(&matched));
    Output::stdout(Color::Auto).write_text(&(summary + &explanation))?;
    Ok(if is_match { Status::Match } else { Status::NoMatch })
}

/// All conditions, the one with the fewest failing checks first.
fn nearest_first(record: &Record) -> Vec<(&'static str, &'static Alternative)> {
    let mut alternatives: Vec<(&str, &Alternative)> =
        rule::ALL.iter().flat_map(|rule| rule.alternatives.iter().map(|alternative| (rule.id, alternative))).collect();
    alternatives.sort_by_key(|(_, each)| each.checks.iter().filter(|check| !check.passes(record)).count());
    alternatives
}

fn summary(matched: &Match) -> String {
    let title = matched.title(&matched.facts.entity.name.visible(128));
    let time = matched.facts.event_time.map_or("unknown".into(), rfc3339);
    let dedup_key = matched.dedup_key(OffsetDateTime::now_utc());
    format!("{} {}: {title}\nEvent time {time}, dedup key {dedup_key}\n", matched.severity, matched.rule.id)
}

/// A single record, or the chosen one of a log file.
fn one_record<'a>(text: &'a str, event_id: Option<&str>) -> anyhow::Result<&'a RawValue> {
    #[derive(serde::Deserialize)]
    struct WithRecords<'a> {
        #[serde(rename = "Records", borrow)]
        records: Vec<&'a RawValue>,
    }
    let list =
        serde_json::from_str::<WithRecords>(text).map(|file| file.records).or_else(|_| serde_json::from_str(text));
    let records: Vec<&RawValue> = match list {
        Ok(records) => records,
        Err(_) => {
            let record = serde_json::from_str(text).map_err(JsonError::from);
            vec![record.context("it is not JSON, or has several documents")?]
        }
    };
    let has_id = |record: &&RawValue| {
        let id = serde_json::from_str::<Value>(record.get())
            .ok()
            .and_then(|record| Some(record.get("eventID")?.as_str()?.to_owned()));
        event_id.is_none_or(|wanted| id.as_deref() == Some(wanted))
    };
    let count = records.len();
    let mut chosen = records.into_iter().filter(has_id);
    match (chosen.next(), chosen.next(), event_id) {
        (Some(record), None, _) => Ok(record),
        (None, _, Some(id)) => Err(anyhow!("none of its {count} records has the eventID {}", visible(id, 64))),
        (None, _, None) => bail!("it contains no record"),
        (Some(_), Some(_), _) => bail!("it contains {count} records; choose one with --event-id"),
    }
}

/// The value of a field.
fn shown(record: &Value, field: &str) -> String {
    let value = field.split('.').try_fold(record, |value, name| value.get(name));
    value.map_or("absent".into(), |value| visible(&value.to_string(), MAX_CHARS))
}
