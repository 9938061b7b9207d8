//! A candidate → its records: the candidate itself, or those in the envelopes that people and programs put around them.
//!
//! A record is an object with CloudTrail's `eventSource` and `eventName`, wherever it is: in EventBridge's `detail`, in the
//! string `CloudTrailEvent` of `aws cloudtrail lookup-events`, in a `message` of CloudWatch Logs or of a log shipper, in a
//! list, in a log file that is itself an element of a list. So an envelope needs no code of its own.

use serde_json::value::RawValue;

use super::Needles;
use crate::{
    json::{Fields, repaired},
    trail::record::Record,
};

/// The keys whose lists have one record, or one envelope, per element. `Walk` streams them.
pub(super) const LISTS: [&str; 4] = ["Records", "Events", "events", "logEvents"];

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
enum Value {
    /// It has no needle.
    Irrelevant,
    /// It is a record, or has one.
    Judged,
    /// It has a needle, but no record.
    Other,
}

impl Unwrapping<'_> {
    /// A value that must be a record, or have one, if it contains a needle.
    fn part(&mut self, text: &str, envelopes: u32) -> Value {
        let value = self.value(text, envelopes, true);
        self.found.has_other |= value == Value::Other;
        value
    }

    /// `has_parts` is whether the elements of a list are such values.
    fn value(&mut self, text: &str, envelopes: u32, has_parts: bool) -> Value {
        if !self.needles.found_in(text.as_bytes()) {
            return Value::Irrelevant;
        }
        let value = match text.as_bytes().first() {
            _ if envelopes > MAX_ENVELOPES => None,
            Some(b'{') => Fields::of(text).ok().map(|fields| self.object(text, &fields, envelopes + 1)),
            Some(b'[') => serde_json::from_str(text).ok().map(|elements| self.list(elements, envelopes + 1, has_parts)),
            Some(b'"') => {
                serde_json::from_str(text).ok().map(|text: String| self.string(&text, envelopes + 1, has_parts))
            }
            _ => None,
        };
        match value {
            Some(Value::Judged) => Value::Judged,
            // An escape may have looked like one of a needle.
            _ if self.needles.written_in(text.as_bytes()) => Value::Other,
            _ => Value::Irrelevant,
        }
    }

    fn object(&mut self, text: &str, fields: &Fields<'_>, envelopes: u32) -> Value {
        if is_insight(fields) {
            return Value::Judged;
        }
        if is_record(fields) {
            let Ok(raw) = RawValue::from_string(text.to_owned()) else { return Value::Other };
            let record = Record::of(fields, raw);
            if lacks_parameters(&record) {
                return Value::Other;
            }
            self.found.records.push(record);
            return Value::Judged;
        }
        // The rest of an envelope repeats parts of its record.
        let values = fields.iter().map(|(name, value)| match fields.list(name).filter(|_| LISTS.contains(&name)) {
            Some(elements) => self.list(elements, envelopes, true),
            None => self.value(value.get(), envelopes, false),
        });
        sum(values)
    }

    fn list(&mut self, elements: Vec<&RawValue>, envelopes: u32, has_parts: bool) -> Value {
        sum(elements.into_iter().map(|element| {
            if has_parts { self.part(element.get(), envelopes) } else { self.value(element.get(), envelopes, false) }
        }))
    }

    /// A string may contain JSON.
    fn string(&mut self, text: &str, envelopes: u32, has_parts: bool) -> Value {
        let text = repaired(text.trim().as_bytes());
        if text.starts_with(['{', '[', '"']) { self.value(&text, envelopes, has_parts) } else { Value::Other }
    }
}

/// A whole is judged if one of its parts is.
fn sum(values: impl Iterator<Item = Value>) -> Value {
    values.fold(Value::Irrelevant, |sum, value| match (sum, value) {
        (Value::Judged, _) | (_, Value::Judged) => Value::Judged,
        (Value::Other, _) | (_, Value::Other) => Value::Other,
        (Value::Irrelevant, Value::Irrelevant) => Value::Irrelevant,
    })
}

