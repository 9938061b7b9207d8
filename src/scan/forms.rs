//! A candidate → its records: the candidate itself, or those in the envelopes that people and programs put around them.
//!
//! A record is an object with CloudTrail's `eventSource` and `eventName`. An envelope has records in fields of known names: in
//! EventBridge's `detail`, in the string `CloudTrailEvent` of `aws cloudtrail lookup-events`, in a `message` of CloudWatch Logs or
//! of a log shipper, or in one of the [`LISTS`]. Other fields are not searched for records: callers choose some of the strings
//! in logs, and could forge one.

use std::borrow::Cow;

use serde_json::{Value, value::RawValue};

use super::{Needles, content::is_between};
use crate::{
    json::{Fields, repaired},
    trail::record::Record,
};

/// The keys whose lists have one record, or one envelope, per element. `Walk` streams them.
pub(super) const LISTS: [&str; 4] = ["Records", "Events", "events", "logEvents"];
/// EventBridge, Splunk, Elasticsearch (`event.original`).
const OBJECTS: [&str; 4] = ["detail", "result", "_source", "event"];
/// `lookup-events`, CloudWatch Logs and its Insights, log shippers, Splunk, Elasticsearch.
const STRINGS: [&str; 6] = ["CloudTrailEvent", "message", "@message", "log", "_raw", "original"];

/// Objects, lists and strings around a record. CloudWatch's have four.
const MAX_ENVELOPES: u32 = 8;

/// The records of a candidate.
#[derive(Debug, Default)]
pub struct Unwrapped {
    pub records: Vec<Record>,
    /// Whether something in it contains a needle, but is not a record.
    pub has_other: bool,
}

/// The records in a JSON value that contain a needle, or may.
pub fn unwrap(text: &[u8], needles: &Needles) -> Unwrapped {
    let mut unwrapping = Unwrapping { needles, found: Unwrapped::default() };
    unwrapping.part(&repaired(text), 0);
    unwrapping.found
}

struct Unwrapping<'n> {
    needles: &'n Needles,
    found: Unwrapped,
}

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It has no needle.
    Irrelevant,
    /// It is a record, or has one.
    Judged,
    /// It has a needle, but no record.
    Other,
}

impl Unwrapping<'_> {
    /// A value that must be a record, or have one, if it contains a needle: a candidate, or an element of a list.
    fn part(&mut self, text: &str, envelopes: u32) -> Verdict {
        let verdict = self.value(text, envelopes);
        self.found.has_other |= verdict == Verdict::Other;
        verdict
    }

    fn value(&mut self, text: &str, envelopes: u32) -> Verdict {
        // What is no part of an envelope is known to have a needle, or what may be one.
        if envelopes > 0 && !self.needles.may_be_in(text.as_bytes()) {
            return Verdict::Irrelevant;
        }
        let verdict = match text.as_bytes().first() {
            _ if envelopes > MAX_ENVELOPES => None,
            Some(b'{') => Fields::of(text).ok().map(|fields| self.object(text, &fields, envelopes + 1)),
            Some(b'[') => serde_json::from_str(text).ok().map(|elements| self.list(elements, envelopes + 1)),
            Some(b'"') => serde_json::from_str(text).ok().and_then(|text: String| self.string(&text, envelopes + 1)),
            _ => None,
        };
        match verdict {
            Some(Verdict::Judged) => Verdict::Judged,
            // An escape may have looked like one of a needle.
            _ if self.needles.are_in(text.as_bytes()) => Verdict::Other,
            _ => Verdict::Irrelevant,
        }
    }

    fn object(&mut self, text: &str, fields: &Fields<'_>, envelopes: u32) -> Verdict {
        if is_insight(fields) {
            let is_elsewhere = |(name, value): (&str, &RawValue)| name != INSIGHT && self.has_needle(value);
            return if fields.iter().any(is_elsewhere) { Verdict::Other } else { Verdict::Judged };
        }
        if is_record(fields) {
            // A program that copies logs may have taken the names out of the record that it has as text.
            let inner = STRINGS.iter().filter_map(|name| self.string(&fields.str(name)?, envelopes));
            let inner = inner.fold(Verdict::Irrelevant, Verdict::and);
            self.found.has_other |= inner == Verdict::Other;
            return if inner == Verdict::Judged { Verdict::Judged } else { self.record(text, fields) };
        }
        let before = self.found.records.len();
        let mut verdict = Verdict::Irrelevant;
        let mut others = Vec::new();
        for (name, value) in fields.iter() {
            let payload = match name {
                name if OBJECTS.contains(&name) => Some(self.value(value.get(), envelopes)),
                name if STRINGS.contains(&name) => fields.str(name).and_then(|text| self.string(&text, envelopes)),
                name if LISTS.contains(&name) => fields.list(name).map(|elements| self.list(elements, envelopes)),
                _ => None,
            };
            match payload {
                Some(payload) => verdict = verdict.and(payload),
                None if self.has_needle(value) => others.push(value),
                None => {}
            }
        }
        // An envelope repeats names of its records.
        let records = &self.found.records[before..];
        if others.iter().all(|other| is_repeated(other, records, self.needles)) { verdict } else { Verdict::Other }
    }

    fn has_needle(&self, value: &RawValue) -> bool {
        self.needles.may_be_in(value.get().as_bytes()) && self.needles.are_in(value.get().as_bytes())
    }

    fn record(&mut self, text: &str, fields: &Fields<'_>) -> Verdict {
        if lacks_parameters(fields) {
            return Verdict::Other;
        }
        self.found.records.push(Record::of(fields, text));
        Verdict::Judged
    }

    fn list(&mut self, elements: Vec<&RawValue>, envelopes: u32) -> Verdict {
        let judged = |verdict, element: &RawValue| match self.part(element.get(), envelopes) {
            Verdict::Judged => Verdict::Judged,
            // The file is unread for it already.
            Verdict::Other | Verdict::Irrelevant => verdict,
        };
        elements.into_iter().fold(Verdict::Irrelevant, judged)
    }

    /// `None` if the string is not JSON. A time may precede it.
    fn string(&mut self, text: &str, envelopes: u32) -> Option<Verdict> {
        let text = text.trim_start_matches(|c: char| c.is_ascii() && is_between(c as u8) || c == '\u{feff}');
        text.starts_with(['{', '[']).then(|| self.value(&repaired(text.trim_end().as_bytes()), envelopes))
    }
}

