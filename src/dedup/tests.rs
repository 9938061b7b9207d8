mod flood;
mod limits;

use super::{
    document::{MAX_CLAIMS, MAX_INCIDENTS},
    kind::is_counted,
    memory::{MAX_DOCUMENTS, MAX_KNOWN_INCIDENTS},
    *,
};

const MINUTE: i64 = 60;
const NOW: i64 = 1_700_000_000;
const QUARANTINED: &str = "rule:1:user:alice:quarantined";
const BY_HAND: &str = "rule:1:user:alice:quarantined:by-hand";

fn key(dedup_key: &str, event_time: i64) -> IncidentKey {
    let by_aws = !is_counted(dedup_key);
    IncidentKey { entity: "e".into(), dedup_key: dedup_key.into(), event_time, has_window: true, by_aws }
}

fn removal(event_time: i64) -> IncidentKey {
    key(&format!("removed-rule:1:user:alice:removed:r-{event_time}"), event_time)
}

const HOUR: Duration = Duration::from_secs(3600);

fn question<'a>(key: &'a IncidentKey, token: &'a str, now: i64) -> Question<'a> {
    Question { key, removals: &NO_REMOVALS, token, now, period: HOUR, flood_period: HOUR }
}

fn claimed(decision: Decision) -> (Claim, Document) {
    match decision {
        Decision::Claim { claim, document } => (claim, document),
        other => panic!("{other:?}"),
    }
}

/// The document once a match is alerted, too.
fn alert(document: &Document, key: &IncidentKey) -> Document {
    let (claim, document) = claimed(document.decide(&question(key, "a", NOW)));
    document.completed(&claim, NOW).unwrap()
}

fn alerted(keys: &[IncidentKey]) -> Document {
    keys.iter().fold(Document::unknown("e"), |document, key| alert(&document, key))
}

fn decide(document: &Document, key: &IncidentKey) -> Decision {
    document.decide(&question(key, "b", NOW))
}

#[test]
fn an_alerted_incident_suppresses_for_less_than_one_period_on_either_side() {
    // 10:07 alerts, 11:06 is suppressed, 11:07 alerts.
    let document = alerted(&[key(QUARANTINED, NOW)]);
    for minutes in [-59, 0, 59] {
        assert_eq!(decide(&document, &key(QUARANTINED, NOW + minutes * MINUTE)), Decision::Suppress, "{minutes}");
    }
    for minutes in [-60, 60] {
        let (claim, _) = claimed(decide(&document, &key(QUARANTINED, NOW + minutes * MINUTE)));
        assert_eq!(claim.start(), NOW + minutes * MINUTE);
    }
}

#[test]
fn an_attach_by_others_does_not_suppress_that_of_aws() {
    let document = alerted(&[key(BY_HAND, NOW)]);
    claimed(decide(&document, &key(QUARANTINED, NOW)));
}

#[test]
fn a_removal_ends_an_incident_however_soon_the_next_one_follows() {
    let quarantined = key(QUARANTINED, NOW);
    let document = alerted(&[quarantined.clone(), removal(NOW + 10 * MINUTE)]);
    let again = key(QUARANTINED, NOW + 30 * MINUTE);
    claimed(decide(&document, &again));
    // Not for duplicates of the first, nor for what happened between it and its removal.
    assert_eq!(decide(&document, &quarantined), Decision::Suppress);
    assert_eq!(decide(&document, &key(QUARANTINED, NOW + 9 * MINUTE)), Decision::Suppress);
    // Nor does a removal of the same second make a duplicate an incident.
    let document = alerted(&[quarantined.clone(), removal(NOW)]);
    assert_eq!(decide(&document, &quarantined), Decision::Suppress);
    claimed(decide(&document, &again));
}

#[test]
fn a_removal_that_waits_in_this_process_counts_as_known() {
    let document = alerted(&[key(QUARANTINED, NOW)]);
    let again = key(QUARANTINED, NOW + 30 * MINUTE);
    assert_eq!(decide(&document, &again), Decision::Suppress);
    let removals = [NOW + 10 * MINUTE].into();
    claimed(document.decide(&Question { removals: &removals, ..question(&again, "b", NOW) }));
}

#[test]
fn a_key_without_a_window_identifies_its_record_at_any_time() {
    let undated = IncidentKey { has_window: false, event_time: 0, ..key("rule:1:user:alice:quarantined:e-1", 0) };
    let document = alerted(std::slice::from_ref(&undated));
    assert_eq!(decide(&document, &undated), Decision::Suppress);
    let ahead = IncidentKey { event_time: NOW + 55 * MINUTE, ..undated.clone() };
    assert_eq!(decide(&document, &ahead), Decision::Suppress);
    claimed(decide(&document, &IncidentKey { dedup_key: "rule:1:user:alice:quarantined:e-2".into(), ..undated }));
    claimed(decide(&document, &key(QUARANTINED, NOW)));
}

