//! The table that people look at: on a terminal fitted to its width and in colour, elsewhere a row a line.

use std::env;

use comfy_table::{
    Attribute, Cell, ColumnConstraint, ContentArrangement, Table,
    presets::{NOTHING, UTF8_HORIZONTAL_ONLY},
};
use quarantine_alert::{
    alert::Alert,
    rule::{Outcome, Severity},
    untrusted::{Untrusted, visible},
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

pub fn text(alerts: &[Alert], look: Look) -> String {
    let mut table = rows(&HEADER, look);
    for alert in alerts {
        let color = match alert.severity {
            Severity::Critical => comfy_table::Color::Red,
            Severity::High => comfy_table::Color::Yellow,
            Severity::Medium => comfy_table::Color::Cyan,
        };
        let actor = [&alert.actor.arn, &alert.actor.principal_id, &alert.actor.kind].into_iter().flatten().next();
        let shown = |text: Option<&Untrusted>, most| text.map_or("unknown".into(), |text| text.visible(most));
        table.add_row([
            Cell::new(&alert.event_time),
            Cell::new(alert.outcome).fg(color),
            Cell::new(&alert.account_id),
            Cell::new(format!("{} {}", alert.entity.kind, alert.entity.name.visible(128)))
                .add_attribute(Attribute::Bold),
            Cell::new(alert.policy.as_ref().map_or("unknown".into(), |policy| policy.name.visible(128))),
            Cell::new(shown(actor, 256)),
            Cell::new(called_by(alert)),
            Cell::new(place(alert)),
        ]);
    }
    // What is shorter than its column is never cut; the rest is wrapped, so that nothing is hidden.
    for fixed in [1, 2] {
        if let Some(column) = table.column_mut(fixed) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt() + "\n"
}

/// A removal stands in the same column, and says so.
fn called_by(alert: &Alert) -> String {
    let who = if alert.actor.aws_internal { "AWS" } else { "not AWS" };
    if alert.outcome == Outcome::Removed { format!("removed: {who}") } else { who.into() }
}

/// A table with that header, to which rows are added.
pub fn rows(header: &[&str], look: Look) -> Table {
    let mut table = Table::new();
    let width = table.width().filter(|_| look.is_fitted);
    table.load_style(if look.is_fitted { UTF8_HORIZONTAL_ONLY } else { NOTHING });
    if look.is_colored {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    match width {
        Some(width) => table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    for column in table.column_iter_mut().filter(|_| width.is_none()) {
        column.set_padding((0, 2));
    }
    table
}

/// Where the evidence lies.
fn place(alert: &Alert) -> String {
    let shown = |text: &Option<Untrusted>, most| text.as_ref().map_or(String::new(), |text| text.visible(most));
    match &alert.source.bucket {
        Some(bucket) => format!("s3://{}/{}", bucket.visible(63), shown(&alert.source.key, 1024)),
        None => visible(&shown(&alert.source.key, 1024), 1024),
    }
}
