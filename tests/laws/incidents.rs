//! The laws of deduplication, for any order of arrival, any interleaving of three workers and any fault:
//!
//! - **L1** every acknowledged match has a published alert of its key whose start is less than one period from it, or its
//!   entity's flood bound was reached;
//! - **L2** without faults, the starts of one key are at least one period apart or have a removal between them, and each is
//!   published once;
//! - **L3** extra alerts ≤ faults, where a fault is a crash, a publish whose answer was lost, a match handled without
//!   the table, or a pause beyond the lease.
//!
//! The matches are of one entity: calls of AWS and of others, removals, records without a usable time, and events of AWS Health
//! with their updates.

mod judgement;
mod world;

use std::cell::Cell;

use proptest::prelude::*;
use quarantine_alert::dedup::{FLOOD_BOUND, IncidentKey};

use crate::run;
use judgement::has_window;
use world::{Event, Lost, PERIOD, SKEW, WORKERS, World};

fn event() -> impl Strategy<Value = Event> {
    let lost = prop_oneof![30 => Just(Lost::Nothing), 1 => Just(Lost::Request), 1 => Just(Lost::Answer)];
    prop_oneof![
        80 => (0..WORKERS, lost).prop_map(|(worker, lost)| Event::Step(worker, lost)),
        2 => (0..WORKERS).prop_map(Event::Crash),
        2 => any::<bool>().prop_map(|is_unavailable| Event::Table { is_unavailable }),
        10 => (0..3i64).prop_map(Event::Pass),
        1 => (20..400i64).prop_map(Event::Pass),
    ]
}

const NOON: i64 = 1_799_900_000;

fn key(dedup_key: String, minute: i64) -> IncidentKey {
    let by_aws = dedup_key.ends_with(":quarantined") || dedup_key.contains(":e-");
    let has_window = has_window(&dedup_key);
    let event_time = NOON + minute * 60;
    IncidentKey {
        entity: "e".into(),
        dedup_key: format!("rule:1:user:alice{dedup_key}"),
        event_time,
        has_window,
        by_aws,
    }
}

/// Duplicates, neighbors on both sides, both sides of a period's border, and removals between them.
fn keys() -> impl Strategy<Value = Vec<IncidentKey>> {
    let minute = || prop::sample::select(vec![0, 1, 29, 30, 59, 60, 61, 90, 119, 120, 121, 180]);
    let match_ = prop_oneof![
        4 => minute().prop_map(|minute| key(":quarantined".into(), minute)),
        2 => minute().prop_map(|minute| key(":quarantined:by-hand".into(), minute)),
        3 => minute().prop_map(|minute| key(format!(":removed:r-{minute}"), minute)),
        // Undated, or too far in the future.
        1 => (0..2).prop_map(|id| key(format!(":quarantined:e-{id}"), -NOON / 60)),
        1 => (0..2).prop_map(|id| key(format!(":quarantined:e-{id}"), 600)),
        // A communication of AWS Health and its updates, however much later.
        1 => (0..2, minute()).prop_map(|(id, minute)| key(format!(":exposed:e-{id}"), minute)),
    ];
    // Attaching and detaching in a loop, with a call of AWS in it.
    let minutes = || 0..100i64;
    let loop_ = prop_oneof![
        4 => minutes().prop_map(|minute| key(":quarantined:by-hand".into(), minute)),
        8 => minutes().prop_map(|minute| key(format!(":removed:r-{minute}"), minute)),
        1 => minutes().prop_map(|minute| key(":quarantined".into(), minute)),
    ];
    // Forged records without a usable time, with a call of AWS among them.
    let ids = || 0..30;
    let forged = prop_oneof![
        12 => ids().prop_map(|id| key(format!(":quarantined:e-{id}"), -NOON / 60)),
        2 => ids().prop_map(|id| key(format!(":quarantined:by-hand:e-{id}"), -NOON / 60)),
        1 => minutes().prop_map(|minute| key(":quarantined".into(), minute)),
    ];
    prop_oneof![
        10 => prop::collection::vec(match_, 1..7),
        1 => prop::collection::vec(loop_, 12..30),
        1 => prop::collection::vec(forged, 12..40),
    ]
}

