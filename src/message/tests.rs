//! One alert in each format, and the limits of SNS.

mod exposed;

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;
use crate::{
    dedup::{Claim, Decision, Document, NO_REMOVALS},
    engine::pending::PendingMatch,
    related::{Gathering, Identity},
    rule::{Match, Rules},
    trail::{
        log_file::{LogFile, S3Object},
        record::Record,
    },
};

/// The records of a file of `events/log-files/`.
fn samples(name: &str) -> Vec<Value> {
    let path = format!("{}/events/log-files/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let mut log_file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_value(log_file["Records"].take()).unwrap()
}

fn sample(name: &str, number: usize) -> Value {
    samples(name).swap_remove(number)
}

fn record(value: &Value) -> Record {
    Record::parse(value.to_string().as_bytes()).unwrap()
}

/// Three minutes after the sample's event time.
fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_489_511).unwrap()
}

fn claimed(matched: Match) -> (Match, Claim) {
    let pending = PendingMatch::new(matched, None);
    let Decision::Claim { claim, .. } =
        Document::unknown("e").decide(&pending.question(&NO_REMOVALS, Duration::from_secs(3600)))
    else {
        panic!("no claim")
    };
    (pending.matched, claim)
}

/// The alert of a record.
fn alert(record: &Value) -> Alert {
    alert_of(self::record(record))
}

fn alert_of(record: Record) -> Alert {
    let (matched, claim) = claimed(Rules::all().judge(record).expect("no match"));
    let key = "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/\
               123456789012_CloudTrail_us-east-1_20261124T0305Z_quarantined.json.gz";
    let log_file = LogFile::S3(S3Object::new("example-trail-logs".into(), key.into(), None, None));
    let identity = Identity::of(&matched);
    let mut gathering = Gathering::default();
    samples("quarantined").iter().for_each(|value| gathering.add(&identity, &self::record(value)));
    let related = gathering.finish(&identity);
    Alert::new(&matched, &claim, Some(&log_file), Some(related), false, now())
}

fn rendered(record: &Value) -> Message {
    render(alert(record), HttpsFormat::Chat)
}

fn bodies(message: &Message) -> Value {
    serde_json::from_str(&message.body).unwrap()
}

fn default(message: &Message) -> Value {
    serde_json::from_str(bodies(message)["default"].as_str().unwrap()).unwrap()
}

fn email(record: &Value) -> String {
    let message = rendered(record);
    format!("Subject: {}\n\n{}", message.subject, bodies(&message)["email"].as_str().unwrap())
}

#[test]
fn one_alert_is_rendered_in_each_format() {
    let record = sample("quarantined", 1);
    let message = rendered(&record);
    let card: Value = serde_json::from_str(bodies(&message)["https"].as_str().unwrap()).unwrap();
    insta::with_settings!({ snapshot_path => "../../tests/snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("email_quarantined", email(&record));
        insta::assert_snapshot!("email_failed", email(&sample("failed", 1)));
        insta::assert_snapshot!("email_removed", email(&sample("removed", 1)));
        insta::assert_snapshot!("email_denied", email(&sample("denied", 1)));
        insta::assert_snapshot!("email_enforced", email(&sample("enforced", 1)));
        insta::assert_snapshot!("json", serde_json::to_string_pretty(&default(&message)).unwrap());
        insta::assert_snapshot!("chat", serde_json::to_string_pretty(&card).unwrap());
        insta::assert_snapshot!("sms", bodies(&message)["sms"].as_str().unwrap());
    });
}

#[test]
fn https_subscribers_get_json_unless_the_format_is_chat() {
    let message = render(alert(&sample("quarantined", 1)), HttpsFormat::Default);
    assert_eq!(bodies(&message).as_object().unwrap().keys().collect::<Vec<_>>(), ["default", "email", "sms"]);
}

