//! Any record through the rules, the alert and every format. The outcome is that of a plain reading of the rules; what is
//! published keeps SNS's limits, the schema, and the grammar of commands; and nothing in it acts on a reader.

#![no_main]

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use libfuzzer_sys::fuzz_target;
use quarantine_alert::{
    alert::Alert,
    config::HttpsFormat,
    dedup::{Decision, Document, NO_REMOVALS},
    engine::pending::PendingMatch,
    message::render,
    related::{Gathering, Identity},
    rule::Rules,
    trail::{
        log_file::{LogFile, S3Object},
        record::Record,
    },
};
use quarantine_alert_fuzz::{
    choice,
    published::{changed, check, has_infinite, masked, shape},
    text,
};
use regex_lite::Regex;
use serde_json::{Value, json};
use time::OffsetDateTime;

const NOW: i64 = 1_795_489_511;

static RULES: LazyLock<Rules> = LazyLock::new(Rules::all);
/// Records that match.
static BASES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let files = [
        include_str!("../../events/log-files/quarantined.json"),
        include_str!("../../events/log-files/failed.json"),
        include_str!("../../events/log-files/removed.json"),
        include_str!("../../events/log-files/denied.json"),
        include_str!("../../events/log-files/enforced.json"),
    ];
    let mut bases = Vec::new();
    for file in files {
        let mut file: Value = serde_json::from_str(file).expect("a log file is JSON");
        let records: Vec<Value> = serde_json::from_value(file["Records"].take()).expect("it has records");
        bases.extend(records.into_iter().filter(|record| judged(record.to_string().as_bytes()).is_some()));
    }
    let first = bases[0].clone();
    for noun in ["Group", "Role"] {
        let mut of_noun = first.clone();
        of_noun["eventName"] = json!(format!("Attach{noun}Policy"));
        of_noun["requestParameters"][format!("{}Name", noun.to_lowercase())] = json!("deployers");
        bases.push(of_noun);
    }
    let mut inline = first;
    inline["eventName"] = json!("PutUserPolicy");
    inline["requestParameters"]["policyName"] = json!("AWSExposedCredentialPolicy_DO_NOT_REMOVE");
    bases.push(inline);
    bases
});

/// The commands of ordinary records, with their values left out.
static COMMANDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut commands = BTreeSet::new();
    for base in &*BASES {
        for noun in ["User", "Group", "Role"] {
            for has_time in [false, true] {
                let mut record = base.clone();
                for of in ["User", "Group", "Role"] {
                    if let Some(name) = record["eventName"].as_str() {
                        record["eventName"] = json!(name.replace(&format!("{of}Policy"), &format!("{noun}Policy")));
                    }
                }
                if !has_time {
                    record["eventTime"] = Value::Null;
                }
                if let Some((alert, ..)) = alert(record.to_string().as_bytes(), "logs", "key") {
                    commands.extend(alert.steps.iter().flat_map(|step| &step.commands).map(|command| masked(command)));
                }
            }
            // Of a role's session.
            let mut record = base.clone();
            record["userIdentity"] = json!({ "type": "AssumedRole", "arn": "arn:aws:sts::123456789012:assumed-role/r/s",
                "sessionContext": { "sessionIssuer": { "type": if noun == "User" { "IAMUser" } else { noun }, "userName": "r",
                "arn": "arn:aws:iam::123456789012:role/r" } } });
            if let Some((alert, ..)) = alert(record.to_string().as_bytes(), "logs", "key") {
                commands.extend(alert.steps.iter().flat_map(|step| &step.commands).map(|command| masked(command)));
            }
        }
    }
    commands
});

fn judged(record: &[u8]) -> Option<quarantine_alert::rule::Match> {
    RULES.judge(Record::parse(record).ok()?)
}

