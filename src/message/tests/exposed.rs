//! The alert of an event of AWS Health.

use serde_json::{Value, json};

use super::{bodies, claimed, default, now};
use crate::{
    alert::Alert,
    config::HttpsFormat,
    health::HealthEvent,
    json::Fields,
    message::{MAX_BYTES, Message, render},
    rule::Exposures,
};

/// A file of `tests/cases/health/`.
fn sample(name: &str) -> Value {
    let path = format!("{}/tests/cases/health/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rendered(event: &Value) -> Message {
    let text = event.to_string();
    let event = HealthEvent::of(&Fields::of(&text).unwrap(), &text).unwrap();
    let (matched, claim) = claimed(Exposures::of(event).unwrap().next().unwrap());
    render(Alert::new(&matched, &claim, None, None, false, now()), HttpsFormat::Chat)
}

fn email(event: &Value) -> String {
    let message = rendered(event);
    format!("Subject: {}\n\n{}", message.subject, bodies(&message)["email"].as_str().unwrap())
}

#[test]
fn an_exposure_is_rendered_in_each_format() {
    let message = rendered(&sample("exposed-user"));
    let card: Value = serde_json::from_str(bodies(&message)["https"].as_str().unwrap()).unwrap();
    insta::with_settings!({ snapshot_path => "../../../tests/snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("email_exposed", email(&sample("exposed-user")));
        insta::assert_snapshot!("email_exposed_root", email(&sample("exposed-root")));
        insta::assert_snapshot!("email_exposed_unknown", email(&sample("exposed-no-user-name")));
        insta::assert_snapshot!("email_exposed_console", email(&sample("console-compromise")));
        insta::assert_snapshot!("json_exposed", serde_json::to_string_pretty(&default(&message)).unwrap());
        insta::assert_snapshot!("chat_exposed", serde_json::to_string_pretty(&card).unwrap());
        insta::assert_snapshot!("sms_exposed", bodies(&message)["sms"].as_str().unwrap());
    });
}

#[test]
fn the_first_lines_of_an_email_show_what_leaked_where() {
    for name in ["exposed-user", "exposed-root", "exposed-no-user-name", "quarantine-global", "console-compromise"] {
        let text = email(&sample(name));
        let first: Vec<&str> = text.lines().skip(2).take(12).collect();
        for label in
            ["Outcome", "Entity", "Account", "Event time", "Access key", "Leaked at", "Reported by", "Contained"]
        {
            assert!(first.iter().any(|line| line.starts_with(label)), "{label}: {first:#?}");
        }
        assert!(text.lines().count() <= 60, "{text}");
    }
}

/// In the order of the response: lock the attacker out first.
#[test]
fn the_alert_of_root_can_be_acted_on_from_the_email_alone() {
    let text = email(&sample("exposed-root"));
    let steps = [
        "Sign in as root of the account 123456789012, with MFA",
        "aws sts get-caller-identity",
        "delete ALL access keys of root",
        "https://console.aws.amazon.com/iam/home#/security_credentials",
        "aws iam delete-access-key --access-key-id='AKIAI44QH8DHBEXAMPLE'",
        "Check the sign-in history of root",
        "aws cloudtrail lookup-events --region='us-east-1' --start-time='2026-11-23T03:01:40Z'",
        "Check the contacts of the account 123456789012",
        "aws account get-alternate-contact",
        "Open the AWS support case",
        "https://support.console.aws.amazon.com/support/home",
        "quarantine-scan trace 'AKIAI44QH8DHBEXAMPLE,arn:aws:iam::123456789012:root'",
        "Remove everything that was created",
        "Answer the support case",
    ];
    let mut rest = text.as_str();
    for step in steps {
        rest = rest.split_once(step).unwrap_or_else(|| panic!("{step} is not in its place: {text}")).1;
    }
}

#[test]
fn commands_have_only_values_of_awss_own_grammar() {
    let mut event = sample("exposed-user");
    for text in ["$(curl evil)", "a'; curl evil #", "-x\n   aws iam delete-user", "`id`"] {
        for name in ["userName", "publicKey", "accountId"] {
            event["detail"]["eventMetadata"][name] = json!(text);
        }
        event["detail"]["affectedEntities"][0]["entityValue"] = json!(text);
        for name in ["affectedAccount", "eventRegion", "eventArn", "eventTypeCode"] {
            event["detail"][name] = json!(text);
        }
        event["detail"]["eventTypeCode"] = json!(format!("AWS_RISK_{text}"));
        let text = email(&event);
        let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("   ")).collect();
        assert!(commands.len() > 5, "{text}");
        for command in commands {
            assert!(
                !command.contains("evil") && !command.contains("delete-user") && !command.contains('`'),
                "{command}"
            );
        }
    }
}

#[test]
fn the_message_of_any_event_fits_and_is_short_ascii_where_it_must_be() {
    let controls = "\u{1}\"\\".repeat(60_000);
    let megabyte = "\u{202e}".repeat(300_000);
    for (field, value) in [
        ("eventMetadata", json!({ "userName": controls, "exposedUrl": megabyte, "publicKey": controls })),
        ("eventMetadata", json!({ "exposedUrl": format!("https://{}", "a.".repeat(100_000)) })),
        ("eventTypeCode", json!(format!("AWS_RISK_{controls}"))),
        ("communicationId", json!(megabyte)),
        ("eventDescription", json!([{ "latestDescription": megabyte }])),
        ("affectedEntities", json!([{ "entityValue": format!("A{}", "K".repeat(126)) }, { "entityValue": controls }])),
    ] {
        for name in ["exposed-user", "exposed-root", "exposed-no-user-name"] {
            let mut event = sample(name);
            event["detail"]["affectedAccount"] = json!("000000000000");
            event["detail"][field] = value.clone();
            let message = rendered(&event);
            let sms = bodies(&message)["sms"].as_str().unwrap().to_owned();
            assert!(message.body.len() <= MAX_BYTES, "{field}");
            assert!((1..=99).contains(&message.subject.len()) && message.subject.is_ascii(), "{}", message.subject);
            assert!((1..=140).contains(&sms.len()) && sms.is_ascii(), "{sms}");
        }
    }
}

#[test]
fn what_moves_or_hides_text_is_escaped_in_json() {
    let mut event = sample("hostile-url");
    event["detail"]["eventMetadata"]["exposedUrl"] = json!("\u{202e}\u{e0041}\u{7f}é");
    let message = rendered(&event);
    let text = bodies(&message)["default"].as_str().unwrap().to_owned();
    assert!(text.contains(r#""url":"\u202e\udb40\udc41\u007fé""#), "{text}");
    assert_eq!(default(&message)["leak"]["url"], event["detail"]["eventMetadata"]["exposedUrl"]);
    assert_eq!(default(&message)["alertContext"]["record"], event);
}
