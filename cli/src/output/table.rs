//! The table for people: one line per row, or several lines per row on a terminal that is too narrow.

use std::env;

use comfy_table::{
    Attribute, Cell, Color as Foreground, ColumnConstraint, ContentArrangement, Table,
    presets::{NOTHING, UTF8_HORIZONTAL_ONLY},
};
use quarantine_alert::{
    alert::{Alert, Occurrences},
    rule::Severity,
    untrusted::Untrusted,
};

use crate::args::Color;

/// How a table looks.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Whether it is fitted to a terminal's width.
    pub is_fitted: bool,
    pub is_colored: bool,
}

impl Look {
    pub fn of(is_terminal: bool, color: Color) -> Look {
        let is_unwanted = || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = || env::var_os("TERM").is_some_and(|value| value == "dumb");
        let is_colored = match color {
            Color::Auto => is_terminal && !is_unwanted() && !is_dumb(),
            Color::Always => true,
            Color::Never => false,
        };
        Look { is_fitted: is_terminal, is_colored }
    }
}

const HEADER: [&str; 8] = ["TIME", "OUTCOME", "ACCOUNT", "ENTITY", "POLICY", "ACTOR", "CALLED BY", "LOG FILE"];
/// For a narrow terminal.
const STACKED: [&str; 3] = ["TIME, OUTCOME,\nCALLED BY", "ACCOUNT,\nENTITY", "POLICY, ACTOR,\nLOG FILE"];
/// The spaces between two columns.
const GAP: u16 = 2;

pub fn text(alerts: &[Alert], look: Look) -> String {
    let mut table = table(&HEADER, look);
    for alert in alerts {
        let Row { time, outcome, entity, policy, actor, caller, log_file } = Row::of(alert);
        table.add_row([
            Cell::new(time),
            Cell::new(outcome).fg(color(alert)),
            Cell::new(&alert.account_id),
            Cell::new(entity).add_attribute(Attribute::Bold),
            Cell::new(policy),
            Cell::new(actor),
            Cell::new(caller),
            Cell::new(log_file),
        ]);
    }
    let width = table.column_max_content_widths().iter().map(|width| width + GAP).sum();
    match terminal_width().filter(|_| look.is_fitted) {
        Some(terminal) if terminal < width => stacked(alerts, look),
        _ => plain(table),
    }
}

fn stacked(alerts: &[Alert], look: Look) -> String {
    let mut table = table(&STACKED, look);
    for alert in alerts {
        let Row { time, outcome, entity, policy, actor, caller, log_file } = Row::of(alert);
        table.add_row([
            Cell::new(format!("{time}\n{outcome}\n{caller}")).fg(color(alert)),
            Cell::new(format!("{}\n{entity}", alert.account_id)).add_attribute(Attribute::Bold),
            Cell::new(format!("{policy}\n{actor}\n{log_file}")),
        ]);
    }
    // Times and outcomes stay whole on the narrowest terminal.
    table.column_iter_mut().take(1).for_each(|column| _ = column.set_constraint(ColumnConstraint::ContentWidth));
    fitted(table)
}

/// The values of a row.
struct Row {
    time: String,
    outcome: String,
    entity: String,
    policy: String,
    actor: String,
    caller: &'static str,
    log_file: String,
}

impl Row {
    fn of(alert: &Alert) -> Row {
        let shown = |text: Option<&Untrusted>, max| text.map_or("unknown".into(), |text| text.visible(max));
        let actor = [&alert.actor.arn, &alert.actor.principal_id, &alert.actor.kind].into_iter().flatten().next();
        let key = shown(alert.source.key.as_ref(), 1024);
        Row {
            time: alert.event_time.clone().unwrap_or_else(|| "unknown".into()),
            outcome: outcome(alert),
            entity: format!("{} {}", alert.entity.kind, alert.entity.name.visible(128)),
            policy: shown(alert.policy.as_ref().map(|policy| &policy.name), 128),
            actor: shown(actor, 256),
            caller: match alert.actor.aws_internal {
                Some(true) => "AWS",
                Some(false) => "not AWS",
                None => "unknown",
            },
            log_file: match &alert.source.bucket {
                Some(bucket) => format!("s3://{}/{key}", bucket.visible(63)),
                None => key,
            },
        }
    }
}

/// The outcome, with the number of calls if the row has several.
fn outcome(alert: &Alert) -> String {
    match &alert.occurrences {
        Some(Occurrences { count, last_event_time, .. }) if *count > 1 => {
            let until = last_event_time.as_ref().map_or(String::new(), |last| format!(" until {last}"));
            format!("{} {count} times{until}", alert.outcome)
        }
        _ => alert.outcome.to_string(),
    }
}

fn color(alert: &Alert) -> Foreground {
    match alert.severity {
        Severity::Critical => Foreground::Red,
        Severity::High => Foreground::Yellow,
        Severity::Medium => Foreground::Cyan,
    }
}

/// A table of texts.
pub fn rows<const COLUMNS: usize>(header: &[&str; COLUMNS], rows: Vec<[String; COLUMNS]>, look: Look) -> String {
    let mut table = table(header, look);
    table.add_rows(rows);
    if look.is_fitted { fitted(table) } else { plain(table) }
}

fn table(header: &[&str], look: Look) -> Table {
    let mut table = Table::new();
    if look.is_colored {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    table
}

/// One line per row, whatever its length.
fn plain(mut table: Table) -> String {
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.column_iter_mut().for_each(|column| _ = column.set_padding((0, GAP)));
    table.trim_fmt() + "\n"
}

fn fitted(mut table: Table) -> String {
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = terminal_width() {
        table.set_width(width);
    }
    table.trim_fmt() + "\n"
}

/// The width of standard output if it is a terminal.
fn terminal_width() -> Option<u16> {
    Table::new().width().filter(|width| *width > 0)
}
