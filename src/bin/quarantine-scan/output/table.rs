//! The table that people look at: a row a line, or, on a terminal that is too narrow for it, a few lines a row.

use std::env;

use comfy_table::{
    Attribute, Cell, Color as Foreground, ColumnConstraint, ContentArrangement, Table,
    presets::{NOTHING, UTF8_HORIZONTAL_ONLY},
};
use quarantine_alert::{
    alert::Alert,
    rule::{Outcome, Severity},
    untrusted::Untrusted,
};

use crate::args::Color;

/// How a table looks.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Whether it is fitted to the width of a terminal.
    pub is_fitted: bool,
    pub is_colored: bool,
}

impl Look {
    pub fn of(is_terminal: bool, color: Color) -> Look {
        let wants_none = || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = || env::var_os("TERM").is_some_and(|value| value == "dumb");
        let is_colored = match color {
            Color::Auto => is_terminal && !wants_none() && !is_dumb(),
            Color::Always => true,
            Color::Never => false,
        };
        Look { is_fitted: is_terminal, is_colored }
    }
}

/// What people look at, in this order.
const HEADER: [&str; 8] = ["TIME", "OUTCOME", "ACCOUNT", "ENTITY", "POLICY", "ACTOR", "ATTACHED BY", "WHERE"];
/// The same, where the terminal is too narrow.
const STACKED: [&str; 3] = ["TIME, OUTCOME,\nATTACHED BY", "ACCOUNT,\nENTITY", "POLICY,\nACTOR, WHERE"];
/// Between two columns.
const GAP: u16 = 2;

pub fn text(alerts: &[Alert], look: Look) -> String {
    let mut table = table(&HEADER, look);
    for alert in alerts {
        let Row { entity, policy, actor, place } = Row::of(alert);
        let removed = if alert.outcome == Outcome::Removed { "removed: " } else { "" };
        let who = if alert.actor.aws_internal { "AWS" } else { "not AWS" };
        table.add_row([
            Cell::new(&alert.event_time),
            Cell::new(alert.outcome).fg(color(alert)),
            Cell::new(&alert.account_id),
            Cell::new(entity).add_attribute(Attribute::Bold),
            Cell::new(policy),
            Cell::new(actor),
            Cell::new(format!("{removed}{who}")),
            Cell::new(place),
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
        let Row { entity, policy, actor, place } = Row::of(alert);
        let who = if alert.actor.aws_internal { "by AWS" } else { "not by AWS" };
        table.add_row([
            Cell::new(format!("{}\n{}\n{who}", alert.event_time, alert.outcome)).fg(color(alert)),
            Cell::new(format!("{}\n{entity}", alert.account_id)).add_attribute(Attribute::Bold),
            Cell::new(format!("{policy}\n{actor}\n{place}")),
        ]);
    }
    // Times and outcomes stay whole on the narrowest terminal.
    table.column_iter_mut().take(1).for_each(|column| _ = column.set_constraint(ColumnConstraint::ContentWidth));
    fitted(table)
}

/// What a row shows of an alert that a log had a say in.
struct Row {
    entity: String,
    policy: String,
    actor: String,
    place: String,
}

impl Row {
    fn of(alert: &Alert) -> Row {
        let shown = |text: Option<&Untrusted>, most| text.map_or("unknown".into(), |text| text.visible(most));
        let actor = [&alert.actor.arn, &alert.actor.principal_id, &alert.actor.kind].into_iter().flatten().next();
        let key = shown(alert.source.key.as_ref(), 1024);
        Row {
            entity: format!("{} {}", alert.entity.kind, alert.entity.name.visible(128)),
            policy: shown(alert.policy.as_ref().map(|policy| &policy.name), 128),
            actor: shown(actor, 256),
            place: alert
                .source
                .bucket
                .as_ref()
                .map_or(key.clone(), |bucket| format!("s3://{}/{key}", bucket.visible(63))),
        }
    }
}

fn color(alert: &Alert) -> Foreground {
    match alert.severity {
        Severity::Critical => Foreground::Red,
        Severity::High => Foreground::Yellow,
        Severity::Medium => Foreground::Cyan,
    }
}

/// A table of anything, fitted where it must be.
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

/// A row a line, however long.
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

/// Of standard output, where that is a terminal.
fn terminal_width() -> Option<u16> {
    Table::new().width().filter(|width| *width > 0)
}