#[test]
fn l1_l2_and_l3_hold_for_any_schedule() {
    let [schedules, faultless, extras, waited, removed, flooded, undated, updated, forged] =
        [const { Cell::new(0u32) }; 9];
    let count = |counter: &Cell<u32>, by: bool| counter.set(counter.get() + u32::from(by));
    let world = (keys(), prop::array::uniform3(-SKEW..=SKEW), prop::collection::vec(event(), 0..120));
    run(14_000, world, |(keys, skews, events)| {
        let mut world = World::new(&keys, skews);
        events.iter().for_each(|event| world.happen(event));
        count(&waited, world.workers.iter().filter(|worker| worker.job.is_some()).count() > 1);
        world.finish();

        prop_assert!(world.matches.iter().all(|found| world.is_alerted(found)), "L1: {:?}", world.published);
        if world.faults == 0 {
            prop_assert_eq!(world.extra_alerts(), 0, "L2: {:?}", world.published);
            let most = world.counted().into_iter().map(|begin| world.in_period(begin)).max();
            prop_assert!(most.unwrap_or(0) <= FLOOD_BOUND, "flood bound: {:?}", world.published);
            let untimed = world.most_untimed_in_a_period();
            prop_assert!(untimed <= FLOOD_BOUND, "flood bound of untimed records: {:?}", world.published);
        }
        prop_assert!(world.extra_alerts() <= world.faults, "L3: {} faults, {:?}", world.faults, world.published);
        count(&schedules, true);
        count(&faultless, world.faults == 0);
        count(&extras, world.extra_alerts() > 0);
        // Two alerts of one key within a period.
        let near = |(key, start): &(String, i64)| {
            world.published.iter().any(|(other, later)| key == other && (1..PERIOD).contains(&(later - start)))
        };
        count(&removed, world.faults == 0 && world.published.iter().any(near));
        count(&flooded, world.matches.iter().any(|found| found.is_flooded));
        count(&forged, world.matches.iter().any(|found| found.is_flooded && !found.key.has_window));
        count(&undated, keys.iter().any(|key| !key.has_window));
        let is_update = |(one, other): (&IncidentKey, &IncidentKey)| {
            one.dedup_key == other.dedup_key && one.event_time != other.event_time && one.dedup_key.contains(":exposed")
        };
        count(&updated, keys.iter().flat_map(|one| keys.iter().map(move |other| (one, other))).any(is_update));
        Ok(())
    });
    let counts =
        [&schedules, &faultless, &extras, &waited, &removed, &flooded, &undated, &updated, &forged].map(Cell::get);
    assert!(
        counts[0] >= 10_000 && counts[1..].iter().all(|&count| count > 150),
        "the schedules were lopsided: {counts:?}"
    );
}

#[test]
fn each_incident_alerts_once_in_any_order_of_arrival_without_faults() {
    let several = Cell::new(0u32);
    run(2000, (keys(), prop::array::uniform3(-SKEW..=SKEW)), |(keys, skews)| {
        let mut world = World::new(&keys, skews);
        world.finish();
        prop_assert_eq!((world.faults, world.extra_alerts()), (0, 0));
        several.set(several.get() + u32::from(world.published.len() > 1));
        Ok(())
    });
    assert!(several.get() > 500, "{}", several.get());
}

#[test]
fn a_known_removal_never_stands_between_a_match_and_its_alert() {
    let removed = Cell::new(0u32);
    run(2000, keys(), |keys| {
        // One worker, so that what another one learns within a second plays no part.
        let mut world = World::new(&keys, [0; WORKERS]);
        while world.matches.iter().any(|found| !found.is_acknowledged) {
            world.step(0, Lost::Nothing);
        }
        prop_assert!(world.matches.iter().all(|found| world.has_no_removal_before_its_alert(found)));
        let mut keys: Vec<&String> = world.published.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        removed.set(removed.get() + u32::from(keys.windows(2).any(|pair| pair[0] == pair[1])));
        Ok(())
    });
    assert!(removed.get() > 200, "{}", removed.get());
}
