//! The oracle of the scan law: inflates everything, parses everything, and judges every record. The fuzzer uses it too, for
//! inputs that are not even JSON.

use std::{fmt, io::Read, sync::LazyLock};

use flate2::read::MultiGzDecoder;
use quarantine_alert::{rule::Rules, scan::Needles, trail::record::Record};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, value::RawValue};

use crate::scan::NEEDLES;

static RULES: LazyLock<Rules> = LazyLock::new(Rules::all);
static HINTS: LazyLock<Needles> = LazyLock::new(|| RULES.needles());

/// Whether a rule accepts a record.
fn is_match(record: &Value) -> bool {
    Record::parse(record.to_string().as_bytes()).is_ok_and(|record| RULES.judge(record).is_some())
}

/// A record that a rule accepts, as a value: its text may be escaped. `Null` if the text is more than the oracle can parse.
pub fn matching(record: Record) -> Option<Value> {
    let matched = RULES.judge(record)?;
    Some(serde_json::from_str(&matched.facts.evidence.raw).unwrap_or_default())
}

/// What parsing everything finds.
#[derive(Default)]
pub struct Oracle {
    pub found: Vec<Value>,
    /// Whether everything could be parsed.
    pub is_whole: bool,
    /// Whether a needle is outside of all records.
    pub has_other: bool,
    /// Whether a needle is next to lists of records.
    pub has_mention: bool,
    /// Whether something with a needle is not simply a record, so that it may be judged or reported.
    pub is_doubtful: bool,
    /// Whether something is JSON, but more than the oracle can parse or decide: it is nested too deep, for instance.
    pub is_unsure: bool,
    /// Whether the last part has a record in a string.
    is_in_string: bool,
}

/// Inflates everything, gzip in gzip included. `false` if that ended early.
pub fn inflated(stored: &[u8]) -> (Vec<u8>, bool) {
    let inflate = |stored: &[u8]| {
        let mut text = Vec::new();
        let is_whole = MultiGzDecoder::new(stored).read_to_end(&mut text).is_ok();
        (text, is_whole)
    };
    let is_gzip = |bytes: &[u8]| bytes.first() == Some(&0x1f);
    if !is_gzip(stored) {
        return (stored.to_vec(), true);
    }
    let (outer, is_outer_whole) = inflate(stored);
    if !is_gzip(&outer) {
        return (outer, is_outer_whole);
    }
    let (inner, is_inner_whole) = inflate(&outer);
    (inner, is_outer_whole && is_inner_whole)
}

/// Inflates everything, then parses everything. A break in either ends it with the records before the break.
pub fn oracle(stored: &[u8]) -> Oracle {
    let (text, is_inflated) = inflated(stored);
    let mut oracle = Oracle::default();
    let mut documents = serde_json::Deserializer::from_slice(&text).into_iter::<&RawValue>();
    loop {
        let at = documents.byte_offset();
        match documents.next() {
            // Words between documents are not JSON that anybody writes.
            Some(Ok(document))
                if document.get().starts_with(['t', 'f', 'n'])
                    || document.get().contains("e") && is_number(document) =>
            {
                return oracle;
            }
            Some(Ok(document)) => oracle.document(document.get()),
            Some(Err(_)) => {
                let mut elements = Vec::new();
                let _ = Document(&mut elements).deserialize(&mut serde_json::Deserializer::from_slice(&text[at..]));
                elements.iter().for_each(|element| oracle.part(element.get()));
                return oracle;
            }
            None => return Oracle { is_whole: is_inflated, ..oracle },
        }
    }
}

