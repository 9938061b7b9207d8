//! Every row of `tests/cases/README.md` that is for the function.

use serde_json::{Value, json};

use crate::support::{
    Function,
    cases::{Case, cases},
    event, failed_items, gzip,
    local_aws::Account,
    log_file,
    wire::{Fault, Wire},
};

/// The bodies by protocol of the messages that a row's delivery has published, with their alerts.
struct Published {
    alert: Value,
    bodies: Value,
}

impl Published {
    fn body(&self, protocol: &str) -> &str {
        self.bodies[protocol].as_str().unwrap()
    }
}

/// The message that delivers a row, after its object was put.
async fn delivered(case: &Case, account: &Account) -> Value {
    let bytes = case.bytes("lambda");
    if !case.file.starts_with("body-") {
        let is_log = case.file.starts_with("log-");
        let key = if is_log {
            let folder = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/05/06";
            format!("{folder}/111122223333_CloudTrail_us-east-1_20260506T0710Z_{}.json.gz", case.user())
        } else {
            format!("copies/{}", case.file)
        };
        account.put(&key, if is_log && !case.file.ends_with(".gz") { gzip(&bytes) } else { bytes }).await;
        return crate::support::delivery(account, &[&key]);
    }
    let body = String::from_utf8(bytes).unwrap().replace("trail-logs", &account.bucket);
    if let Some(at) = body.find("AWSLogs/") {
        let key = &body[at..at + body[at..].find(".json.gz").unwrap() + ".json.gz".len()];
        let mut record = log_file("quarantined")["Records"][1].clone();
        record["requestParameters"]["userName"] = json!(case.user());
        account.put(key, gzip(json!({ "Records": [record] }).to_string().as_bytes())).await;
    }
    let mut delivery = event("sqs-s3-object-created", account);
    delivery["Records"][0]["body"] = json!(body);
    delivery
}

/// How many alerts the row names.
fn count(case: &Case) -> usize {
    match () {
        () if case.says("no alert") || case.says("acknowledged") || case.says("the item fails; the error") => 0,
        () if case.says("two alerts") => 2,
        () => 1,
    }
}