#[test]
fn a_write_with_a_lost_response_is_recognized_by_its_token() {
    let key = key(QUARANTINED, NOW);
    let (claim, document) = claimed(Document::unknown("e").decide(&question(&key, "a", NOW)));
    assert_eq!(document.decide(&question(&key, "a", NOW + 1)), Decision::Claimed { claim });
}

#[test]
fn others_wait_for_a_live_lease_and_take_over_an_expired_one_with_its_start() {
    let (_, document) = claimed(Document::unknown("e").decide(&question(&key(QUARANTINED, NOW), "a", NOW)));
    let later = key(QUARANTINED, NOW + MINUTE);
    assert_eq!(document.decide(&question(&later, "b", NOW + 24)), Decision::Wait { until: NOW + 25 });
    let (claim, document) = claimed(document.decide(&question(&later, "b", NOW + 25)));
    assert_eq!((claim.entity(), claim.dedup_key(), claim.start()), ("e", QUARANTINED, NOW));
    assert_eq!(document.version, 2);
}

#[test]
fn an_owner_cannot_complete_a_claim_that_was_taken_over() {
    let key = key(QUARANTINED, NOW);
    let (old, document) = claimed(Document::unknown("e").decide(&question(&key, "a", NOW)));
    let (new, document) = claimed(document.decide(&question(&key, "b", NOW + 25)));
    assert_eq!(document.completed(&old, NOW + 26), None);
    let document = document.completed(&new, NOW + 26).unwrap();
    assert_eq!(document.decide(&question(&key, "c", NOW + 27)), Decision::Suppress);
}

/// A removal that arrives between two attempts may end the incident that the first has claimed.
#[test]
fn a_claim_completes_its_own_incident() {
    let (_, abandoned) = claimed(Document::unknown("e").decide(&question(&key(QUARANTINED, NOW), "a", NOW)));
    let later = key(QUARANTINED, NOW + MINUTE);
    let (_, document) = claimed(abandoned.decide(&question(&later, "b", NOW + 25)));
    let removals = [NOW + 30].into();
    let (claim, document) =
        claimed(document.decide(&Question { removals: &removals, ..question(&later, "b", NOW + 26) }));
    assert_eq!(claim.start(), NOW + MINUTE);
    let document = document.completed(&claim, NOW + 27).unwrap();
    let decided = document.decide(&Question { removals: &removals, ..question(&later, "c", NOW + 28) });
    assert_eq!(decided, Decision::Suppress);
}

#[test]
fn an_expired_document_counts_as_empty_but_keeps_its_version() {
    let key = key(QUARANTINED, NOW);
    let document = alerted(std::slice::from_ref(&key));
    let (_, renewed) = claimed(document.decide(&question(&key, "b", document.expires_at)));
    assert_eq!((renewed.version, renewed.incidents.len()), (document.version + 1, 1));
}

#[test]
fn a_full_document_forgets_the_oldest_alert_and_never_a_claim() {
    let mut document = Document::unknown("e");
    let (claim, first) = claimed(document.decide(&question(&key(QUARANTINED, 0), "first", NOW)));
    document = first;
    for n in 1..=1200 {
        let (claim, with_claim) = claimed(document.decide(&question(&key(QUARANTINED, n * 3600), "a", NOW + n)));
        document = with_claim.completed(&claim, NOW + n).unwrap();
    }
    assert_eq!(document.incidents.len(), MAX_INCIDENTS);
    assert!(document.completed(&claim, NOW + 2000).is_some());
    let is_known = |n: i64| decide(&document, &key(QUARANTINED, n * 3600)) == Decision::Suppress;
    assert!(!is_known(1) && !is_known(201) && is_known(202) && is_known(1200));
}

#[test]
fn memory_is_bounded_and_knows_what_is_alerted() {
    let mut memory = Memory::default();
    let key = key(QUARANTINED, NOW);
    let (claim, document) = claimed(Document::unknown("e").decide(&question(&key, "a", NOW)));
    memory.store(document.clone());
    assert_eq!(memory.final_decision(&question(&key, "b", NOW), 1), None, "a claim is not final");
    memory.store(document.completed(&claim, NOW).unwrap());
    assert_eq!(memory.final_decision(&question(&key, "b", NOW), 2), Some(Decision::Suppress));
    // What this process did without the table may hide what others did.
    assert_eq!(memory.final_decision(&question(&key, "b", NOW), 1), None);
    (0..2500).for_each(|n| memory.store(Document::unknown(&n.to_string())));
    assert!(memory.0.len() <= MAX_DOCUMENTS);
}

