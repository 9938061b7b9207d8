//! The alerts that are published for each outcome.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::support::{
    Function, delivery, failed_items, gzip, key,
    local_aws::Account,
    log_file, put_log_files,
    schema::violation,
    wire::{Fault, Wire},
};

#[tokio::test]
async fn each_outcome_is_alerted_with_its_severity() {
    let account = Account::new().await;
    let names = ["quarantined", "failed", "removed", "denied"];
    put_log_files(&account, &names).await;
    let mut function = Function::start(&account);
    let keys = names.map(key);
    let batch = delivery(&account, &keys.each_ref().map(String::as_str));
    assert!(failed_items(&function.invoke(&batch).unwrap()).is_empty());
    let alerts = account.alerts(4).await;
    for (outcome, severity, policy) in [
        ("quarantined", "HIGH", json!("AWSCompromisedKeyQuarantineV3")),
        ("failed", "CRITICAL", json!("AWSCompromisedKeyQuarantineV3")),
        ("removed", "HIGH", json!("AWSCompromisedKeyQuarantineV3")),
        ("denied", "MEDIUM", Value::Null),
    ] {
        let alert = alerts.iter().find(|alert| alert["outcome"] == outcome).unwrap_or_else(|| panic!("no {outcome}"));
        assert_eq!((&alert["severity"], &alert["policy"]["name"]), (&json!(severity), &policy), "{outcome}");
        assert_eq!(alert["entity"]["name"], "ci-deploy");
    }
}

#[tokio::test]
async fn denied_attempts_can_be_switched_off() {
    let account = Account::new().await;
    put_log_files(&account, &["denied"]).await;
    let mut function = Function::start_with(&account, &account.endpoint, &[("DENIED_ATTEMPTS", "off")]);
    assert!(failed_items(&function.invoke(&delivery(&account, &[&key("denied")])).unwrap()).is_empty());
    account.alerts(0).await;
}

#[tokio::test]
async fn the_proof_of_life_is_marked_as_a_test() {
    let account = Account::new().await;
    let mut record = log_file("quarantined")["Records"][1].clone();
    record["recipientAccountId"] = json!("000000000000");
    account.put(&key("proof"), gzip(json!({ "Records": [record] }).to_string().as_bytes())).await;
    let mut function = Function::start(&account);
    function.invoke(&delivery(&account, &[&key("proof")])).unwrap();
    let [alert] = account.alerts(1).await.try_into().unwrap();
    assert_eq!(alert["test"], true);
    assert!(alert["title"].as_str().unwrap().starts_with("TEST "));
}

/// The validator of all alerts can fail.
#[tokio::test]
async fn the_schema_rejects_missing_unknown_and_invalid_keys() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let mut function = Function::start(&account);
    function.invoke(&delivery(&account, &[&key("quarantined")])).unwrap();
    let [alert] = account.alerts(1).await.try_into().unwrap();
    assert_eq!(violation(&alert), None);
    let changed = |change: fn(&mut Value)| {
        let mut alert = alert.clone();
        change(&mut alert);
        violation(&alert).is_some()
    };
    assert!(changed(|alert| _ = alert.as_object_mut().unwrap().remove("related")));
    assert!(changed(|alert| alert["extra"] = json!(1)));
    assert!(changed(|alert| alert["actor"]["extra"] = json!(1)));
    assert!(changed(|alert| alert["severity"] = json!("High")));
    assert!(changed(|alert| alert["dedupKey"] = json!("é")));
}

/// A string that an attacker chose to harm its readers, up to the size that CloudTrail logs and beyond.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "x",
        "\u{1}",
        "\u{1b}[2J",
        "\"\\",
        "\r\nBcc: x",
        "\u{202e}\u{200b}",
        "é",
        "日本",
        "$(id)`;'",
        "<!channel>*_~",
        "SURROGATE",
    ]);
    let times = prop_oneof![4 => 0..20usize, 2 => 20..2000usize, 1 => Just(4000usize)];
    (piece, times).prop_map(|(piece, times)| piece.repeat(times))
}

/// The local SNS does not check these rules: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
#[tokio::test]
async fn published_messages_obey_the_rules_of_sns_for_any_record() {
    let mut runner = TestRunner::deterministic();
    let mut records: Vec<Value> = (0..14)
        .map(|number| {
            let mut text = || hostile().new_tree(&mut runner).unwrap().current();
            let mut record = log_file("quarantined")["Records"][1].clone();
            record["requestParameters"]["userName"] = json!(format!("{number}{}", text()));
            record["requestParameters"]["policyArn"] =
                json!(format!("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine{}", text().replace('/', "")));
            record["userIdentity"] =
                json!({ "type": text(), "arn": text(), "principalId": text(), "accessKeyId": text() });
            for field in ["awsRegion", "userAgent", "eventID", "requestID", "sourceIPAddress", "errorCode"] {
                record[field] = json!(text());
            }
            record
        })
        .collect();
    records[0] = log_file("quarantined")["Records"][1].clone();
    records[0]["userAgent"] = json!("u".repeat(1_000_000));
    let text = json!({ "Records": records }).to_string().replace("SURROGATE", "\\ud800");
    let account = Account::new().await;
    account.put(&key("hostile"), gzip(text.as_bytes())).await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let mut function = Function::start_on(&account, &wire);
    let answer = function.invoke(&delivery(&account, &[&key("hostile")])).unwrap();
    assert!(failed_items(&answer).is_empty(), "{:#?}", function.log());

    let mut truncated = 0;
    let published = wire.seen("Publish");
    assert_eq!(published.len(), records.len());
    for seen in published {
        let field = |name: &str| seen.request.form_field(name).unwrap_or_else(|| panic!("no {name}"));
        let subject = field("Subject");
        let is_printable = subject.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        assert!((1..=99).contains(&subject.len()) && is_printable, "{subject:?}");
        assert_eq!(field("MessageStructure"), "json");
        let message = field("Message");
        let mut bytes = message.len();
        for number in 1..=6 {
            let attribute = |part: &str| field(&format!("MessageAttributes.entry.{number}.{part}"));
            let name = attribute("Name");
            let kind = attribute("Value.DataType");
            let value = attribute("Value.StringValue");
            assert!(!value.trim().is_empty() && kind == "String", "{name}");
            bytes += name.len() + kind.len() + value.len();
        }
        assert!(bytes <= 262_144, "{bytes}");
        let bodies: Value = serde_json::from_str(&message).unwrap();
        let alert: Value = serde_json::from_str(bodies["default"].as_str().unwrap()).unwrap();
        assert_eq!(violation(&alert), None);
        truncated += u32::from(alert["truncated"] == true);
        let email = bodies["email"].as_str().unwrap();
        let sms = bodies["sms"].as_str().unwrap();
        assert!(email.lines().count() <= 60 && !email.lines().any(|line| line.starts_with("Bcc")));
        assert!(email.chars().all(|c| c == '\n' || !c.is_control() && !"\u{202e}\u{200b}".contains(c)));
        assert!(sms.len() <= 140 && sms.is_ascii());
        for command in email.lines().filter(|line| line.starts_with("   aws ")) {
            // The time of the paste is our own.
            let command = command.replace("$(date -u +%Y-%m-%dT%H:%M:%SZ)", "");
            assert!(!command.contains("$(") && !command.contains('`'), "{command}");
        }
    }
    assert!(truncated > 3, "too few alerts were truncated: {truncated}");
}
