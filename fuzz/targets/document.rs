//! Any item of the dedup table, and any question to it: a decision, whose document can be stored and loaded, and which keeps the
//! order of a claim, its completion and its suppression.

#![no_main]

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use quarantine_alert::dedup::{Decision, Document, IncidentKey, LEASE, Question};
use quarantine_alert_fuzz::{choice, text};
use serde_dynamo::{AttributeValue, Item};
use serde_json::Value;

const NOW: i64 = 1_795_489_511;

/// An item of the table, as anyone who may write to it can make it.
fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(values) => AttributeValue::L(values.iter().map(attribute).collect()),
        Value::Object(fields) => {
            AttributeValue::M(fields.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
    }
}

fn item(document: &Document) -> HashMap<String, AttributeValue> {
    let item: Item = serde_dynamo::to_item(document).expect("every document can be stored");
    item.into_inner()
}

fn number(bytes: &[u8]) -> i64 {
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | i64::from(*byte))
}

fuzz_target!(|data: &[u8]| {
    let (flags, rest) = choice(data);
    let mut parts = rest.split(|byte| *byte == 0xff);
    let mut next = || parts.next().unwrap_or_default();
    let stored = next();
    let (dedup_key, event_time, period) = (text(next()), next(), number(next()));
    let removals: BTreeSet<i64> = parts.take(20).map(number).collect();
    let near = |bytes: &[u8]| if flags & 16 == 0 { NOW.wrapping_add(number(bytes)) } else { number(bytes) };
    let key = IncidentKey {
        entity: "e".into(),
        dedup_key: if flags & 32 == 0 { format!("rule:1:user:x:{dedup_key}") } else { dedup_key },
        event_time: near(event_time),
        has_window: flags & 1 == 0,
        by_aws: flags & 2 == 0,
    };
    // The configuration allows no period of zero.
    let seconds = if flags & 8 == 0 { period.unsigned_abs() % 100_000 } else { period.unsigned_abs() };
    let period = Duration::from_secs(seconds.max(1));
    // The clock of this process is right: it is no input.
    let question = Question { key: &key, removals: &removals, token: "mine", now: NOW, period, flood_period: period };
    let Ok(value) = serde_json::from_slice::<Value>(stored) else { return };
    let AttributeValue::M(fields) = attribute(&value) else { return };
    // This program stores incidents in the order of their starts.
    let starts: Vec<i64> =
        value["incidents"].as_array().into_iter().flatten().filter_map(|incident| incident["start"].as_i64()).collect();
    let Ok(document) = serde_dynamo::from_item::<_, Document>(Item::from(fields)) else { return };

    let check = |next: &Document| {
        assert_eq!(next.version, document.version + 1);
        let again: Document = serde_dynamo::from_item(Item::from(item(next))).expect("what is stored can be loaded");
        assert_eq!(&again, next);
    };
    let _ = document.final_decision(&question);
    match document.decide(&question) {
        Decision::Suppress => {}
        Decision::Flooded { document } => document.iter().for_each(check),
        Decision::Wait { until } => assert!(until > NOW),
        Decision::Claimed { claim } => {
            let completed = document.completed(&claim, NOW);
            completed.iter().for_each(check);
        }
        Decision::Claim { claim, document: claimed } => {
            check(&claimed);
            assert_eq!(claim.dedup_key(), key.dedup_key);
            assert!(claimed.expires_at > NOW);
            assert!(
                matches!(claimed.decide(&question), Decision::Claimed { claim: again } if again.start() == claim.start()),
                "my own claim"
            );
            let other = Question { token: "nobody else has this token", ..question.clone() };
            let start_is_near = claim.start().abs_diff(key.event_time) < period.as_secs();
            if start_is_near {
                let decision = claimed.decide(&other);
                assert!(matches!(decision, Decision::Wait { .. }), "another's claim: {decision:?}");
                let later = Question { now: NOW + LEASE.as_secs() as i64, ..other.clone() };
                if let Decision::Claim { claim: taken, .. } = claimed.decide(&later)
                    && starts.is_sorted()
                {
                    assert_eq!(taken.start(), claim.start(), "a claim that was taken over keeps its start");
                }
                let completed = claimed.completed(&claim, NOW).expect("the claim is mine");
                assert_eq!(completed.version, claimed.version + 1);
                assert_eq!(completed.decide(&other), Decision::Suppress);
                assert_eq!(completed.final_decision(&question), Some(Decision::Suppress));
            }
        }
    }
});
