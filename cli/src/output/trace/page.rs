//! The trace as one page, to hand on. It loads nothing, and nothing in a log can act on it.

mod calls;
mod strip;
mod tables;

use std::io::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use quarantine_alert::{
    trace::{calls::Timeline, identities::Identities, report::LeftRow},
    trail::time::rfc3339,
    untrusted::Untrusted,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    Trace,
    verdict::{shown, verdict, without_command},
};
use crate::progress::plural;
use strip::Strip;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// A table shows at most this many rows. JSON has all of them.
const MAX_ROWS: usize = 200;
/// Identities, and things that were left behind.
const MAX_WORK: usize = 2_000;

/// # Errors
/// `to` cannot be written, or the temporary file of the timeline cannot be read.
pub fn write(to: &mut dyn Write, trace: &Trace, identities: &Identities, timeline: &Timeline) -> anyhow::Result<()> {
    let strip = Strip::of(timeline, &trace.report.summary, trace.quarantined)?;
    let asked: Vec<String> = roots(identities).map(|id| id.visible(150)).collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { "Trace of " (asked.join(", ")) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head(trace, &asked))
                    (left_behind(trace))
                    (tables::identities(trace, identities))
                    section aria-labelledby="activity" {
                        h2 id="activity" { "Calls over time" }
                        (strip.draw())
                    }
                    (tables::quarantines(&trace.quarantine))
                    (tables::values(&trace.report))
                    (tables::coverage(&trace.coverage))
                    (calls::timeline(timeline, identities)?)
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(to.write_all(page.into_string().as_bytes())?)
}

/// Only the page's own style and script are allowed.
/// <https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Content-Security-Policy>
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn roots(identities: &Identities) -> impl Iterator<Item = Untrusted> {
    identities.list.iter().filter(|traced| traced.parent.is_none()).map(|traced| traced.identity.id())
}

fn head(trace: &Trace, asked: &[String]) -> Markup {
    html! {
        header {
            h1 { "What " (asked.join(", ")) " did" }
            p.note {
                "Made " (rfc3339(OffsetDateTime::now_utc())) " by quarantine-scan " (env!("CARGO_PKG_VERSION"))
                " from " (plural(trace.coverage.log_files, "log file")) ". All times are UTC. Confidential: it contains names and addresses."
            }
            ul.verdict { @for sentence in verdict(trace) { li { (sentence) } } }
        }
    }
}

fn left_behind(trace: &Trace) -> Markup {
    let (there, removed): (Vec<_>, Vec<_>) = trace.report.left_behind.iter().partition(|row| row.removed_at.is_none());
    html! {
        section aria-labelledby="undo" {
            h2 id="undo" { "What to undo" }
            @if there.is_empty() {
                p { "Nothing that this program knows was left behind and is still there." }
            } @else {
                p {
                    (plural(there.len(), "thing")) " to undo, in this order: what hangs on another thing comes before it. "
                    "Read a command before you run it, with credentials of the account that it names. "
                    "A command deletes; it does not restore what was there before."
                }
                // A policy is attached to a user after the user is created, and must be detached before the user can be deleted.
                ol.undo { @for row in there.iter().rev().take(MAX_WORK) { (item(row)) } }
                (more(there.len(), MAX_WORK))
            }
            @if !removed.is_empty() {
                details {
                    summary { (plural(removed.len(), "thing")) " that somebody has removed since" }
                    ul {
                        @for row in removed.iter().take(MAX_WORK) {
                            li {
                                (row.kind) " " code { (row.id.visible(200)) }
                                ", removed " (row.removed_at.map_or(String::new(), |at| at.to_string()))
                                " by " (shown(row.removed_by.as_ref(), 150))
                            }
                        }
                    }
                    (more(removed.len(), MAX_WORK))
                }
            }
        }
    }
}

fn item(row: &LeftRow) -> Markup {
    html! {
        li {
            p { strong { (row.kind) } " " code { (row.id.visible(200)) } }
            p.note {
                "account " (row.account_id.visible(16)) ", " (shown(row.region.as_ref(), 32)) ", "
                (row.event_time.map_or("at an unknown time".into(), |time| time.to_string()))
                ", " (row.event_name.visible(64)) " by " (row.by.visible(150))
            }
            @match &row.undo {
                Some(undo) => pre { code.command { (undo) } },
                None => p { (without_command(row)) },
            }
        }
    }
}

/// What a list leaves out.
fn more(all: usize, most: usize) -> Markup {
    html! {
        @if all > most {
            p.note { (plural(all - most, "more row")) " in " code { "--format json" } "." }
        }
    }
}

fn is_number(column: &str) -> bool {
    ["Calls", "Denied", "Times", "Succeeded", "Failed or dry run"].contains(&column)
}

/// A table that scrolls sideways where it does not fit.
fn table(name: &str, columns: &[&str], rows: &[Markup], all: usize) -> Markup {
    html! {
        @if !rows.is_empty() {
            div.scroll role="region" tabindex="0" aria-label=(name) {
                table {
                    caption { (name) }
                    thead { tr { @for column in columns { th scope="col" class=[is_number(column).then_some("number")] { (column) } } } }
                    tbody { @for row in rows { tr { (row) } } }
                }
            }
            (more(all, rows.len()))
        }
    }
}
