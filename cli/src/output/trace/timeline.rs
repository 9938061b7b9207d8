//! The timeline: one call a line, in the order of time.

use std::fmt::Write as _;

use ::csv::Writer;
use quarantine_alert::{
    trace::{
        edges::Identities,
        report::{Found, Time},
    },
    untrusted::Untrusted,
};
use serde::Serialize;

use crate::output::{csv::cell, json::one};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'f> {
    event_time: Option<Time>,
    identity: Untrusted,
    account_id: &'f str,
    aws_region: Option<&'f Untrusted>,
    event_source: &'f Untrusted,
    event_name: &'f Untrusted,
    outcome: &'static str,
    error_code: Option<&'f Untrusted>,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: Option<&'f Untrusted>,
    user_agent: Option<&'f Untrusted>,
    resource: Option<&'f Untrusted>,
    #[serde(rename = "eventID")]
    event_id: Option<&'f Untrusted>,
    log_file: &'f str,
}

impl<'f> Line<'f> {
    fn of(identities: &Identities, Found { call, log_file }: &'f Found) -> Line<'f> {
        Line {
            event_time: call.event_time.map(Time),
            identity: identities.list[call.identity].identity.id(),
            account_id: &call.account_id,
            aws_region: call.region.as_ref(),
            event_source: &call.event_source,
            event_name: &call.event_name,
            outcome: call.outcome.as_str(),
            error_code: call.error_code.as_ref(),
            source_ip_address: call.source_ip_address.as_ref(),
            user_agent: call.user_agent.as_ref(),
            resource: call.resources.first(),
            event_id: call.event_id.as_ref(),
            log_file,
        }
    }
}

pub fn lines(identities: &Identities, found: &[Found]) -> anyhow::Result<String> {
    let mut text = String::new();
    for found in found {
        write!(text, "{}", one(&Line::of(identities, found))?)?;
    }
    Ok(text)
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

pub fn csv(identities: &Identities, found: &[Found]) -> anyhow::Result<String> {
    let mut csv = Writer::from_writer(Vec::new());
    csv.write_record(HEADER)?;
    for found in found {
        let line = Line::of(identities, found);
        let shown = |text: Option<&Untrusted>| text.map_or(String::new(), cell);
        csv.write_record([
            line.event_time.map_or(String::new(), |time| time.to_string()),
            cell(&line.identity),
            line.account_id.to_owned(),
            shown(line.aws_region),
            cell(line.event_source),
            cell(line.event_name),
            line.outcome.to_owned(),
            shown(line.error_code),
            shown(line.source_ip_address),
            shown(line.user_agent),
            shown(line.resource),
            shown(line.event_id),
            cell(&line.log_file.into()),
        ])?;
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}
