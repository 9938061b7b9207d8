//! One alert in each format.

mod exposed;
mod limits;
mod runbook;

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
fn a_name_of_a_user_that_is_a_host_makes_no_link_and_its_commands_still_name_the_user() {
    for name in ["www.evil.example", "ci,WWW.evil.example", "x@wWw.evil.example"] {
        let mut record = sample("quarantined", 1);
        record["requestParameters"]["userName"] = json!(name);
        record["requestParameters"]["policyArn"] =
            json!("arn:aws:iam::aws:policy/x://evil.example/AWSCompromisedKeyQuarantineV3");
        let alert = alert(&record);
        let email = email::text(&alert);
        for line in email.lines().filter(|line| !line.starts_with("Console:")) {
            assert!(!line.to_ascii_lowercase().contains("www.") && !line.contains("://evil"), "{line}");
        }
        let list = &alert.steps[1].commands[0];
        assert_eq!(list.replace("''", ""), format!("aws iam list-access-keys --user-name='{name}'"));
    }
}

#[test]
fn times_are_shown_in_utc() {
    let mut record = sample("quarantined", 1);
    record["eventTime"] = json!("2026-11-24T17:02:11+14:00");
    assert_eq!(default(&rendered(&record))["eventTime"], "2026-11-24T03:02:11Z");
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