/// Asserts what the row says about its alerts.
fn check(case: &Case, published: &[Published]) {
    let alert = &published[0].alert;
    let email = published[0].body("email");
    let file = &case.file;
    let user = if case.says("`…-real`") { format!("{}-real", case.user()) } else { case.user().to_owned() };
    let mut checked = 1;
    if !file.starts_with("log-hostile") {
        for published in published {
            assert_eq!(published.alert["entity"]["name"], user, "{file}");
        }
    }
    if let [time] = case.times()[..] {
        assert_eq!(alert["eventTime"], time, "{file}");
        checked += 1;
    }
    if case.says("eventTime and detectionLatencySeconds null") {
        assert!(published.iter().all(|each| each.alert["eventTime"].is_null()), "{file}");
        assert!(published.iter().all(|each| each.alert["detectionLatencySeconds"].is_null()), "{file}");
        checked += 1;
    }
    if case.says("`actor.awsInternal` null") {
        assert_eq!((&alert["outcome"], &alert["severity"]), (&json!("quarantined"), &json!("HIGH")), "{file}");
        assert!(alert["actor"]["awsInternal"].is_null() && !email.contains("not AWS"), "{email}");
        checked += 1;
    }
    if case.says("a dedup key that ends in `:by-hand`") {
        let mut found: Vec<(bool, bool)> = published
            .iter()
            .map(|each| &each.alert)
            .map(|alert| {
                (alert["actor"]["awsInternal"] == true, alert["dedupKey"].as_str().unwrap().ends_with(":by-hand"))
            })
            .collect();
        found.sort_unstable();
        assert_eq!(found, [(false, true), (true, false)], "{file}");
        checked += 1;
    }
    if case.says("enforced, MEDIUM") {
        assert_eq!((&alert["outcome"], &alert["severity"]), (&json!("enforced"), &json!("MEDIUM")), "{file}");
        assert!(alert["policy"]["name"].as_str().unwrap().ends_with(['3', '4']), "{alert}");
        checked += 1;
    }
    for (kind, says) in [("role", "entity the role"), ("user", "entity the user")] {
        if case.says(says) {
            assert_eq!(alert["entity"]["type"], kind, "{file}");
            checked += 1;
        }
    }
    if case.says("`related` has RunInstances") {
        let related = alert["related"].to_string();
        assert!(related.contains("RunInstances") && related.contains("203.0.113.66"), "{related}");
        assert!(!related.contains("DeleteTrail") && !related.contains("192.0.2.99"), "{related}");
        checked += 1;
    }
    if case.says("the runbook of section 6") {
        let runbook = alert["runbook"].as_str().unwrap();
        assert!(runbook.starts_with("1. Use credentials of the account 111122223333"), "{runbook}");
        assert!(runbook.contains("aws sts get-caller-identity"), "{runbook}");
        let bucket = alert["source"]["bucket"].as_str().unwrap();
        let trace =
            format!("quarantine-scan trace 'AKIAIOSFODNN7EXAMPLE' --since='2026-05-05T07:08:09Z' 's3://{bucket}'");
        assert!(runbook.contains(&trace), "{runbook}");
        checked += 1;
    }
    if case.says("a placeholder in place of the key") {
        let runbook = alert["runbook"].as_str().unwrap();
        assert!(runbook.contains("--access-key-id=ACCESS_KEY_ID") && !runbook.contains("ASIA"), "{runbook}");
        checked += 1;
    }
    if case.says("no link to `evil.example`") {
        for protocol in ["email", "sms", "https"] {
            assert!(!published[0].body(protocol).contains("evil.example"), "{}", published[0].body(protocol));
        }
        let agent = "Boto3 https://evil.example/login HTTP://evil.example/x (+http://www.evil.example)";
        assert_eq!(alert["actor"]["userAgent"], agent);
        checked += 1;
    }
    if case.says("no command line contains `reboot`") {
        let commands = email.lines().filter(|line| line.starts_with("   "));
        assert!(commands.clone().count() > 5 && commands.into_iter().all(|line| !line.contains("reboot")), "{email}");
        checked += 1;
    }
    // The number of alerts, that the item fails, and that a second delivery alerts nothing are checked for each row.
    let is_plain = case.result == "one alert"
        || ["one alert (", "one alert, of the user", "two alerts; delivered again"]
            .iter()
            .any(|text| case.result.starts_with(text));
    assert!(checked > 1 || is_plain, "{file}: nothing of this is checked: {}", case.result);
}

#[tokio::test]
async fn every_row_of_the_table_has_the_right_result() {
    let account = Account::new().await;
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let mut function = Function::start_with(&account, &wire.endpoint, &[("HTTPS_FORMAT", "chat")]);
    let mut seen = 0;
    let mut errors = Vec::new();
    for case in cases("lambda") {
        let file = &case.file;
        let delivery = delivered(&case, &account).await;
        let answer = function.invoke(&delivery).unwrap();
        let has_failed = !failed_items(&answer).is_empty();
        assert_eq!(has_failed, case.says("fails"), "{file}: {answer}");
        if case.says("the error contains the name of the event") {
            errors.push("PutObject");
        }
        let alerts = account.new_alerts().await;
        assert_eq!(alerts.len(), count(&case), "{file}: {alerts:#?}");
        let requests = wire.seen("Publish");
        let bodies = requests[seen..].iter().map(|publish| publish.request.form_field("Message").unwrap());
        let published: Vec<Published> = bodies
            .map(|message| serde_json::from_str::<Value>(&message).unwrap())
            .map(|bodies| Published {
                alert: serde_json::from_str(bodies["default"].as_str().unwrap()).unwrap(),
                bodies,
            })
            .collect();
        assert_eq!(published.len(), alerts.len(), "{file}");
        seen = requests.len();
        if !published.is_empty() {
            check(&case, &published);
        }
        // Whatever was alerted is not alerted again.
        assert_eq!(failed_items(&function.invoke(&delivery).unwrap()).is_empty(), !has_failed, "{file}");
        account.alerts(0).await;
    }
    let log = function.log();
    assert_eq!(errors.len(), 1);
    for error in errors {
        assert!(log.iter().any(|line| line.level() == "ERROR" && line.message().contains(error)), "{error}");
    }
}
