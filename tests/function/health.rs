//! Events of AWS Health: every file of `tests/cases/health`, and what updates, pages, duplicates and quarantines add.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    Function,
    cases::{Case, cases},
    count, event, failed_items,
    local_aws::Account,
    put_log_files,
    wire::{Fault, Wire},
};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const OTHER_KEY: &str = "AKIAI44QH8DHBEXAMPLE";

fn health(name: &str) -> Value {
    let text = std::fs::read_to_string(crate::support::path(&format!("tests/cases/health/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The event as a message of the queue.
fn delivered(health: &Value) -> Value {
    let mut delivery: Value = serde_json::from_str(
        &std::fs::read_to_string(crate::support::path("events/sqs-eventbridge-health.json")).unwrap(),
    )
    .unwrap();
    delivery["Records"][0]["body"] = json!(health.to_string());
    delivery
}

/// What is published for a delivery: the alerts, and the bodies by protocol.
struct Probe {
    account: Account,
    wire: Wire,
    function: Function,
    seen: usize,
}

impl Probe {
    async fn new() -> Probe {
        let account = Account::new().await;
        let wire = Wire::new(&account.endpoint, |_| Fault::None);
        let function = Function::start_with(&account, &wire.endpoint, &[("HTTPS_FORMAT", "chat")]);
        Probe { account, wire, function, seen: 0 }
    }

    /// The bodies of the messages that this delivery publishes. It must be acknowledged.
    async fn published(&mut self, health: &Value) -> Vec<Value> {
        let answer = self.function.invoke(&delivered(health)).unwrap();
        assert!(failed_items(&answer).is_empty(), "{health}");
        // This also validates each alert against the schema.
        let alerts = self.account.new_alerts().await.len();
        let requests = self.wire.seen("Publish");
        let new = requests[self.seen..].iter().map(|publish| publish.request.form_field("Message").unwrap());
        let bodies: Vec<Value> = new.map(|message| serde_json::from_str(&message).unwrap()).collect();
        assert_eq!(bodies.len(), alerts);
        self.seen = requests.len();
        bodies
    }
}

fn body<'a>(bodies: &'a Value, protocol: &str) -> &'a str {
    bodies[protocol].as_str().unwrap()
}

fn alert(bodies: &Value) -> Value {
    serde_json::from_str(body(bodies, "default")).unwrap()
}

/// Asserts what the row says about the first alert, and that each of its phrases is checked.
fn check(case: &Case, published: &[Value]) {
    let file = &case.file;
    let bodies = &published[0];
    let alert = alert(bodies);
    let email = body(bodies, "email");
    let entity = (alert["entity"]["type"].as_str().unwrap(), alert["entity"]["name"].as_str().unwrap());
    let checks: [(&str, bool); 12] = [
        ("HIGH, entity user ci-deploy", alert["severity"] == "HIGH" && entity == ("user", "ci-deploy")),
        ("key, where it leaked (defanged)", {
            let shown = "hxxps[://]github[.]com/example/repo/blob/0a1b2c3d/[.]env";
            let has_place = alert["leak"]["defangedUrl"] == shown && email.contains(&format!("Leaked at:   {shown}"));
            alert["actor"]["accessKeyId"] == KEY && has_place
        }),
        ("account 123456789012", alert["accountId"] == "123456789012"),
        ("CRITICAL", alert["severity"] == "CRITICAL"),
        ("entity root", entity == ("root", "root")),
        ("runbook for root", email.contains("Sign in as root") && email.contains("delete ALL access keys of root")),
        ("entity unknown (\"root or unknown\")", entity.0 == "unknown" && email.contains("root or unknown")),
        ("region global, no metadata at all", alert["region"] == "global" && alert["leak"].is_null()),
        ("account 111122223333, not the receiving 999999999999", {
            let record = std::mem::take(&mut alert.clone()["alertContext"]["record"]);
            alert["accountId"] == "111122223333"
                && !email.contains("999999999999")
                && record["account"] == "999999999999"
        }),
        ("account 111122223333 from eventMetadata", alert["accountId"] == "111122223333"),
        ("with the code verbatim", {
            let code = "AWS_RISK_SOMETHING_NEW";
            ["default", "email", "https"].iter().all(|protocol| body(bodies, protocol).contains(code))
        }),
        ("once for the account (no entity)", published.len() == 1 && alert["actor"]["accessKeyId"].is_null()),
    ];
    let mut checked = 0;
    for (says, holds) in checks {
        if case.says(says) {
            assert!(holds, "{file}: {says}: {email}");
            checked += 1;
        }
    }
    let has_own_test = ["one alert per key", "the URL acts on nothing"].iter().any(|says| case.says(says));
    assert!(checked > 0 || has_own_test, "{file}: nothing of this is checked: {}", case.result);
}

#[tokio::test]
async fn every_health_event_of_the_table_has_the_right_result() {
    let mut probe = Probe::new().await;
    for mut case in cases("health") {
        let name = case.file.trim_end_matches(".json").to_owned();
        if case.says("as exposed-user") {
            case.result = "HIGH, entity user ci-deploy, account 123456789012".into();
        }
        let published = probe.published(&health(&name)).await;
        let expected = match () {
            () if case.says("no alert") => 0,
            () if case.says("one alert per key") => 2,
            () => 1,
        };
        assert_eq!(published.len(), expected, "{name}");
        if expected > 0 {
            check(&case, &published);
        }
        for bodies in &published {
            let alert = alert(bodies);
            assert_eq!((&alert["id"], &alert["outcome"]), (&json!("AWS.Health.CredentialsExposed"), &json!("exposed")));
            let event = health(&name);
            assert_eq!(alert["alertContext"]["record"], event, "{name}");
            for field in ["eventArn", "communicationId"] {
                assert_eq!(alert["source"][field], event["detail"][field], "{name}");
            }
            assert_eq!(alert["eventTime"], "2026-11-24T03:01:40Z");
        }
        // AWS Health delivers at least once.
        assert!(probe.published(&health(&name)).await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn every_envelope_delivers_its_health_event() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    for (number, name) in
        ["eventbridge-health", "sqs-eventbridge-health", "sqs-sns-eventbridge-health"].into_iter().enumerate()
    {
        let answer = function.invoke(&event(name, &account)).unwrap();
        assert!(answer.is_null() || failed_items(&answer).is_empty(), "{name}");
        account.alerts(usize::from(number == 0)).await;
    }
    let topic =
        json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": health("exposed-root").to_string() } }] });
    assert_eq!(function.invoke(&topic).unwrap(), Value::Null);
    assert_eq!(account.alerts(1).await[0]["entity"]["type"], "root");
}

#[tokio::test]
async fn other_health_events_are_acknowledged_and_counted() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    let mut others = [(); 3].map(|()| health("exposed-user"));
    others[0]["detail"]["service"] = json!("EC2");
    others[1]["detail"]["eventTypeCode"] = json!("AWS_ABUSE_REPORT");
    others[2]["detail"]["statusCode"] = json!("closed");
    for other in &others {
        assert!(failed_items(&function.invoke(&delivered(other)).unwrap()).is_empty());
    }
    account.alerts(0).await;
    let (log, metrics) = function.log_and_metrics();
    assert!(log.is_empty(), "{log:#?}");
    assert_eq!((metrics["DeliveriesWithoutWork"], metrics["Matches"], metrics["PermanentFailures"]), (3, 0, 0));
}

#[tokio::test]
async fn a_health_event_that_cannot_be_understood_fails() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    let mut odd = health("exposed-user");
    odd["detail"]["service"] = json!(null);
    assert_eq!(failed_items(&function.invoke(&delivered(&odd)).unwrap()).len(), 1);
    let log = function.log();
    let message = log.iter().find(|line| line.level() == "ERROR").expect("no error").message();
    assert!(message.contains("looks like an event of AWS Health, but has no detail.service"), "{message}");
}

/// An update says more, or the same later. A copy comes from the backup Region. None of them is news.
#[tokio::test]
async fn updates_copies_and_the_end_of_a_communication_do_not_alert_again() {
    let mut probe = Probe::new().await;
    let first = health("exposed-no-user-name");
    assert_eq!(probe.published(&first).await.len(), 1);
    let changed = |pointer: &str, value: Value| {
        let mut event = first.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    for later in [
        changed("/detail/eventMetadata/publicKey", json!(null)),
        changed("/detail/eventMetadata", json!({ "userName": "ci-deploy", "publicKey": KEY })),
        changed("/detail/startTime", json!("Wed, 25 Nov 2026 03:01:40 GMT")),
        changed("/detail/lastUpdatedTime", json!("Wed, 25 Nov 2026 05:01:58 GMT")),
        changed("/detail/statusCode", json!("closed")),
        changed("/region", json!("us-west-2")),
        changed("/id", json!("another")),
    ] {
        assert!(probe.published(&later).await.is_empty(), "{later}");
    }
    let another = changed("/detail/communicationId", json!("another-1"));
    assert_eq!(probe.published(&another).await.len(), 1);
}

#[tokio::test]
async fn each_affected_entity_of_all_pages_alerts_once() {
    let mut probe = Probe::new().await;
    let first = health("two-entities");
    let keys = |published: &[Value]| -> BTreeSet<String> {
        published.iter().map(|bodies| alert(bodies)["actor"]["accessKeyId"].as_str().unwrap().to_owned()).collect()
    };
    let published = probe.published(&first).await;
    assert_eq!(keys(&published), BTreeSet::from([KEY, OTHER_KEY].map(str::to_owned)));
    assert_eq!(published.iter().map(|bodies| alert(bodies)["alertId"].to_string()).collect::<BTreeSet<_>>().len(), 2);
    let mut second = first.clone();
    second["detail"]["page"] = json!("2");
    let entities = second["detail"]["affectedEntities"].as_array_mut().unwrap();
    entities[0]["entityValue"] = json!("AKIAZ3MQK7EXAMPLEAAA");
    assert_eq!(keys(&probe.published(&second).await), BTreeSet::from(["AKIAZ3MQK7EXAMPLEAAA".to_owned()]));
}

#[tokio::test]
async fn a_hostile_url_acts_on_nothing() {
    let mut probe = Probe::new().await;
    let event = health("hostile-url");
    let [bodies] = probe.published(&event).await.try_into().unwrap();
    let alert = alert(&bodies);
    let url = event["detail"]["eventMetadata"]["exposedUrl"].as_str().unwrap();
    assert_eq!(alert["leak"]["url"], url);
    let shown = "hxxps[://]evil[.]example/%3Cscript%3Ealert(1)%3C/script%3E?a=%60id%60&b=%E2%80%AE%1B[2J";
    assert_eq!(alert["leak"]["defangedUrl"], shown);
    for protocol in ["default", "email", "sms", "https"] {
        let text = body(&bodies, protocol);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text}");
        if protocol != "default" {
            assert!(!text.contains("evil.example") && !text.contains("<script>") && !text.contains("`id`"), "{text}");
        }
    }
    assert!(body(&bodies, "email").contains(shown));
    for text in ["title", "description", "runbook"] {
        assert!(!alert[text].as_str().unwrap().contains("evil"), "{alert}");
    }
}

#[tokio::test]
async fn a_quarantine_and_a_health_event_of_one_user_both_alert_and_name_each_other() {
    let mut probe = Probe::new().await;
    put_log_files(&probe.account, &["quarantined"]).await;
    let [exposed] = probe.published(&health("exposed-user")).await.try_into().unwrap();
    probe.function.invoke(&event("sqs-s3-object-created", &probe.account)).unwrap();
    let requests = probe.wire.seen("Publish");
    let quarantined: Value = serde_json::from_str(&requests[1].request.form_field("Message").unwrap()).unwrap();
    assert_eq!(requests.len(), 2);
    let both = [&exposed, &quarantined].map(|bodies| {
        let card: Value = serde_json::from_str(body(bodies, "https")).unwrap();
        (alert(bodies)["incidentKey"].clone(), card["metadata"]["threadId"].clone())
    });
    assert_eq!(both[0], both[1]);
    assert_eq!(both[0], (json!("123456789012:user:ci-deploy"), json!("123456789012:user:ci-deploy")));
    for protocol in ["email", "https", "default"] {
        assert!(body(&exposed, protocol).contains("an alert from CloudTrail follows"), "{protocol}");
        assert!(body(&quarantined, protocol).contains("AWS Health may also report this leak"), "{protocol}");
    }
    assert_eq!(
        (&alert(&quarantined)["leak"], &alert(&quarantined)["source"]["eventArn"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn the_trace_of_a_root_key_follows_the_key_and_root() {
    let mut probe = Probe::new().await;
    let [bodies] = probe.published(&health("exposed-root")).await.try_into().unwrap();
    let runbook = alert(&bodies)["runbook"].as_str().unwrap().to_owned();
    let trace = format!(
        "quarantine-scan trace '{OTHER_KEY},arn:aws:iam::123456789012:root' --since='2026-11-23T03:01:40Z' s3://LOG_BUCKET"
    );
    assert!(runbook.contains(&trace), "{runbook}");
    // Nothing of this is about a user.
    assert!(!runbook.contains("--user-name") && !runbook.contains("quarantine policy"), "{runbook}");
}

#[tokio::test]
async fn affected_entities_that_are_not_alerted_in_time_return_to_the_queue() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    let delivery = delivered(&health("two-entities"));
    // Less time than a claim needs.
    let answer = function.invoke_within(&delivery, Duration::from_secs(8)).expect("the function died").unwrap();
    assert_eq!(failed_items(&answer).len(), 1);
    account.alerts(0).await;
    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    account.alerts(2).await;
}

#[tokio::test]
async fn hundreds_of_affected_entities_do_not_take_memory_for_each() {
    let account = Account::new().await;
    let mut function = Function::start(&account);
    let mut event = health("exposed-user");
    let entities: Vec<Value> = (0..4000).map(|_| json!({ "entityValue": KEY })).collect();
    event["detail"]["affectedEntities"] = json!(entities);
    event["detail"]["eventMetadata"]["exposedUrl"] = json!(format!("https://a.example/{}", "x".repeat(100_000)));
    assert!(failed_items(&function.invoke(&delivered(&event)).unwrap()).is_empty());
    let [alert] = account.alerts(1).await.try_into().unwrap();
    assert_eq!(alert["truncated"], true);
    let peak = crate::support::peak_mib(&function);
    let (log, metrics) = function.log_and_metrics();
    assert_eq!((metrics["MatchesPublished"], metrics["MatchesSuppressed"]), (1, 3999));
    assert_eq!(count(&log, "Suppressed match: its incident is alerted."), 1);
    assert!(peak < 100.0, "{peak} MiB");
}