fn is_record(fields: &Fields<'_>) -> bool {
    fields.text("eventSource").is_some() && fields.text("eventName").is_some()
}

/// An Insights record counts calls. It is not one.
fn is_insight(fields: &Fields<'_>) -> bool {
    fields.text("eventCategory").is_some_and(|category| category == "Insight")
        && fields.object("insightDetails").is_some()
}

/// CloudTrail omits the parameters only from failed calls. An export may have made text or columns of them.
fn lacks_parameters(record: &Record) -> bool {
    let is_policy_call = |name: &str| {
        ["Attach", "Put", "Detach", "Delete"].iter().any(|verb| name.starts_with(verb))
            && ["UserPolicy", "GroupPolicy", "RolePolicy"].iter().any(|noun| name.ends_with(noun))
    };
    record.is_of_iam()
        && record.event_name.as_ref().is_some_and(|name| name.test(is_policy_call))
        && record.request_parameters.is_none()
        && record.error_code.is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::scan::Needle;

    fn record(name: &str) -> Value {
        json!({ "eventSource": "s3.amazonaws.com", "eventName": name, "x": "needle" })
    }

    /// The names of the records in a text, and whether something else has a needle.
    fn unwrapped(text: &str) -> (Vec<String>, bool) {
        let found = unwrap(text.as_bytes(), &Needles::new([Needle::fixed("needle")]));
        let name = |record: &Record| record.event_name.as_ref().unwrap().visible(99);
        (found.records.iter().map(name).collect(), found.has_other)
    }

    #[test]
    fn a_record_is_found_in_every_envelope() {
        let text = record("A").to_string();
        for envelope in [
            record("A"),
            json!({ "detail-type": "AWS API Call via CloudTrail", "detail": record("A") }),
            json!({ "EventName": "needle", "Resources": [{ "ResourceName": "needle" }], "CloudTrailEvent": text }),
            json!({ "Events": [{ "CloudTrailEvent": text }] }),
            json!({ "logEvents": [{ "id": "0", "message": text }, { "id": "1", "message": "START" }] }),
            json!({ "@timestamp": "2026-11-25T01:02:03.000Z", "message": text }),
            json!({ "message": json!({ "Records": [record("A")] }).to_string() }),
            json!([{ "Records": [[record("A")]] }]),
            json!(text),
        ] {
            assert_eq!(unwrapped(&envelope.to_string()), (vec!["A".into()], false), "{envelope}");
        }
    }

    #[test]
    fn a_needle_outside_of_any_record_is_reported() {
        for other in [
            json!({ "api": { "operation": "needle" } }),
            json!({ "message": "a line with needle" }),
            json!({ "eventSource": 7, "eventName": "needle" }),
            json!({ "eventName": "A", "x": "needle" }),
            json!("needle"),
            json!({ "message": record("A").to_string().replace('}', "") }),
            json!({ "eventSource": "iam.amazonaws.com", "eventName": "AttachUserPolicy", "requestParameters": "needle" }),
        ] {
            assert_eq!(unwrapped(&other.to_string()), (vec![], true), "{other}");
        }
        let list = json!([record("A"), { "x": "needle" }, record("B")]).to_string();
        assert_eq!(unwrapped(&list), (vec!["A".into(), "B".into()], true));
        let deep = "[".repeat(99) + &record("A").to_string() + &"]".repeat(99);
        assert_eq!(unwrapped(&deep), (vec![], true));
        assert_eq!(unwrapped("{needle"), (vec![], true));
        assert_eq!(unwrapped(r#"{"x":"ne\u0065dle"}"#), (vec![], true));
    }

    #[test]
    fn nothing_else_is_reported() {
        let insight = json!({ "eventCategory": "Insight", "insightDetails": { "eventName": "needle" } });
        for other in [json!({ "x": 1 }), json!([[], "thread"]), insight] {
            assert_eq!(unwrapped(&other.to_string()), (vec![], false), "{other}");
        }
        // An escape that hides no needle.
        assert_eq!(unwrapped(r#"{"x":"\u0041"}"#), (vec![], false));
    }
}
