//! The oracle of the scan law: inflates everything, parses everything, and judges every record.

use std::{fmt, io::Read};

use flate2::read::MultiGzDecoder;
use quarantine_alert::{rule::Rules, trail::record::Record};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, value::RawValue};

use crate::scan::NEEDLES;

/// A record that a rule accepts, as a value: its text may be escaped.
pub fn matching(record: Record) -> Option<Value> {
    let matched = Rules::all().judge(record)?;
    Some(serde_json::from_str(matched.facts.evidence.raw.get()).unwrap())
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
}

/// Inflates everything, then parses everything. A break in either ends it with the records before the break.
pub fn oracle(stored: &[u8]) -> Oracle {
    let mut text = Vec::new();
    let is_inflated = stored.first() != Some(&0x1f) || MultiGzDecoder::new(stored).read_to_end(&mut text).is_ok();
    let text = if stored.first() == Some(&0x1f) { &text } else { stored };
    let mut oracle = Oracle::default();
    let mut documents = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
    loop {
        let at = documents.byte_offset();
        match documents.next() {
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

impl Oracle {
    /// The elements of a document's lists, or the document itself.
    fn document(&mut self, text: &str) {
        let value: Value = serde_json::from_str(text).unwrap();
        let is_list = |(key, value): (&String, &Value)| LISTS.contains(&key.as_str()) && value.is_array();
        let has_list = value.is_array() || value.as_object().is_some_and(|fields| fields.iter().any(is_list));
        if !has_list {
            return self.part(text);
        }
        let mut elements = Vec::new();
        Document(&mut elements).deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap();
        elements.iter().for_each(|element| self.part(element.get()));
        // A name next to the lists may be a mention of what is in them.
        self.has_mention |= value.as_object().into_iter().flatten().any(|pair| !is_list(pair) && has_needle(pair.1));
    }

    fn part(&mut self, text: &str) {
        let Ok(value) = serde_json::from_str(text) else { return };
        let mut records = Vec::new();
        records_in(&value, &mut records);
        self.has_other |= has_needle(&value) && !records.iter().any(has_needle);
        let record = |value: &Value| matching(Record::parse(value.to_string().as_bytes()).unwrap());
        self.found.extend(records.iter().filter_map(record));
    }
}

/// All records in a value and in the envelopes that are read.
fn records_in(value: &Value, records: &mut Vec<Value>) {
    let text = |fields: &serde_json::Map<String, Value>, name: &str| {
        fields.get(name).and_then(Value::as_str).map(str::to_owned)
    };
    match value {
        Value::Object(fields)
            if text(fields, "eventSource").is_some_and(|source| source.ends_with(".amazonaws.com"))
                && text(fields, "eventName").is_some() =>
        {
            records.push(value.clone());
        }
        Value::Object(fields) => {
            let is_read =
                |name: &str| ["detail", "CloudTrailEvent", "message"].contains(&name) || LISTS.contains(&name);
            fields.iter().filter(|(name, _)| is_read(name)).for_each(|(_, value)| records_in(value, records));
        }
        Value::Array(elements) => elements.iter().for_each(|value| records_in(value, records)),
        Value::String(text) => {
            if let Ok(inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                records_in(&inner, records);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a key or a string of the value contains a needle.
fn has_needle(value: &Value) -> bool {
    NEEDLES.iter().any(|needle| value.to_string().contains(needle))
}

const LISTS: [&str; 4] = ["Records", "Events", "events", "logEvents"];

/// A document. Takes the elements of its lists, as far as they can be parsed.
struct Document<'r>(&'r mut Vec<Box<RawValue>>);
/// The list, or anything else instead of it.
struct List<'r>(&'r mut Vec<Box<RawValue>>);

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
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