fn is_number(document: &RawValue) -> bool {
    document.get().starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

impl Oracle {
    /// The elements of a document's lists, or the document itself.
    fn document(&mut self, text: &str) {
        let Some(value) = self.parsed(text) else { return };
        let is_list = |(key, value): (&String, &Value)| LISTS.contains(&key.as_str()) && value.is_array();
        let mut elements = Vec::new();
        let json = Document(&mut elements).deserialize(&mut serde_json::Deserializer::from_str(text));
        self.is_unsure |= json.is_err();
        if elements.is_empty()
            && !value.is_array()
            && !value.as_object().is_some_and(|fields| fields.iter().any(is_list))
        {
            return self.part(text);
        }
        elements.iter().for_each(|element| self.part(element.get()));
        // A name next to the lists may be a mention of what is in them.
        self.has_mention |= value.as_object().into_iter().flatten().any(|pair| !is_list(pair) && has_needle(pair.1));
    }

    fn parsed(&mut self, text: &str) -> Option<Value> {
        let value = serde_json::from_str(text).ok();
        self.is_unsure |= value.is_none();
        value
    }

    fn part(&mut self, text: &str) {
        let Some(value) = self.parsed(text) else { return };
        let mut records = Vec::new();
        self.is_in_string = false;
        self.records_in(&value, 0, &mut records);
        // A record in a string may have had the needle in a duplicate field.
        let is_judged = records.iter().any(has_needle) || self.is_in_string && !records.is_empty();
        self.has_other |= has_needle(&value) && !is_judged && !has_insight(&value);
        self.is_doubtful |= HINTS.may_be_in(text.as_bytes()) && !is_plain(&value);
        self.found.extend(records.into_iter().filter(is_match));
    }

    /// All records in a value and in the envelopes that are read.
    fn records_in(&mut self, value: &Value, depth: u32, records: &mut Vec<Value>) {
        // Some envelopes less than are read.
        self.is_unsure |= depth > 6;
        match value {
            Value::Object(fields) if is_insight(fields) => {}
            Value::Object(fields) if is_record(fields) => {
                // The records in its strings may come before it, or instead of it.
                self.is_unsure |= STRINGS.iter().any(|name| fields.get(*name).is_some_and(may_be_json));
                if !lacks_parameters(fields) {
                    records.push(value.clone());
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let is_read = match name.as_str() {
                        name if OBJECTS.contains(&name) => true,
                        name if STRINGS.contains(&name) => value.is_string(),
                        name if LISTS.contains(&name) => value.is_array(),
                        _ => false,
                    };
                    if is_read {
                        self.records_in(value, depth + 1, records);
                    }
                }
            }
            Value::Array(elements) => elements.iter().for_each(|value| self.records_in(value, depth + 1, records)),
            Value::String(_) if may_be_json(value) => {
                let text = value.as_str().unwrap_or_default().trim_start_matches(BETWEEN).trim_end();
                if let Ok(inner) = serde_json::from_str(text) {
                    self.is_in_string = true;
                    self.records_in(&inner, depth + 1, records);
                } else {
                    // It may be JSON with something that is repaired, or that is nested too deep.
                    self.is_unsure |= serde_json::from_str::<&RawValue>(text).is_ok();
                }
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// What may be before a document.
const BETWEEN: fn(char) -> bool =
    |c| c.is_ascii_whitespace() || c.is_ascii_digit() || "-:.+TZ".contains(c) || c == '\u{feff}';

fn may_be_json(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim_start_matches(BETWEEN).starts_with(['{', '[']))
}

fn text<'f>(fields: &'f Map<String, Value>, name: &str) -> Option<&'f str> {
    fields.get(name).and_then(Value::as_str)
}

fn is_record(fields: &Map<String, Value>) -> bool {
    text(fields, "eventSource").is_some_and(|source| source.contains(".amazonaws.com"))
        && text(fields, "eventName").is_some()
}

fn is_insight(fields: &Map<String, Value>) -> bool {
    text(fields, "eventCategory") == Some("Insight") && fields.get("insightDetails").is_some_and(Value::is_object)
}

/// Whether an Insights record is in the value. It counts calls, and is judged by that.
fn has_insight(value: &Value) -> bool {
    match value {
        Value::Object(fields) => is_insight(fields) || fields.values().any(has_insight),
        Value::Array(elements) => elements.iter().any(has_insight),
        Value::String(text) => text.contains("insightDetails"),
        _ => false,
    }
}

/// Whether a policy call has no parameters as CloudTrail writes them. It makes its file unread.
fn lacks_parameters(fields: &Map<String, Value>) -> bool {
    let is_policy_call = text(fields, "eventSource") == Some("iam.amazonaws.com")
        && text(fields, "eventName").is_some_and(|name| {
            ["Attach", "Put", "Detach", "Delete"].iter().any(|verb| name.starts_with(verb))
                && ["UserPolicy", "GroupPolicy", "RolePolicy"].iter().any(|noun| name.ends_with(noun))
        });
    let has_columns = fields.keys().any(|name| name.starts_with("requestParameters."));
    let lacks = match fields.get("requestParameters") {
        None | Some(Value::Null) => text(fields, "errorCode").is_none_or(str::is_empty),
        Some(Value::Object(parameters)) => {
            !parameters.contains_key("policyArn") && !parameters.contains_key("policyName")
        }
        Some(_) => true,
    };
    is_policy_call && (has_columns || lacks)
}

/// Whether a value is simply a record.
fn is_plain(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| {
        is_record(fields)
            && !is_insight(fields)
            && !lacks_parameters(fields)
            && !STRINGS.iter().any(|name| fields.contains_key(*name))
    })
}

/// Whether a key or a string of the value contains a needle.
fn has_needle(value: &Value) -> bool {
    let json = value.to_string();
    NEEDLES.iter().any(|needle| json.contains(needle))
}

const LISTS: [&str; 4] = ["Records", "Events", "events", "logEvents"];
const OBJECTS: [&str; 4] = ["detail", "result", "_source", "event"];
const STRINGS: [&str; 6] = ["CloudTrailEvent", "message", "@message", "log", "_raw", "original"];

/// A document. Takes the elements of its lists, as far as they can be parsed.
struct Document<'r>(&'r mut Vec<Box<RawValue>>);
/// The list, or anything else instead of it.
struct List<'r>(&'r mut Vec<Box<RawValue>>);

/// A visitor ignores values that are neither an object nor a list.
macro_rules! scalars {
    () => {
        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }
        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }
        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }
    };
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a log file")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if LISTS.contains(&key.as_str()) {
                map.next_value_seed(List(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        List(self.0).visit_seq(seq)
    }
    scalars!();
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of records")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(record) = seq.next_element::<Box<RawValue>>()? {
            self.0.push(record);
        }
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
    scalars!();
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