/// The alert of a record, its outcome and the record as it was parsed.
fn alert(record: &[u8], bucket: &str, key: &str) -> Option<(Alert, String, Box<str>)> {
    let now = OffsetDateTime::from_unix_timestamp(NOW).expect("it is a time");
    let pending = PendingMatch::new(judged(record)?, None);
    let question = pending.question(&NO_REMOVALS, Duration::from_secs(3600));
    let Decision::Claim { claim, .. } = Document::unknown("e").decide(&question) else { panic!("no claim") };
    assert!(pending.key.dedup_key.bytes().all(|byte| byte.is_ascii_graphic()) && pending.key.dedup_key.len() < 600);
    assert!(pending.key.entity.bytes().all(|byte| byte.is_ascii_graphic()) && pending.key.entity.len() < 300);
    let matched = pending.matched;
    let identity = Identity::of(&matched);
    assert!(identity.needles().may_be_in(br#"\u0041"#));
    let mut gathering = Gathering::default();
    BASES_OF_OTHERS.with(|others| others.iter().for_each(|other| gathering.add(&identity, other)));
    let related = gathering.finish(&identity);
    let log_file = LogFile::S3(S3Object::new(bucket.into(), key.into(), None, None));
    let outcome = matched.outcome.to_string();
    let raw = matched.facts.evidence.raw.clone();
    Some((Alert::new(&matched, &claim, Some(&log_file), Some(related), false, now), outcome, raw))
}

thread_local! {
    static BASES_OF_OTHERS: Vec<Record> = {
        let mut file: Value = serde_json::from_str(include_str!("../../events/log-files/quarantined.json")).expect("JSON");
        let records: Vec<Value> = serde_json::from_value(file["Records"].take()).expect("it has records");
        records.iter().filter_map(|record| Record::parse(record.to_string().as_bytes()).ok()).collect()
    };
}

/// The outcome by a plain reading of the rules, where that is simple.
fn expected(record: &Value) -> Option<&'static str> {
    static MANAGED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?s)^arn:[^:]+:iam::aws:policy/(.*/)?AWSCompromisedKeyQuarantine[^/]*$")
            .expect("it is an expression")
    });
    static INLINE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(AWSCompromisedKeyQuarantine(V[0-9]+)?|AWSExposedCredentialPolicy_DO_NOT_REMOVE)$")
            .expect("it is an expression")
    });
    let parameters = &record["requestParameters"];
    let is_managed = parameters["policyArn"].as_str().is_some_and(|arn| MANAGED.is_match(arn));
    let is_inline = parameters["policyName"].as_str().is_some_and(|name| INLINE.is_match(name));
    let has_failed = record["errorCode"].as_str().is_some_and(|code| !code.is_empty());
    let name = record["eventName"].as_str()?;
    let verb = ["UserPolicy", "GroupPolicy", "RolePolicy"].iter().find_map(|noun| name.strip_suffix(noun))?;
    if record["eventSource"] != "iam.amazonaws.com" {
        return None;
    }
    match (verb, has_failed) {
        ("Attach", true) if is_managed => Some("failed"),
        ("Attach", false) if is_managed => Some("quarantined"),
        ("Put", false) if is_inline => Some("quarantined"),
        ("Detach", false) if is_managed => Some("removed"),
        ("Delete", false) if is_inline => Some("removed"),
        _ => None,
    }
}

const FIELDS: [&str; 30] = [
    "/eventTime",
    "/eventSource",
    "/eventName",
    "/awsRegion",
    "/sourceIPAddress",
    "/userAgent",
    "/errorCode",
    "/errorMessage",
    "/eventID",
    "/requestID",
    "/recipientAccountId",
    "/userIdentity",
    "/userIdentity/type",
    "/userIdentity/arn",
    "/userIdentity/principalId",
    "/userIdentity/accountId",
    "/userIdentity/accessKeyId",
    "/userIdentity/userName",
    "/userIdentity/sessionContext/sessionIssuer/type",
    "/userIdentity/sessionContext/sessionIssuer/arn",
    "/userIdentity/sessionContext/sessionIssuer/userName",
    "/requestParameters",
    "/requestParameters/userName",
    "/requestParameters/groupName",
    "/requestParameters/roleName",
    "/requestParameters/policyArn",
    "/requestParameters/policyName",
    "/requestParameters/more",
    "/responseElements",
    "/additionalEventData",
];

fuzz_target!(|data: &[u8]| {
    let (form, rest) = choice(data);
    let (record, bucket, key) = if form == b'{' {
        (data.to_vec(), "logs".into(), "key".into())
    } else {
        let parts: Vec<&[u8]> = rest.split(|byte| *byte == 0xff).collect();
        let [bucket, key, parts @ ..] = &parts[..] else { return };
        (
            changed(&BASES[usize::from(form) % BASES.len()], &FIELDS, parts).to_string().into_bytes(),
            text(bucket),
            text(key),
        )
    };
    let value: Option<Value> = serde_json::from_slice(&record).ok();
    let Some((first, outcome, raw)) = alert(&record, &bucket, &key) else {
        assert!(value.as_ref().and_then(expected).is_none(), "no rule accepts it");
        return;
    };
    if let Some(value) = value {
        match expected(&value) {
            Some(expected) => assert_eq!(outcome, expected),
            None => {
                let message = value["errorMessage"].as_str().unwrap_or_default();
                let is_enforced = outcome == "enforced"
                    && message.contains("with an explicit deny in an identity-based policy: arn:");
                let is_denied = outcome == "denied"
                    && value["eventName"] == "AttachUserPolicy"
                    && !value["requestParameters"].is_object();
                assert!(is_enforced || is_denied, "{outcome}");
            }
        }
    }
    // The record is published as it was, if it is small and every parser takes it.
    let published = first.alert_context.record.get().to_owned();
    let (depth, longest) = shape(&raw);
    if depth <= 60 && longest <= 60 && !has_infinite(&raw) {
        assert_eq!(published, &*raw);
    }
    let has_card = record.len() % 2 == 0;
    check(&render(first, if has_card { HttpsFormat::Chat } else { HttpsFormat::Default }), has_card, &COMMANDS);
});
