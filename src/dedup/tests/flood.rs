//! Attaching and detaching in a loop alerts a bounded number of times.

use super::*;

#[test]
fn attaching_and_detaching_in_a_loop_alerts_ten_times_a_period_and_aws_still_does() {
    let mut document = Document::unknown("e");
    let mut decisions = Vec::new();
    for n in 0..30 {
        let at = NOW + n * MINUTE;
        let key = if n % 2 == 0 { key(BY_HAND, at) } else { removal(at) };
        match decide(&document, &key) {
            Decision::Claim { claim, document: with_claim } => {
                document = with_claim.completed(&claim, NOW).unwrap();
                decisions.push(claim.is_last());
            }
            other => assert_eq!(other, Decision::Flooded { document: None }),
        }
    }
    // The tenth announces that no more follow.
    assert_eq!(decisions, [&[false; 9][..], &[true]].concat());
    claimed(decide(&document, &key(QUARANTINED, NOW + 20 * MINUTE)));
    claimed(decide(&document, &removal(NOW + 70 * MINUTE)));
    // In any order of arrival: a period that begins before the loop and ends within it is full, too.
    assert_eq!(decide(&document, &removal(NOW - 50 * MINUTE)), Decision::Flooded { document: None });
    claimed(decide(&document, &removal(NOW - 60 * MINUTE)));
}

#[test]
fn a_removal_beyond_the_flood_bound_still_ends_an_incident_of_aws() {
    let removals: Vec<IncidentKey> = (0..10).map(|n| removal(NOW + n)).collect();
    let before = alert(&alerted(&removals), &key(QUARANTINED, NOW + 20 * MINUTE));
    let again = key(QUARANTINED, NOW + 25 * MINUTE);
    assert_eq!(decide(&before, &again), Decision::Suppress);
    // An attach by others ends nothing.
    assert_eq!(decide(&before, &key(BY_HAND, NOW + 21 * MINUTE)), Decision::Flooded { document: None });
    let Decision::Flooded { document: Some(document) } = decide(&before, &removal(NOW + 21 * MINUTE)) else {
        panic!("it was forgotten");
    };
    assert_eq!(document.version, before.version + 1);
    let document = alert(&document, &again);
    assert_eq!(decide(&document, &key(QUARANTINED, NOW + 20 * MINUTE)), Decision::Suppress);
    // The first to end it is enough.
    assert_eq!(decide(&document, &removal(NOW + 22 * MINUTE)), Decision::Flooded { document: None });
}

#[test]
fn a_removal_beyond_the_flood_bound_ends_what_began_in_its_second_but_not_a_period_before() {
    let after = |removals: std::ops::Range<i64>| {
        let removals: Vec<IncidentKey> = removals.map(|second| removal(NOW + second)).collect();
        alert(&alerted(&removals), &key(QUARANTINED, NOW))
    };
    let Decision::Flooded { document: Some(document) } = decide(&after(-10..0), &removal(NOW)) else {
        panic!("it was forgotten");
    };
    claimed(decide(&document, &key(QUARANTINED, NOW + MINUTE)));
    assert_eq!(decide(&after(3601..3611), &removal(NOW + 3600)), Decision::Flooded { document: None });
}

#[test]
fn the_flood_bound_counts_less_than_one_period_and_no_calls_of_aws() {
    let removals =
        |minutes: std::ops::Range<i64>| alerted(&minutes.map(|n| removal(NOW + n * MINUTE)).collect::<Vec<_>>());
    for document in [removals(0..10), removals(111..121)] {
        let (claim, _) = claimed(decide(&document, &removal(NOW + 60 * MINUTE)));
        assert!(claim.is_last());
    }
    for document in [removals(1..11), removals(110..120)] {
        assert_eq!(decide(&document, &removal(NOW + 60 * MINUTE)), Decision::Flooded { document: None });
    }
    let of_aws = |n| key(&format!("{QUARANTINED}:e-{n}"), NOW + n);
    let (claim, _) = claimed(decide(&alerted(&(0..10).map(of_aws).collect::<Vec<_>>()), &key(BY_HAND, NOW)));
    assert!(!claim.is_last());
}

#[test]
fn only_alerts_flood() {
    let mut document = alerted(&(0..8).map(|n| removal(NOW + n)).collect::<Vec<_>>());
    let (ninth, with_claim) = claimed(document.decide(&question(&removal(NOW + 8), "ninth", NOW)));
    assert!(!ninth.is_last());
    document = with_claim;
    let (tenth, with_claim) = claimed(document.decide(&question(&removal(NOW + 9), "tenth", NOW)));
    assert!(tenth.is_last());
    document = with_claim;
    // The claims may yet fail, so one more waits for them, and is next if they do.
    let until = NOW + LEASE.as_secs() as i64;
    assert_eq!(document.decide(&question(&removal(NOW + 10), "b", NOW)), Decision::Wait { until });
    claimed(document.decide(&question(&removal(NOW + 10), "b", until)));
    // Who takes over the tenth does not count it twice, nor the ninth, whose claim was given up, too.
    let (again, with_claim) = claimed(document.decide(&question(&removal(NOW + 9), "b", until)));
    assert!(!again.is_last());
    let document = with_claim.completed(&again, until).unwrap();
    let (last, _) = claimed(document.decide(&question(&removal(NOW + 8), "b", until)));
    assert!(last.is_last(), "the tenth alert announces the bound");
    // A claim that was given up does not become one alert too many.
    let (_, abandoned) = claimed(Document::unknown("e").decide(&question(&removal(NOW), "a", NOW - 100)));
    let document = (1..=10).fold(abandoned, |document, n| alert(&document, &removal(NOW + n)));
    assert_eq!(decide(&document, &removal(NOW)), Decision::Flooded { document: None });
}
