//! The trace as one HTML file that people can share. It loads nothing, and no string of a log can act in it.

mod calls;
mod strip;
mod tables;

use std::io::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use quarantine_alert::{
    trace::{
        calls::Timeline,
        identities::Identities,
        report::{LeftRow, Report},
    },
    trail::time::rfc3339,
    untrusted::Untrusted,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    Trace,
    verdict::{shown, verdict},
    work::{Work, by_hand, deactivations},
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
                    (work(&trace.report))
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
                " from " (plural(trace.coverage.log_files, "log file")) ". All times are UTC. The page is confidential: it has names and addresses."
            }
            @for row in trace.report.identities.iter().filter(|row| row.parent.is_none()) {
                @if let Some(arn) = row.arn.as_ref().filter(|arn| **arn != row.id) {
                    p { (row.kind) " " code { (row.id.visible(150)) } " of " code { (arn.visible(200)) } }
                }
            }
            ul.verdict { @for sentence in verdict(trace) { li { (sentence) } } }
        }
    }
}

fn work(report: &Report) -> Markup {
    let Work { to_undo, own, removed } = Work::of(report);
    let deactivations = deactivations(report);
    html! {
        section aria-labelledby="deactivate" {
            h2 id="deactivate" { "First: deactivate keys" }
            @if deactivations.is_empty() {
                p { "Every long-lived key that this trace knows was deleted. Sessions are in the list below." }
            } @else {
                p { "These log files may not show whether this was done already. Use credentials of another identity." }
                @for command in deactivations.iter().take(MAX_WORK) { pre { code.command { (command) } } }
                (more(deactivations.len(), MAX_WORK))
            }
        }
        section aria-labelledby="undo" {
            h2 id="undo" { "Then: undo" }
            @if to_undo.is_empty() {
                p { "Nothing that this program knows is left to undo." }
            } @else {
                p {
                    (plural(to_undo.len(), "thing")) " whose removal these log files do not show, the newest first, so that dependent "
                    "things come before what they depend on. Check each before you act: "
                    code { "aws sts get-caller-identity" } " must show the account that the item names, and what you delete may be "
                    "evidence. If AWS answers that something does not exist, it was deleted with the resource that it belonged to. No command restores a "
                    "setting that was overwritten."
                }
                ol.undo { @for row in to_undo.iter().take(MAX_WORK) { (item(report, row)) } }
                (more(to_undo.len(), MAX_WORK))
            }
            (done("removed since", &removed))
            (done("to leave alone: these calls only removed what the identities had made themselves", &own))
        }
    }
}

fn done(what: &str, rows: &[&LeftRow]) -> Markup {
    html! {
        @if !rows.is_empty() {
            details {
                summary { (plural(rows.len(), "thing")) " " (what) }
                ul {
                    @for row in rows.iter().take(MAX_WORK) {
                        li {
                            (row.kind) " " code { (row.id.visible(200)) }
                            @if let Some(at) = row.removed_at {
                                ", removed " (at) " by " (shown(row.removed_by.as_ref(), 150))
                            }
                        }
                    }
                }
                (more(rows.len(), MAX_WORK))
            }
        }
    }
}

fn item(report: &Report, row: &LeftRow) -> Markup {
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
                None => p { (by_hand(report, row)) "." },
            }
        }
    }
}

/// Names the number of rows that a list omits.
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
