//! The timeline: one call a line, in the order of time.

use std::io::{self, Write};

use ::csv::Writer;
use quarantine_alert::{
    trace::{
        calls::{Row, Timeline},
        identities::Identities,
        report::Time,
    },
    untrusted::Untrusted,
};
use serde::Serialize;

use crate::output::{csv::cell, json::one};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'c> {
    event_time: Option<Time>,
    identity: Untrusted,
    account_id: &'c Untrusted,
    aws_region: Option<&'c Untrusted>,
    event_source: &'c Untrusted,
    event_name: &'c Untrusted,
    outcome: &'static str,
    error_code: Option<&'c Untrusted>,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: Option<&'c Untrusted>,
    user_agent: Option<&'c Untrusted>,
    resource: Option<&'c Untrusted>,
    #[serde(rename = "eventID")]
    event_id: Option<Untrusted>,
    log_file: &'c Untrusted,
}

impl<'c> Line<'c> {
    fn of(identities: &Identities, timeline: &'c Timeline, row: &Row) -> Line<'c> {
        let text = |id| timeline.text(id);
        Line {
            event_time: row.event_time.map(Time),
            identity: identities.list[row.identity as usize].identity.id(),
            account_id: text(row.account_id),
            aws_region: row.region.map(text),
            event_source: text(row.event_source),
            event_name: text(row.event_name),
            outcome: row.outcome.as_str(),
            error_code: row.error_code.map(text),
            source_ip_address: row.source_ip_address.map(text),
            user_agent: row.user_agent.map(text),
            resource: row.resources.first().copied().map(text),
            event_id: row.event_id.map(|id| timeline.event_id(id)),
            log_file: text(row.log_file),
        }
    }
}

/// # Errors
/// `to` cannot be written, or the temporary file of the timeline cannot be read.
pub fn lines(to: &mut dyn Write, identities: &Identities, timeline: &Timeline) -> anyhow::Result<()> {
    timeline.each(|row| Ok(to.write_all(one(&Line::of(identities, timeline, row))?.as_bytes())?))
}

const HEADER: [&str; 13] = [
    "eventTime",
    "identity",
    "accountId",
    "awsRegion",
    "eventSource",
    "eventName",
    "outcome",
    "errorCode",
    "sourceIPAddress",
    "userAgent",
    "resource",
    "eventID",
    "logFile",
];

/// # Errors
/// As [`lines`].
pub fn csv(to: &mut dyn Write, identities: &Identities, timeline: &Timeline) -> anyhow::Result<()> {
    let mut csv = Writer::from_writer(to);
    csv.write_record(HEADER).map_err(cause)?;
    timeline.each(|row| {
        let line = Line::of(identities, timeline, row);
        let shown = |text: Option<&Untrusted>| text.map_or(String::new(), cell);
        let written = csv.write_record([
            line.event_time.map_or(String::new(), |time| time.to_string()),
            cell(&line.identity),
            cell(line.account_id),
            shown(line.aws_region),
            cell(line.event_source),
            cell(line.event_name),
            line.outcome.to_owned(),
            shown(line.error_code),
            shown(line.source_ip_address),
            shown(line.user_agent),
            shown(line.resource),
            shown(line.event_id.as_ref()),
            cell(line.log_file),
        ]);
        written.map_err(cause)
    })?;
    Ok(csv.flush()?)
}

/// A reader that closes the pipe early must be recognised.
fn cause(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
