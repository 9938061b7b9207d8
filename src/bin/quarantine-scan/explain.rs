//! What the rules make of a record, and the rules themselves.

use std::{fmt::Write, fs, io};

use anyhow::{Context, anyhow, bail};
use quarantine_alert::{
    alert::rfc3339,
    record::Record,
    rule::{self, Alternative, Rules},
    untrusted::visible,
};
use serde_json::{Value, value::RawValue};

use crate::{
    Status,
    args::{self, RulesFormat},
    output::{Output, one_line, rows},
};

const MOST_CHARS: usize = 200;

/// # Errors
/// The record cannot be read.
pub fn explain(arguments: &args::Explain) -> anyhow::Result<Status> {
    let (name, text) = if arguments.path.as_os_str() == "-" {
        ("standard input".into(), io::read_to_string(io::stdin()))
    } else {
        (visible(&arguments.path.to_string_lossy(), 1024), fs::read_to_string(&arguments.path))
    };
    let text = text.with_context(|| format!("{name} cannot be read"))?;
    let raw = one_record(&text, arguments.event_id.as_deref()).with_context(|| name.clone())?;
    let record = Record::parse(raw.get().as_bytes()).with_context(|| name.clone())?;
    let fields: Value = serde_json::from_str(record.raw.get()).with_context(|| name.clone())?;

    let mut text = String::new();
    let mut is_match = false;
    let mut ways: Vec<(&str, &Alternative)> =
        rule::ALL.iter().flat_map(|rule| rule.alternatives.iter().map(|way| (rule.id, way))).collect();
    // What holds the most comes first: the match, or what came nearest to it.
    ways.sort_by_key(|(_, way)| way.checks.iter().filter(|check| !check.passes(&record)).count());
    for (rule, way) in ways {
        let accepts = way.accepts(&record);
        is_match |= accepts;
        let verdict = if accepts { "MATCH" } else { "no match" };
        let _ = writeln!(text, "\n{verdict}: {rule} ({})", way.means);
        for check in way.checks {
            let passes = check.passes(&record);
            let _ = write!(
                text,
                "  {:<4} {} {} {}",
                if passes { "yes" } else { "NO" },
                check.field,
                check.operator,
                check.values
            );
            let _ = writeln!(
                text,
                "{}",
                if passes { String::new() } else { format!("; it is {}", shown(&fields, check.field)) }
            );
        }
    }
    let summary = match Rules::new(true).judge(record) {
        None => "No rule matches.\n".to_owned(),
        Some(matched) => {
            let title = matched.outcome.title(
                matched.entity.kind,
                &matched.entity.name.visible(128),
                matched.record.account_id(),
            );
            let time = matched.record.event_time.map_or("unknown".into(), rfc3339);
            format!(
                "{} {}: {title}\nEvent time {time}, dedup key {}\n",
                matched.severity,
                matched.rule.id,
                matched.dedup_key()
            )
        }
    };
    Output::of_text()?.write_text(&(summary + &text))?;
    Ok(if is_match { Status::Found } else { Status::NothingFound })
}

/// The record by itself, or the one of a log file that is meant.
fn one_record<'a>(text: &'a str, event_id: Option<&str>) -> anyhow::Result<&'a RawValue> {
    #[derive(serde::Deserialize)]
    struct LogFile<'a> {
        #[serde(rename = "Records", borrow)]
        records: Vec<&'a RawValue>,
    }
    let list = serde_json::from_str::<LogFile>(text).map(|file| file.records).or_else(|_| serde_json::from_str(text));
    let records: Vec<&RawValue> = match list {
        Ok(records) => records,
        Err(_) => vec![serde_json::from_str(text).context("it is no JSON, or of more than one document")?],
    };
    let has_id = |record: &&RawValue| {
        let id = serde_json::from_str::<Value>(record.get())
            .ok()
            .and_then(|record| Some(record.get("eventID")?.as_str()?.to_owned()));
        event_id.is_none_or(|wanted| id.as_deref() == Some(wanted))
    };
    let count = records.len();
    let mut meant = records.into_iter().filter(has_id);
    match (meant.next(), meant.next(), event_id) {
        (Some(record), None, _) => Ok(record),
        (None, _, Some(id)) => Err(anyhow!("none of its {count} records has the eventID {}", visible(id, 64))),
        (None, _, None) => bail!("it holds no record"),
        (Some(_), Some(_), _) => bail!("it holds {count} records; choose one by --event-id"),
    }
}

/// What stands in a field.
fn shown(record: &Value, field: &str) -> String {
    let value = field.split('.').try_fold(record, |value, name| value.get(name));
    value.map_or("absent".into(), |value| visible(&value.to_string(), MOST_CHARS))
}

/// # Errors
/// It cannot be written.
pub fn rules(arguments: &args::Rules) -> anyhow::Result<Status> {
    let output = Output::of_text()?;
    let text = match arguments.format {
        RulesFormat::Json => {
            let rules: Vec<String> = rule::ALL.iter().map(one_line).collect::<Result<_, _>>()?;
            format!("[\n{}\n]\n", rules.join(",\n"))
        }
        RulesFormat::Table => {
            let header = ["RULE", "OUTCOME", "WHERE ALL OF THIS HOLDS", "MITRE"];
            let ways = rule::ALL.iter().flat_map(|rule| rule.alternatives.iter().map(move |way| (rule, way)));
            let lines = ways.map(|(rule, way)| {
                let checks =
                    way.checks.iter().map(|check| format!("{} {} {}", check.field, check.operator, check.values));
                let checks = checks.collect::<Vec<_>>().join("\n");
                [rule.id.to_owned(), way.means.to_owned(), checks, rule.reports.join(", ")]
            });
            rows(&header, lines.collect(), output.look())
        }
    };
    output.write_text(&text)?;
    Ok(Status::NothingFound)
}
