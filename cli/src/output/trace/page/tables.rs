//! The tables of a page.

use maud::{Markup, html};
use quarantine_alert::{
    alert::Alert,
    trace::{
        identities::Identities,
        report::{Count, Report, Time, ValueRow},
    },
    untrusted::Untrusted,
};

use super::{MAX_ROWS, MAX_WORK, more, shown, table};
use crate::{
    coverage::Seen,
    output::trace::{Trace, tree::branches},
    progress::plural,
};

fn time(time: Option<Time>) -> Markup {
    html! { td.time { (time.map_or("unknown".into(), |time| time.to_string())) } }
}

fn count(count: &Count) -> Markup {
    html! {
        td.number { (count.calls) }
        td.number { (count.denied) }
        (time(count.first_event_time))
        (time(count.last_event_time))
    }
}

fn text(text: Option<&Untrusted>) -> Markup {
    html! { td { (shown(text, 300)) } }
}

fn numbers(value: Option<&Untrusted>, calls: u64, denied: u64) -> Markup {
    html! { (text(value)) td.number { (calls) } td.number { (denied) } }
}

fn api(event_source: &Untrusted, event_name: &Untrusted) -> Markup {
    html! { td { (event_source.visible(64)) " " (event_name.visible(64)) } }
}

/// The first rows of a list, each as cells.
fn rows<T>(list: &[T], row: impl Fn(&T) -> Markup) -> Vec<Markup> {
    list.iter().take(MAX_ROWS).map(row).collect()
}

pub fn identities(trace: &Trace, identities: &Identities) -> Markup {
    let branches = branches(identities);
    let rows: Vec<Markup> = branches
        .iter()
        .take(MAX_WORK)
        .map(|branch| {
            let row = &trace.report.identities[branch.at];
            let arn = row.arn.as_ref().filter(|arn| **arn != row.id);
            html! {
                th.identity scope="row" {
                    span.lines aria-hidden="true" { (branch.lines) }
                    (row.kind) " " code { (row.id.visible(150)) }
                    @if let Some(arn) = arn { span.note { " " (arn.visible(150)) } }
                }
                td {
                    @match (&row.via, &row.parent) {
                        (Some(via), Some(parent)) => {
                            (via.event_name.visible(64)) " by " (parent.visible(150)) ", "
                            (via.event_time.map_or("at an unknown time".into(), |time| time.to_string()))
                        }
                        _ => "named on the command line",
                    }
                }
                (count(&row.count))
            }
        })
        .collect();
    html! {
        section aria-labelledby="identities" {
            h2 id="identities" { "Identities" }
            p { "What it created or assumed works without the first key, until it is deleted, revoked or expired." }
            (table("Identities", &["Identity", "Came from", "Calls", "Denied", "First call", "Last call"], &rows, branches.len()))
        }
    }
}

pub fn quarantines(alerts: &[Alert]) -> Markup {
    let rows = rows(alerts, |alert| {
        html! {
            td.time { (alert.event_time.as_deref().unwrap_or("unknown")) }
            td { (alert.title) }
        }
    });
    html! {
        @if !alerts.is_empty() {
            section aria-labelledby="quarantine" {
                h2 id="quarantine" { "Quarantine" }
                (table("Alerts", &["Time", "Alert"], &rows, alerts.len()))
            }
        }
    }
}

pub fn values(report: &Report) -> Markup {
    let value = |row: &ValueRow| html! { (text(row.value.as_ref())) (count(&row.count)) };
    let counts = ["Calls", "Denied", "First call", "Last call"];
    let columns = |name| [&[name][..], &counts].concat();
    let addresses = &report.source_ip_addresses;
    let services = rows(&report.services, |row| numbers(Some(&row.event_source), row.calls, row.denied));
    let apis = rows(&report.apis, |row| {
        html! { (api(&row.event_source, &row.event_name)) (count(&row.count)) }
    });
    let accounts = rows(&report.accounts, |row| numbers(Some(&row.account_id), row.calls, row.denied));
    let regions = rows(&report.regions, |row| numbers(row.aws_region.as_ref(), row.calls, row.denied));
    let accessed = rows(&report.accessed, |row| {
        html! {
            (text(Some(&row.resource)))
            (api(&row.event_source, &row.event_name))
            td.number { (row.calls) }
            (time(row.first_event_time))
            (time(row.last_event_time))
        }
    });
    let errors = rows(&report.errors, |row| {
        html! {
            (text(Some(&row.error_code)))
            (api(&row.event_source, &row.event_name))
            td.number { (row.count) }
            (time(row.first_event_time))
            (time(row.last_event_time))
        }
    });
    let read = ["Resource", "Call", "Calls", "First call", "Last call"];
    let failed = ["Error", "Call", "Times", "First", "Last"];
    html! {
        section aria-labelledby="values" {
            h2 id="values" { "Sources and targets" }
            (table("Read or shared", &read, &accessed, report.accessed.len() + report.accessed_more))
            (table("Source addresses", &columns("Address"), &rows(addresses, value), addresses.len()))
            (table("User agents", &columns("User agent"), &rows(&report.user_agents, value), report.user_agents.len()))
            (table("Errors", &failed, &errors, report.errors.len()))
            (table("Services", &["Service", "Calls", "Denied"], &services, report.services.len()))
            (table("APIs", &columns("API"), &apis, report.apis.len()))
            (table("Accounts", &["Account", "Calls", "Denied"], &accounts, report.accounts.len()))
            (table("Regions", &["Region", "Calls", "Denied"], &regions, report.regions.len()))
        }
    }
}

pub fn coverage(seen: &Seen) -> Markup {
    let list = |values: &mut dyn Iterator<Item = &String>| {
        let values: Vec<&str> = values.map(String::as_str).collect();
        if values.is_empty() { "unknown".into() } else { values.join(", ") }
    };
    let delivered = match (seen.first_delivery, seen.last_delivery) {
        (Some(first), Some(last)) => format!("from {first} to {last}"),
        _ => "at unknown times".into(),
    };
    html! {
        section aria-labelledby="coverage" {
            h2 id="coverage" { "What was searched" }
            p {
                (plural(seen.log_files, "log file")) ", delivered " (delivered) "; accounts: " (list(&mut seen.accounts.iter()))
                "; regions: " (list(&mut seen.regions.iter())) "."
                @if seen.unnamed > 0 { " The names of " (plural(seen.unnamed, "log file")) " show none of these." }
                @if !seen.data_events_seen { " They have no data events, such as reads of objects." }
            }
            @if !seen.unread.is_empty() {
                p { strong { "Not everything was read:" } }
                ul { @for file in seen.unread.iter().take(MAX_ROWS) { li { (file) } } }
                (more(seen.unread.len(), MAX_ROWS))
            }
        }
    }
}
