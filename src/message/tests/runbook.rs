//! What the alert tells people to do.

use serde_json::{Value, json};

use super::*;

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
