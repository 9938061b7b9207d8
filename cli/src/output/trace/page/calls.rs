//! The timeline of a page: data for its script, which filters it.

use std::{collections::HashMap, io};

use maud::{Markup, PreEscaped, html};
use quarantine_alert::{
    trace::{
        calls::{TextId, Timeline},
        identities::Identities,
        report::Time,
    },
    untrusted::Untrusted,
};
use serde::Serialize;

use crate::progress::plural;

/// A browser filters these without a delay, and the page stays below 20 MB. CSV has all of them.
const MAX_CALLS: usize = 100_000;

/// Each text once; the calls have the numbers of their texts.
#[derive(Default, Serialize)]
struct Data {
    texts: Vec<String>,
    calls: Vec<Call>,
}

/// Time, identity, account, region, service, API, outcome, error, address, user agent, resource and log file, as the script
/// takes them; then, outside the array, the event id.
#[derive(Serialize)]
struct Call([Option<usize>; 12], Option<String>);

#[derive(Default)]
struct Texts {
    list: Vec<String>,
    numbers: HashMap<TextId, usize>,
    others: HashMap<String, usize>,
}

impl Texts {
    fn number(&mut self, id: Option<TextId>, timeline: &Timeline) -> Option<usize> {
        let id = id?;
        Some(*self.numbers.entry(id).or_insert_with(|| {
            self.list.push(timeline.text(id).visible(300));
            self.list.len() - 1
        }))
    }

    fn other(&mut self, text: String) -> Option<usize> {
        Some(*self.others.entry(text).or_insert_with_key(|text| {
            self.list.push(text.clone());
            self.list.len() - 1
        }))
    }
}

/// # Errors
/// The temporary file of the timeline cannot be read.
pub fn timeline(timeline: &Timeline, identities: &Identities) -> anyhow::Result<Markup> {
    let mut texts = Texts::default();
    let mut calls = Vec::new();
    timeline.each(|row| {
        if calls.len() == MAX_CALLS {
            return Ok::<_, io::Error>(());
        }
        let identity = identities.list[row.identity as usize].identity.id().visible(150);
        let time = row.event_time.and_then(|time| texts.other(Time(time).to_string()));
        let identity = texts.other(identity);
        let outcome = texts.other(row.outcome.as_str().to_owned());
        let mut text = |id: Option<TextId>| texts.number(id, timeline);
        let fields = [
            time,
            identity,
            text(Some(row.account_id)),
            text(row.region),
            text(Some(row.event_source)),
            text(Some(row.event_name)),
            outcome,
            text(row.error_code),
            text(row.source_ip_address),
            text(row.user_agent),
            text(row.resources.first().copied()),
            text(Some(row.log_file)),
        ];
        calls.push(Call(fields, row.event_id.map(|id| timeline.event_id(id)).map(|id: Untrusted| id.visible(64))));
        Ok(())
    })?;
    let left_out = timeline.calls - calls.len() as u64;
    // `<` would end the script element, or begin a comment in it.
    let data = serde_json::to_string(&Data { texts: texts.list, calls })?.replace('<', r"\u003c");
    Ok(html! {
        section aria-labelledby="timeline" {
            h2 id="timeline" { "Timeline" }
            @if left_out > 0 {
                p {
                    strong { (plural(left_out, "later call")) " are left out. " }
                    "The same command with " code { "--format csv --output calls.csv" } " has all of them; "
                    code { "--since" } " and " code { "--until" } " narrow the page."
                }
            }
            p #without-script { "The timeline needs scripts. The same command with " code { "--format csv" } " has the same calls." }
            form #filters hidden role="search" aria-label="Filter the calls" {
                label { "Contains" input type="search" name="wanted" autocomplete="off" spellcheck="false"; }
                label { "Outcome" select name="outcome" {} }
                label { "Identity" select name="identity" {} }
                label { "Service" select name="service" {} }
                label { "Address" select name="address" {} }
                button type="reset" { "Show all" }
            }
            div #calls hidden {
                p #shown role="status" {}
                div.scroll role="region" tabindex="0" aria-label="Calls" {
                    table.calls {
                        caption { "Calls" }
                        thead { tr { @for column in ["Time", "Call", "Outcome", "Identity", "From", "Where", "Record"] { th scope="col" { (column) } } } }
                        tbody {}
                    }
                }
                p.pages {
                    button #earlier type="button" { "Earlier calls" } " "
                    button #later type="button" { "Later calls" }
                }
            }
            script #data type="application/json" { (PreEscaped(data)) }
        }
    })
}