#[test]
fn the_first_lines_of_an_email_show_what_happened() {
    for name in ["quarantined", "failed", "removed", "denied", "enforced"] {
        let text = email(&sample(name, 1));
        let first: Vec<&str> = text.lines().skip(2).take(12).collect();
        for label in ["Outcome", "Entity", "Account", "Event time", "Actor", "Called by", "Contained"] {
            assert!(first.iter().any(|line| line.starts_with(label)), "{label}: {first:#?}");
        }
        assert!(text.lines().count() <= 60);
        assert!(text.lines().filter(|line| line.starts_with("   aws ")).count() <= 7);
    }
}

#[test]
fn the_proof_of_life_is_marked_as_a_test() {
    let mut record = sample("quarantined", 1);
    record["recipientAccountId"] = json!("000000000000");
    let message = rendered(&record);
    assert_eq!(default(&message)["test"], true);
    assert!(default(&message)["title"].as_str().unwrap().starts_with("TEST "));
    assert!(message.subject.starts_with("HIGH: TEST "));
}

#[test]
fn a_shell_command_as_a_name_is_not_in_a_command() {
    let mut record = sample("quarantined", 1);
    for name in ["$(curl evil)", "a'; curl evil #", "-x\n   aws iam delete-user", "`id`"] {
        record["requestParameters"]["userName"] = json!(name);
        record["requestParameters"]["policyArn"] =
            json!(format!("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine{name}"));
        record["userIdentity"]["accessKeyId"] = json!(name);
        record["awsRegion"] = json!(name);
        let text = email(&record);
        let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("   aws ")).collect();
        assert_eq!(commands.len(), 6, "{text}");
        for command in commands {
            assert!(
                !command.contains("evil") && !command.contains("delete-user") && !command.contains('`'),
                "{command}"
            );
        }
    }
}

#[test]
fn markdown_in_a_name_is_not_rendered_in_the_card() {
    let mut record = sample("quarantined", 1);
    record["requestParameters"]["userName"] = json!("<!channel> *x* `y` <https://evil.example|AWS>");
    record["awsRegion"] = json!("<@U1>");
    let card: Value = serde_json::from_str(bodies(&rendered(&record))["https"].as_str().unwrap()).unwrap();
    let shown = "`?!channel? *x* 'y' ?hxxps[://]evil[.]example|AWS?`";
    for text in [&card["content"]["title"], &card["content"]["description"], &card["metadata"]["summary"]] {
        let text = text.as_str().unwrap();
        assert!(
            text.contains(shown) && !text.replace(&alert(&record).link, "").contains("<!") && !text.contains("<@"),
            "{text}"
        );
    }
}

