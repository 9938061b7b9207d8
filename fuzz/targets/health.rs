//! Any event of AWS Health through the rule, the alert and every format: one match for each affected entity, and what is published
//! keeps what every alert keeps.

#![no_main]

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use libfuzzer_sys::fuzz_target;
use quarantine_alert::{
    alert::Alert,
    config::HttpsFormat,
    dedup::{Decision, Document, NO_REMOVALS},
    delivery::{Delivered, decode},
    engine::pending::PendingMatch,
    message::render,
    rule::{Exposures, Match},
};
use quarantine_alert_fuzz::{
    choice,
    published::{changed, check, masked},
};
use serde_json::Value;
use time::OffsetDateTime;

const NOW: i64 = 1_795_489_511;

static BASES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let files = [
        include_str!("../../tests/cases/health/exposed-user.json"),
        include_str!("../../tests/cases/health/exposed-root.json"),
        include_str!("../../tests/cases/health/exposed-no-user-name.json"),
        include_str!("../../tests/cases/health/quarantine-global.json"),
        include_str!("../../tests/cases/health/console-compromise.json"),
    ];
    files.map(|file| serde_json::from_str(file).expect("an event is JSON")).into()
});

/// The commands of ordinary events, with their values left out.
static COMMANDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut commands = BTreeSet::new();
    for base in &*BASES {
        for has_time in [true, false] {
            for entity in ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "no key"] {
                let mut event = base.clone();
                if !has_time {
                    event["time"] = Value::Null;
                    event["detail"]["startTime"] = Value::Null;
                    event["detail"]["lastUpdatedTime"] = Value::Null;
                }
                event["detail"]["affectedEntities"] = serde_json::json!([{ "entityValue": entity }]);
                event["detail"]["eventMetadata"]["publicKey"] = entity.into();
                for matched in exposures(&event.to_string()) {
                    let (alert, _) = alert(matched);
                    commands.extend(alert.steps.iter().flat_map(|step| &step.commands).map(|command| masked(command)));
                }
            }
        }
    }
    commands
});

fn exposures(payload: &str) -> Vec<Match> {
    let mut matches = Vec::new();
    for item in decode(payload).items {
        for content in item.content {
            if let Ok(Delivered::Health(event)) = content {
                let affected = event.affected.len().max(1);
                let found: Vec<Match> = Exposures::of(*event).into_iter().flatten().collect();
                assert!(found.is_empty() || found.len() == affected, "an affected entity has no match");
                matches.extend(found.into_iter().take(3));
            }
        }
    }
    matches
}

/// The alert of a match, and its dedup key.
fn alert(matched: Match) -> (Alert, String) {
    let now = OffsetDateTime::from_unix_timestamp(NOW).expect("it is a time");
    let pending = PendingMatch::new(matched, None);
    let question = pending.question(&NO_REMOVALS, Duration::from_secs(3600));
    let Decision::Claim { claim, .. } = Document::unknown("e").decide(&question) else { panic!("no claim") };
    for key in [&pending.key.dedup_key, &pending.key.entity] {
        assert!(key.bytes().all(|byte| byte.is_ascii_graphic()) && key.len() < 600, "{key}");
    }
    (Alert::new(&pending.matched, &claim, None, None, false, now), pending.key.dedup_key)
}

const FIELDS: [&str; 22] = [
    "/id",
    "/account",
    "/time",
    "/region",
    "/detail/service",
    "/detail/eventTypeCode",
    "/detail/eventArn",
    "/detail/communicationId",
    "/detail/statusCode",
    "/detail/eventRegion",
    "/detail/startTime",
    "/detail/lastUpdatedTime",
    "/detail/affectedAccount",
    "/detail/affectedEntities",
    "/detail/eventMetadata",
    "/detail/eventMetadata/accountId",
    "/detail/eventMetadata/publicKey",
    "/detail/eventMetadata/userName",
    "/detail/eventMetadata/exposedUrl",
    "/detail/page",
    "/detail/eventDescription",
    "/detail/more",
];

fuzz_target!(|data: &[u8]| {
    let (form, rest) = choice(data);
    let event = if form == b'{' {
        quarantine_alert_fuzz::text(data)
    } else {
        let parts: Vec<&[u8]> = rest.split(|byte| *byte == 0xff).collect();
        changed(&BASES[usize::from(form) % BASES.len()], &FIELDS, &parts).to_string()
    };
    let mut keys = BTreeSet::new();
    for matched in exposures(&event) {
        let has_card = event.len() % 2 == 0;
        let (alert, key) = alert(matched);
        keys.insert(key);
        check(&render(alert, if has_card { HttpsFormat::Chat } else { HttpsFormat::Default }), has_card, &COMMANDS);
    }
    // The same event has the same keys again.
    assert!(exposures(&event).into_iter().all(|matched| keys.contains(&alert(matched).1)));
});
