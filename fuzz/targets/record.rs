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
    message::{MAX_BYTES, Message, render},
    related::{Gathering, Identity},
    rule::Rules,
    trail::{
        log_file::{LogFile, S3Object},
        record::Record,
    },
    untrusted::acts,
};
use quarantine_alert_fuzz::{choice, schema, text};
use regex_lite::Regex;
use serde_json::{Value, json, value::RawValue};
use time::OffsetDateTime;

const NOW: i64 = 1_795_489_511;

static RULES: LazyLock<Rules> = LazyLock::new(Rules::all);
static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../schema/alert.schema.json")).expect("the schema is JSON"));

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

/// A command without its values and placeholders.
fn masked(command: &str) -> String {
    static VALUE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"'[A-Za-z0-9_+=,.@:/-]{1,2048}'|\b(ENTITY_NAME|ACCESS_KEY_ID|REGION|POLICY_ARN|POLICY_NAME)\b|s3://LOG_BUCKET")
            .expect("it is an expression")
    });
    VALUE.replace_all(command, "VALUE").into_owned()
}

fn judged(record: &[u8]) -> Option<quarantine_alert::rule::Match> {
    RULES.judge(Record::parse(record).ok()?)
}

/// The alert of a record, its outcome and the record as it was parsed.
fn alert(record: &[u8], bucket: &str, key: &str) -> Option<(Alert, String, Box<RawValue>)> {
    let now = OffsetDateTime::from_unix_timestamp(NOW).expect("it is a time");
    let pending = PendingMatch::new(judged(record)?, None);
    let question = pending.question(&NO_REMOVALS, Duration::from_secs(3600));
    let Decision::Claim { claim, .. } = Document::unknown("e").decide(&question) else { panic!("no claim") };
    assert!(pending.key.dedup_key.bytes().all(|byte| byte.is_ascii_graphic()) && pending.key.dedup_key.len() < 600);
    assert!(pending.key.entity.bytes().all(|byte| byte.is_ascii_graphic()) && pending.key.entity.len() < 300);
    let matched = pending.matched;
    let identity = Identity::of(&matched);
    assert!(identity.needles().found_in(br#"\u0041"#));
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

/// The deepest nesting of a JSON text, and its longest number.
fn shape(json: &str) -> (usize, usize) {
    let (mut depth, mut deepest, mut number, mut longest) = (0_usize, 0, 0, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        let is_digit = !in_string && (byte.is_ascii_digit() || b"-+.eE".contains(&byte));
        number = if is_digit { number + 1 } else { 0 };
        longest = longest.max(number);
        deepest = deepest.max(depth);
    }
    (deepest, longest)
}

/// Whether it has a number that no parser can represent.
fn has_infinite(json: &str) -> bool {
    serde_json::from_str::<Value>(json).is_err()
}

/// Every URL in a text is one of ours.
fn has_only_own_links(text: &str) -> bool {
    const OWN: [&str; 5] = [
        "console.",
        "support.console.aws.amazon.com/",
        "unit42.paloaltonetworks.com/",
        "docs.aws.amazon.com/",
        "attack.mitre.org/",
    ];
    let is_own = |(at, _): (usize, &str)| {
        let (before, after) = (&text[..at], &text[at + 3..]);
        let is_defanged = before.ends_with('[') && after.starts_with(']');
        is_defanged
            || before.ends_with("s3")
            || before.ends_with("https") && OWN.iter().any(|own| after.starts_with(own))
    };
    let is_host = |(at, _): (usize, &str)| {
        // A bucket may be named like a host.
        let begins_word = !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_./-".contains(c));
        begins_word && text[at..at + 4].eq_ignore_ascii_case("www.")
    };
    text.match_indices("://").all(is_own)
        && !text
            .match_indices(['w', 'W'])
            .filter(|(at, _)| text.is_char_boundary(at + 4) && at + 4 <= text.len())
            .any(is_host)
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fn check(message: &Message, has_card: bool) {
    let attributes: usize =
        message.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len()).sum();
    assert!(message.body.len() + attributes <= MAX_BYTES, "{} bytes", message.body.len() + attributes);
    assert!(is_line(&message.subject) && message.subject.len() < 100, "{:?}", message.subject);
    assert!(message.attributes.iter().all(|(_, value)| !value.trim().is_empty()));

    let bodies: Value = serde_json::from_str(&message.body).expect("the body is JSON");
    let body = |name: &str| bodies[name].as_str().expect("every protocol has a text");
    assert_eq!(bodies.as_object().map(serde_json::Map::len), Some(3 + usize::from(has_card)));
    assert!(is_line(body("sms")) && body("sms").len() <= 140, "{:?}", body("sms"));

    let (depth, longest) = shape(body("default"));
    assert!(depth <= 64 && longest <= 64, "{depth} levels, a number of {longest} bytes");
    let alert: Value = serde_json::from_str(body("default")).expect("the alert is JSON");
    schema::check(&SCHEMA, &alert, "alert").unwrap_or_else(|violation| panic!("{violation}"));

    let email = body("email");
    assert!(!email.replace('\n', "").contains(acts), "{email}");
    assert!(has_only_own_links(email), "{email}");
    for line in email.lines().filter(|line| line.starts_with("   ") && !line.contains(" × ")) {
        let command = masked(line.trim_start());
        assert!(COMMANDS.contains(&command), "{command} in {line}");
    }
    for line in alert["runbook"].as_str().expect("a text").lines() {
        let is_step = line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
        assert!(is_step || line.starts_with("   "), "{line}");
    }
    if has_card {
        let card: Value = serde_json::from_str(body("https")).expect("the card is JSON");
        assert_eq!((&card["version"], &card["source"]), (&json!("1.0"), &json!("custom")));
        let description = card["content"]["description"].as_str().expect("a text");
        let link = format!("<{}|Open in the console>", alert["link"].as_str().expect("a link"));
        let rest = description.replacen(&link, "", 1);
        for text in [
            &rest,
            card["content"]["title"].as_str().expect("a text"),
            card["metadata"]["summary"].as_str().expect("a text"),
        ] {
            assert!(!text.contains(['<', '>', '&']) && has_only_own_links(text), "{text}");
            // A value is code, so it has two backticks, and no more.
            assert_eq!(text.matches('`').count() % 2, 0, "{text}");
        }
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

/// The field, which is made if its parent is an object.
fn field<'v>(record: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    let mut value = record;
    for name in path[1..].split('/') {
        if value.is_null() {
            *value = json!({});
        }
        value = value.as_object_mut()?.entry(name).or_insert(Value::Null);
    }
    Some(value)
}

/// A record that matches, with fields that the input chooses.
fn changed(base: u8, parts: &[&[u8]]) -> Value {
    let mut record = BASES[usize::from(base) % BASES.len()].clone();
    for part in parts {
        let [at, how, content @ ..] = part else { continue };
        let Some(field) = field(&mut record, FIELDS[usize::from(*at) % FIELDS.len()]) else { continue };
        let content = text(content);
        *field = match (how % 8, field.as_str()) {
            (0 | 1, Some(known)) => json!(format!("{known}{content}")),
            (2, Some(known)) => json!(format!("{content}{known}")),
            (3, _) => serde_json::from_str(&content).unwrap_or_default(),
            // Few inputs are large, since they take long.
            (4, _) => {
                let bytes = if how / 8 == 31 { 300_000 } else { 2000 };
                json!(content.repeat(bytes / content.len().max(1)))
            }
            _ => json!(content),
        };
    }
    record
}

fuzz_target!(|data: &[u8]| {
    let (form, rest) = choice(data);
    let (record, bucket, key) = if form == b'{' {
        (data.to_vec(), "logs".into(), "key".into())
    } else {
        let parts: Vec<&[u8]> = rest.split(|byte| *byte == 0xff).collect();
        let [bucket, key, parts @ ..] = &parts[..] else { return };
        (changed(form, parts).to_string().into_bytes(), text(bucket), text(key))
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
    let (depth, longest) = shape(raw.get());
    if depth <= 60 && longest <= 60 && !has_infinite(raw.get()) {
        assert_eq!(published, raw.get());
    }
    let has_card = record.len() % 2 == 0;
    check(&render(first, if has_card { HttpsFormat::Chat } else { HttpsFormat::Default }), has_card);
});