impl Verdict {
    /// Of two fields that may have records.
    fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Other, _) | (_, Verdict::Other) => Verdict::Other,
            (Verdict::Judged, _) | (_, Verdict::Judged) => Verdict::Judged,
            (Verdict::Irrelevant, Verdict::Irrelevant) => Verdict::Irrelevant,
        }
    }
}

/// Whether every string of a value that has a needle is also in one of these records.
fn is_repeated(value: &RawValue, records: &[Record], needles: &Needles) -> bool {
    fn all(value: &Value, test: &impl Fn(&str) -> bool) -> bool {
        match value {
            Value::String(text) => test(text),
            Value::Array(elements) => elements.iter().all(|element| all(element, test)),
            Value::Object(fields) => fields.iter().all(|(name, value)| test(name) && all(value, test)),
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
        }
    }
    let is_repeated =
        |text: &str| !needles.may_be_in(text.as_bytes()) || records.iter().any(|record| record.raw.contains(text));
    serde_json::from_str(value.get()).is_ok_and(|value| all(&value, &is_repeated))
}

fn is_record(fields: &Fields<'_>) -> bool {
    // Records of streams have the same names, and `aws:dynamodb`.
    fields.str("eventSource").is_some_and(|source| source.contains(".amazonaws.com"))
        && fields.str("eventName").is_some()
}

const INSIGHT: &str = "insightDetails";

/// An Insights record counts calls. It is not one.
fn is_insight(fields: &Fields<'_>) -> bool {
    fields.is("eventCategory", "Insight") && fields.object(INSIGHT).is_some()
}

/// Whether a policy call does not show its policy as CloudTrail does. An export may have made text or columns of the
/// parameters. CloudTrail itself omits them only from failed calls.
fn lacks_parameters(fields: &Fields<'_>) -> bool {
    let is_policy_call = |name: Cow<'_, str>| {
        ["Attach", "Put", "Detach", "Delete"].iter().any(|verb| name.starts_with(verb))
            && ["UserPolicy", "GroupPolicy", "RolePolicy"].iter().any(|noun| name.ends_with(noun))
    };
    if !fields.is("eventSource", "iam.amazonaws.com") || !fields.str("eventName").is_some_and(is_policy_call) {
        return false;
    }
    let has_columns = fields.names().any(|name| name.starts_with("requestParameters."));
    let is_null = fields.raw("requestParameters").is_none_or(|value| value.get() == "null");
    let has_policy =
        |parameters: Fields<'_>| ["policyArn", "policyName"].iter().any(|name| parameters.raw(name).is_some());
    let has_failed = fields.str("errorCode").is_some_and(|code| !code.is_empty());
    has_columns || if is_null { !has_failed } else { !fields.object("requestParameters").is_some_and(has_policy) }
}

#[cfg(test)]
mod tests;
