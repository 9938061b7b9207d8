//! The bounds of a document whose records an attacker has chosen.

use super::*;

const ENFORCED: &str = "rule:1:user:alice:enforced";

/// A match whose record has no usable time.
fn untimed(dedup_key: &str, id: &str) -> IncidentKey {
    let by_aws = !is_counted(dedup_key);
    IncidentKey { has_window: false, event_time: 0, by_aws, ..key(&format!("{dedup_key}:{id}"), 0) }
}

/// Asks about each match at its moment, and completes the claims. Returns which were alerted, and the document.
fn alerted_of(mut document: Document, matches: &[(i64, IncidentKey)]) -> (Vec<usize>, Document) {
    let mut alerted = Vec::new();
    for (number, (now, key)) in matches.iter().enumerate() {
        match document.decide(&question(key, "a", *now)) {
            Decision::Claim { claim, document: with_claim } => {
                assert_eq!(claim.is_last(), alerted.len() + 1 == FLOOD_BOUND, "{number}");
                document = with_claim.completed(&claim, *now).unwrap();
                alerted.push(number);
            }
            decision => assert_eq!(decision, Decision::Flooded { document: None }, "{number}"),
        }
    }
    (alerted, document)
}

#[test]
fn a_flood_of_untimed_records_alerts_ten_times_a_period_even_if_aws_made_the_calls() {
    for dedup_key in [QUARANTINED, BY_HAND, "rule:1:user:alice:failed", ENFORCED, "rule:1:user:alice:removed:r-1"] {
        let flood: Vec<_> = (0..40).map(|n| (NOW + n, untimed(dedup_key, &format!("e-{n}")))).collect();
        let (alerted, document) = alerted_of(Document::unknown("e"), &flood);
        assert_eq!(alerted, (0..10).collect::<Vec<_>>(), "{dedup_key}");
        // A copy of one that was alerted is suppressed, not counted as flood.
        assert_eq!(document.decide(&question(&flood[3].1, "b", NOW + 99)), Decision::Suppress, "{dedup_key}");
        // They have no time of their own, so their period is that of the alerts.
        let hour = HOUR.as_secs() as i64;
        claimed(document.decide(&question(&flood[39].1, "b", NOW + hour)));
        assert_eq!(document.decide(&question(&flood[39].1, "b", NOW + hour - 1)), Decision::Flooded { document: None });
    }
}

#[test]
fn a_flood_of_untimed_records_withholds_no_record_of_another_kind() {
    let kinds = [QUARANTINED, BY_HAND, ENFORCED, "rule:1:user:alice:failed", "rule:1:user:alice:removed"];
    for flooded in kinds {
        let flood: Vec<_> = (0..40).map(|n| (NOW, untimed(flooded, &format!("e-{n}")))).collect();
        let (_, document) = alerted_of(Document::unknown("e"), &flood);
        for other in kinds {
            // Those with a time are other incidents. Theirs is not even that of the flood's kind.
            claimed(decide(&document, &key(other, NOW)));
            if other != flooded {
                claimed(decide(&document, &untimed(other, "e-x")));
            }
        }
    }
    // Nor do records with a time withhold those without.
    let removals: Vec<IncidentKey> = (0..10).map(|n| removal(NOW + n)).collect();
    claimed(decide(&alerted(&removals), &untimed("rule:1:user:alice:removed:r-x", "e-x")));
}

#[test]
fn only_alerts_of_untimed_records_flood() {
    let flood: Vec<_> = (0..9).map(|n| (NOW, untimed(QUARANTINED, &format!("e-{n}")))).collect();
    let (_, document) = alerted_of(Document::unknown("e"), &flood);
    let (tenth, document) = claimed(document.decide(&question(&untimed(QUARANTINED, "e-9"), "tenth", NOW)));
    assert!(tenth.is_last());
    let more = untimed(QUARANTINED, "e-10");
    let until = NOW + LEASE.as_secs() as i64;
    assert_eq!(document.decide(&question(&more, "b", NOW)), Decision::Wait { until });
    // The tenth crashed.
    let (tenth, _) = claimed(document.decide(&question(&more, "b", until)));
    assert!(tenth.is_last());
}