#[test]
fn memory_keeps_each_document_in_its_newest_version_and_when_full_forgets_only_for_another() {
    let mut memory = Memory::default();
    let document = |entity, version, expires_at| {
        let mut document = Document::unknown(entity);
        (document.version, document.expires_at) = (version, expires_at);
        document
    };
    memory.store(document("a", 2, 1));
    memory.store(document("b", 1, 1));
    memory.store(document("a", 1, 2));
    assert_eq!(memory.load("a"), document("a", 2, 1), "an older version replaced it");
    // The table's replaces what this process did without it.
    memory.store(document("a", 2, 3));
    assert_eq!(memory.load("a"), document("a", 2, 3));
    (2..MAX_DOCUMENTS).for_each(|n| memory.store(Document::unknown(&n.to_string())));
    memory.store(document("a", 3, 4));
    assert_eq!((memory.0.len(), memory.load("b")), (MAX_DOCUMENTS, document("b", 1, 1)));
}

#[test]
fn the_stored_form_of_a_document_is_stable() {
    let later = key(QUARANTINED, NOW + 3600);
    let (_, document) = claimed(alerted(&[key(QUARANTINED, NOW)]).decide(&question(&later, "t", NOW)));
    assert_eq!(
        serde_json::to_value(&document).unwrap(),
        serde_json::json!({
            "dedup_key": "e", "version": 3, "expires_at": NOW + 400 * 86_400,
            "incidents": [
                { "key": QUARANTINED, "start": NOW, "alerted_at": NOW },
                { "key": QUARANTINED, "start": NOW + 3600, "owner": "t", "until": NOW + 25 },
            ],
        })
    );
}

#[test]
fn a_user_may_have_the_name_of_an_outcome() {
    for name in ["removed", "removed-2025", "enforced", "by-hand", "sha256:0123456789abcdef0123456789abcdef"] {
        let quarantined = format!("rule:1:user:{name}:quarantined");
        assert!(!is_counted(&quarantined), "{name}");
        assert!(
            is_counted(&format!("{quarantined}:by-hand")) && is_counted(&format!("rule:1:user:{name}:removed:r-1"))
        );
        // A removal ends the incident, so that the next quarantine alerts.
        let removal = IncidentKey { dedup_key: format!("rule:1:user:{name}:removed:r-1"), ..removal(NOW + MINUTE) };
        let document = alerted(&[key(&quarantined, NOW), removal]);
        let again = decide(&document, &key(&quarantined, NOW + 2 * MINUTE));
        assert!(matches!(again, Decision::Claim { .. }), "{name}: {again:?}");
    }
}

#[test]
fn no_number_in_a_stored_document_overflows() {
    let stored = |version: u64, incidents: serde_json::Value| {
        let document = serde_json::json!({
            "dedup_key": "e", "version": version, "expires_at": i64::MAX, "incidents": incidents, "removals": [i64::MIN, i64::MAX],
        });
        serde_json::from_value::<Document>(document)
    };
    let error = stored(u64::MAX, serde_json::json!([])).unwrap_err().to_string();
    assert!(error.starts_with("its version 18446744073709551615 is out of range"), "{error}");
    let (_, document) = claimed(decide(&stored(1 << 53, serde_json::json!([])).unwrap(), &key(QUARANTINED, NOW)));
    assert_eq!(document.version, (1 << 53) + 1);

    // Enough of them for the flood bound.
    let extremes = |key: &str| {
        let alerted = |start: i64| serde_json::json!({ "key": key, "start": start, "alerted_at": i64::MAX });
        serde_json::json!([i64::MIN, i64::MAX, NOW, 1].repeat(10).into_iter().map(alerted).collect::<Vec<_>>())
    };
    let mut flooded = 0;
    for key_of_incidents in [BY_HAND, QUARANTINED, "removed-rule:1:user:alice:removed:r"] {
        let document = stored(1, extremes(key_of_incidents)).unwrap();
        for key in [i64::MIN, 0, NOW, i64::MAX].iter().flat_map(|time| [key(BY_HAND, *time), key("r:removed:x", *time)])
        {
            flooded += usize::from(matches!(decide(&document, &key), Decision::Flooded { .. }));
        }
    }
    assert!(flooded > 0);
}

/// A log file may have a removal in each second of three days. Comparing all of them with each match would never end.
#[test]
fn a_decision_among_hundreds_of_thousands_of_removals_is_quick() {
    let document = alerted(&[key(QUARANTINED, NOW)]);
    let removals: BTreeSet<i64> = (1..300_001).map(|second| NOW - second).collect();
    let decided = (0..300_001).filter(|second| {
        let key = key(QUARANTINED, NOW + second % 3000);
        document.decide(&Question { removals: &removals, ..question(&key, "b", NOW) }) == Decision::Suppress
    });
    assert_eq!(decided.count(), 300_001);
}