#[test]
fn a_line_break_in_a_name_breaks_neither_the_subject_nor_a_line_of_the_email() {
    let mut record = sample("quarantined", 1);
    record["requestParameters"]["userName"] = json!("x\r\nBcc: evil@example.com\u{202e}");
    let message = rendered(&record);
    assert!(message.subject.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{}", message.subject);
    assert!(!bodies(&message)["email"].as_str().unwrap().lines().any(|line| line.starts_with("Bcc:")));
}

#[test]
fn subject_and_sms_are_short_ascii_and_useful_for_every_name() {
    for (call, parameter, length) in [("AttachUserPolicy", "userName", 64), ("AttachGroupPolicy", "groupName", 128)] {
        for file in ["quarantined", "failed"] {
            let mut record = sample(file, 1);
            record["eventName"] = json!(call);
            record["requestParameters"][parameter] = json!("n".repeat(length));
            let message = rendered(&record);
            let sms = bodies(&message)["sms"].as_str().unwrap().to_owned();
            assert!((1..=99).contains(&message.subject.len()) && message.subject.contains("nnnnnnnnnnnnnnnn"));
            assert!(message.subject.ends_with("account 123456789012"), "{}", message.subject);
            assert!(
                (1..=140).contains(&sms.len()) && sms.is_ascii() && sms.ends_with("2026-11-24T03:02:11Z")
                    || file == "failed",
                "{sms}"
            );
        }
    }
}

#[test]
fn attributes_are_never_empty() {
    let mut record = sample("quarantined", 1);
    for field in ["awsRegion", "recipientAccountId"] {
        for value in [json!(""), json!(null), json!(" ")] {
            record[field] = value;
            assert!(rendered(&record).attributes.iter().all(|(_, value)| !value.trim().is_empty()));
        }
    }
}

#[test]
fn the_message_of_any_record_fits_and_keeps_its_keys() {
    let keys = |message: &Message| default(message).as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let small = rendered(&sample("quarantined", 1));
    assert_eq!((default(&small)["truncated"].clone(), keys(&small).len()), (json!(false), 34));
    let megabyte = "x".repeat(1_000_000);
    let controls = "\u{1}\"\\".repeat(60_000);
    let mut trimmed = 0;
    for (field, value) in [
        ("responseElements", json!({ "a": megabyte })),
        (
            "requestParameters",
            json!({ "userName": "a", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine", "a": megabyte }),
        ),
        (
            "requestParameters",
            json!({ "userName": controls, "policyArn": format!("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine{controls}") }),
        ),
        ("userAgent", json!(megabyte)),
        ("userAgent", json!(controls)),
        ("additionalEventData", json!(controls)),
        (
            "userIdentity",
            json!({ "type": controls, "arn": controls, "principalId": controls, "accessKeyId": controls }),
        ),
    ] {
        let mut record = sample("quarantined", 1);
        record["sourceIPAddress"] = json!(format!("AWS Internal{controls}"));
        record["eventID"] = json!(controls);
        record["awsRegion"] = json!(controls);
        record[field] = value;
        let message = rendered(&record);
        assert!(message.bytes() <= MAX_BYTES, "{field}: {} bytes", message.bytes());
        assert_eq!(keys(&message), keys(&small), "{field}");
        assert_eq!(default(&message)["truncated"], true, "{field}");
        trimmed += 1;
    }
    assert_eq!(trimmed, 7);
}

/// Many parsers have a limit for depth and numbers. serde's is 128, and it takes no number that an `f64` cannot hold.
#[test]
fn ordinary_parsers_take_the_alert_of_any_record() {
    let text = sample("quarantined", 1).to_string();
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for (value, is_cut) in
        [(deep.as_str(), true), (&"9".repeat(100_000), true), ("1e999", true), ("[[-1.5E+9]]", false)]
    {
        let text = text.replacen("\"requestParameters\":{", &format!("\"requestParameters\":{{\"x\":{value},"), 1);
        let alert = default(&render(alert_of(Record::parse(text.as_bytes()).unwrap()), HttpsFormat::Default));
        assert_eq!((&alert["truncated"], alert["entity"]["name"].as_str()), (&json!(is_cut), Some("ci-deploy")));
        let parameters = &alert["alertContext"]["record"]["requestParameters"];
        assert_eq!(
            (parameters["x"].is_null(), &parameters["userName"]),
            (is_cut && !parameters["x"].is_array(), &json!("ci-deploy"))
        );
    }
}

#[test]
fn a_name_of_a_bucket_makes_no_link_with_the_key() {
    let mut alert = alert(&sample("quarantined", 1));
    for (bucket, key) in
        [("x https:/", "/evil.example/x"), ("https://evil.example", "x"), ("logs", "x WWW.evil.example")]
    {
        alert.source.bucket = Some(bucket.into());
        alert.source.key = Some(key.into());
        let text = email::text(&alert);
        let line = text.lines().find(|line| line.starts_with("Evidence:")).unwrap();
        assert!(!line.contains("https:") && !line.contains("WWW.") && line.contains("evil"), "{line}");
    }
}

#[test]
fn parts_are_left_out_in_a_fixed_order() {
    let mut record = sample("quarantined", 1);
    record["responseElements"] = json!({ "a": 1 });
    let mut alert = alert(&record);
    assert!(alert.trim() && alert.related.is_none());
    let shown = |alert: &Alert| serde_json::to_value(alert).unwrap()["alertContext"]["record"].clone();
    assert!(
        alert.trim() && shown(&alert)["responseElements"].is_null() && !shown(&alert)["requestParameters"].is_null()
    );
    assert!(alert.trim() && shown(&alert)["requestParameters"].is_null() && !shown(&alert)["eventID"].is_null());
    assert!(alert.trim() && shown(&alert).is_null());
    assert!(!alert.trim() && alert.truncated);
}

#[test]
fn console_links_work_in_every_partition() {
    let link = |partition: &str| {
        let mut record = sample("quarantined", 1);
        record["requestParameters"]["policyArn"] =
            json!(format!("arn:{partition}:iam::aws:policy/AWSCompromisedKeyQuarantine"));
        default(&rendered(&record))["link"].as_str().unwrap().to_owned()
    };
    assert_eq!(link("aws"), "https://console.aws.amazon.com/iam/home#/users/details/ci-deploy");
    assert_eq!(link("aws-us-gov"), "https://console.amazonaws-us-gov.com/iam/home#/users/details/ci-deploy");
    assert_eq!(link("aws-cn"), "https://console.amazonaws.cn/iam/home#/users/details/ci-deploy");
}

fn runbook(record: &Value) -> String {
    default(&rendered(record))["runbook"].as_str().unwrap().to_owned()
}

#[test]
fn a_failed_call_does_not_choose_the_partition_of_the_links() {
    let mut record = sample("failed", 1);
    record["requestParameters"]["policyArn"] = json!("arn:aws-cn:iam::aws:policy/AWSCompromisedKeyQuarantineV3");
    let alert = default(&rendered(&record));
    assert!(record["errorCode"].is_string() && record["userIdentity"]["arn"].as_str().unwrap().starts_with("arn:aws:"));
    let shown = format!("{} {}", alert["link"], alert["runbook"]);
    assert!(!shown.contains("amazonaws.cn") && shown.contains("https://console.aws.amazon.com/"), "{shown}");
}

#[test]
fn the_runbook_deactivates_only_the_entitys_own_long_term_key() {
    let own = sample("quarantined", 1);
    assert!(runbook(&own).contains("--access-key-id='AKIAIOSFODNN7EXAMPLE' --status Inactive"));
    // An administrator's key, and the entity's own temporary one.
    let mut by_hand = own.clone();
    by_hand["userIdentity"]["arn"] = json!("arn:aws:iam::123456789012:user/admin");
    by_hand["userIdentity"]["userName"] = json!("admin");
    let mut temporary = own;
    temporary["userIdentity"]["accessKeyId"] = json!("ASIAIOSFODNN7EXAMPLE");
    for record in [by_hand, temporary] {
        let runbook = runbook(&record);
        assert!(runbook.contains("--access-key-id=ACCESS_KEY_ID --status Inactive"), "{runbook}");
        assert!(!runbook.contains("IOSFODNN7EXAMPLE"), "{runbook}");
    }
}

#[test]
fn a_roles_sessions_are_revoked_until_the_paste_and_only_after_a_question() {
    let mut record = sample("quarantined", 1);
    record["eventName"] = json!("AttachRolePolicy");
    record["requestParameters"] =
        json!({ "roleName": "deploy", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3" });
    let runbook = runbook(&record);
    assert!(
        runbook.contains("\n2. Find out who attached the policy")
            && runbook.contains("\n3. The role's sessions may be stolen"),
        "{runbook}"
    );
    assert!(runbook.contains(r#""aws:TokenIssueTime":"'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'""#), "{runbook}");
}

#[test]
fn a_record_without_a_time_shows_none_and_its_commands_have_none() {
    for time in [json!(null), json!("not a time"), json!("0000-01-01T00:00:00Z"), json!("2099-01-01T00:00:00Z")] {
        let mut record = sample("quarantined", 1);
        record["eventTime"] = time;
        let message = rendered(&record);
        let alert = default(&message);
        assert!(alert["eventTime"].is_null() && alert["detectionLatencySeconds"].is_null(), "{alert}");
        let text = email(&record);
        assert!(text.contains("Event time:  unknown; the record has no readable time"), "{text}");
        assert!(text.contains("quarantine-scan trace 'AKIAIOSFODNN7EXAMPLE' 's3://example-trail-logs'"), "{text}");
        assert!(!text.contains("--start-time") && !text.contains("--since"), "{text}");
        let sms = bodies(&message)["sms"].as_str().unwrap().to_owned();
        assert!(sms.ends_with("account 123456789012"), "{sms}");
    }
}

#[test]
fn times_are_shown_in_utc() {
    let mut record = sample("quarantined", 1);
    record["eventTime"] = json!("2026-11-24T17:02:11+14:00");
    assert_eq!(default(&rendered(&record))["eventTime"], "2026-11-24T03:02:11Z");
}

#[test]
fn the_runbook_has_its_steps_in_order_and_names_the_account() {
    let runbook = runbook(&sample("quarantined", 1));
    let steps = [
        "1. Use credentials of the account 123456789012",
        "aws sts get-caller-identity",
        "2. Deactivate ALL active access keys",
        "AWSSupport-ContainIAMPrincipal",
        "3. End the sessions",
        "4. Leave the quarantine policy attached",
        "5. Open the AWS support case",
        "6. Find out what the key did",
        "quarantine-scan trace 'AKIAIOSFODNN7EXAMPLE' --since='2026-11-23T03:02:11Z' 's3://example-trail-logs'",
        "7. Remove everything that was created",
        "8. Rotate the credentials",
        "9. Answer the support case",
        "10. Only now detach the quarantine policy.",
    ];
    let found: Vec<usize> =
        steps.iter().map(|step| runbook.find(step).unwrap_or_else(|| panic!("{step}: {runbook}"))).collect();
    assert!(found.is_sorted(), "{runbook}");
}

#[test]
fn an_attach_by_others_is_shown_with_both_readings_and_by_whom() {
    let mut record = sample("quarantined", 1);
    record["sourceIPAddress"] = json!("198.51.100.7");
    record["userIdentity"]["arn"] = json!("arn:aws:iam::123456789012:user/admin");
    let text = email(&record);
    assert!(text.contains("Actor:       IAMUser arn:aws:iam::123456789012:user/admin"), "{text}");
    assert!(text.contains("not AWS: a responder who contains a leaked key, or a test or the attacker"), "{text}");
}

#[test]
fn the_inline_form_of_before_2020_is_not_said_to_be_by_others() {
    let mut record = sample("quarantined", 1);
    record["eventName"] = json!("PutUserPolicy");
    record["sourceIPAddress"] = json!("72.21.217.97");
    record["requestParameters"] =
        json!({ "userName": "ci-deploy", "policyName": "AWSExposedCredentialPolicy_DO_NOT_REMOVE" });
    let alert = default(&rendered(&record));
    assert!(alert["actor"]["awsInternal"].is_null());
    assert!(!email(&record).contains("not AWS"), "{}", email(&record));
}

#[test]
fn urls_of_a_log_are_links_in_no_format() {
    let mut record = sample("quarantined", 1);
    let url = "https://evil.example/login";
    record["userAgent"] = json!(format!("Boto3 {url} (+http://www.evil.example)"));
    record["userIdentity"]["arn"] = json!(url);
    record["awsRegion"] = json!(url);
    record["requestParameters"]["userName"] = json!(url);
    let message = rendered(&record);
    let bodies = bodies(&message);
    for format in ["email", "sms", "https"] {
        let text = bodies[format].as_str().unwrap();
        assert!(!text.contains("://evil") && !text.contains("evil.example"), "{text}");
    }
    assert!(!message.subject.contains("evil.example"), "{}", message.subject);
    assert_eq!(default(&message)["actor"]["userAgent"], record["userAgent"]);
}