#[test]
fn a_forgotten_removal_still_ends_its_incident() {
    // The removal is alerted long before the quarantine that it ends, and is the first that a full document forgets.
    let document = alert(&Document::unknown("e"), &removal(NOW + 10 * MINUTE));
    let (claim, document) = claimed(document.decide(&question(&key(QUARANTINED, NOW), "a", NOW + 1)));
    let mut document = document.completed(&claim, NOW + 1).unwrap();
    for n in 1..MAX_INCIDENTS as i64 {
        let (claim, with_claim) = claimed(document.decide(&question(&key(QUARANTINED, n * 3600), "a", NOW + 1 + n)));
        document = with_claim.completed(&claim, NOW + 1 + n).unwrap();
    }
    assert_eq!(document.incidents.len(), MAX_INCIDENTS);
    assert!(document.incidents.iter().all(|incident| !incident.key.contains("removed")));
    assert_eq!(decide(&document, &key(QUARANTINED, NOW)), Decision::Suppress);
    claimed(decide(&document, &key(QUARANTINED, NOW + 30 * MINUTE)));
}

#[test]
fn claims_that_were_given_up_do_not_fill_a_document() {
    // SNS is unavailable, and each match is claimed in vain.
    let mut document = Document::unknown("e");
    for n in 0..2000 {
        let now = NOW + n * 30;
        let (_, with_claim) = claimed(document.decide(&question(&key(QUARANTINED, n * 3600), "a", now)));
        document = with_claim;
    }
    assert_eq!(document.incidents.len(), MAX_CLAIMS);
    // A forgotten one claims anew, and so does the newest.
    for n in [0, 1999] {
        let (claim, document) = claimed(document.decide(&question(&key(QUARANTINED, n * 3600), "b", NOW + 90_000)));
        assert!(document.completed(&claim, NOW + 90_001).is_some());
    }
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn stored_bytes(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::Null | Value::Bool(_) => 1,
        // A byte for two digits, and one more; a sign is another.
        Value::Number(number) => number.to_string().len().div_ceil(2) + 2,
        Value::String(text) => text.len(),
        Value::Array(values) => 3 + values.iter().map(|value| 1 + stored_bytes(value)).sum::<usize>(),
        Value::Object(fields) => {
            3 + fields.iter().map(|(name, value)| 1 + name.len() + stored_bytes(value)).sum::<usize>()
        }
    }
}

#[test]
fn a_full_document_of_the_longest_keys_fits_into_an_item() {
    // A removal by its request without a time, of a user with the longest name: AWS's ids have at most 64 characters here.
    let longest = |n: i64| {
        let (rule, name, id) = ("AWS.CloudTrail.IAMCompromisedKeyQuarantineRemoved", "x".repeat(128), "i".repeat(59));
        format!("{rule}:123456789012:group:{name}:removed:{n:05}{id}:{n:05}{id}")
    };
    let mut document = Document::unknown(&longest(0));
    let token = "01234567-89ab-cdef-0123-456789abcdef-1234567890";
    for n in 0..2 * MAX_INCIDENTS as i64 {
        let key = IncidentKey { has_window: false, ..key(&longest(n), NOW + n) };
        let now = NOW + n * 3600;
        let (claim, with_claim) = claimed(document.decide(&question(&key, token, now)));
        let is_given_up = n % 2 == 0;
        document = if is_given_up { with_claim } else { with_claim.completed(&claim, now).unwrap() };
    }
    assert_eq!(document.incidents.len(), MAX_INCIDENTS);
    let bytes = stored_bytes(&serde_json::to_value(&document).unwrap());
    assert!((380_000..409_600).contains(&bytes), "{bytes}");
}

#[test]
fn memory_is_bounded_by_the_incidents_of_its_documents() {
    let full = |entity: String| {
        let mut document = alerted(&(0..500).map(|n| key(QUARANTINED, NOW + n * 3600)).collect::<Vec<_>>());
        document.dedup_key = entity;
        document
    };
    let mut memory = Memory::default();
    for n in 0..100 {
        memory.store(full(n.to_string()));
        assert!(memory.0.values().map(|document| document.incidents.len()).sum::<usize>() <= MAX_KNOWN_INCIDENTS);
        assert!(!memory.load(&n.to_string()).incidents.is_empty(), "the newest is known");
    }
}
