//! The parameter `HealthEvents`, and `health-forwarder.yaml`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{EVERYTHING, EXISTING_BUCKET, Template, list};

/// What `health-forwarder.yaml` creates.
fn forwarder(parameters: &[&str]) -> Template {
    Template::made(
        "forwarder",
        &[&["HealthBusArn=arn:aws:events:eu-west-1:123456789012:event-bus/x"], parameters].concat(),
    )
}

/// Both detail types, and any code: AWS documents none.
fn health_pattern() -> Value {
    json!({
        "source": ["aws.health"],
        "detail-type": ["AWS Health Event", "AWS Health Abuse Event"],
        "detail": { "service": ["RISK"], "eventTypeCode": [{ "prefix": "AWS_RISK_" }] },
    })
}

#[test]
fn health_events_reach_the_delivery_queue_unless_they_are_off() {
    let names = |template: &Template| template.0.keys().cloned().collect::<BTreeSet<_>>();
    let with = |parameters: &[&str]| Template::with(&[&EXISTING_BUCKET[..], parameters].concat());
    let off = with(&["HealthEvents=off"]);
    assert!(!format!("{:?}", off.0).to_lowercase().contains("health"), "off leaves something");
    let by_default = with(&[]);
    let added: BTreeSet<String> = names(&by_default).difference(&names(&off)).cloned().collect();
    assert_eq!(added, BTreeSet::from(["HealthRule", "HealthRuleAlarm"].map(str::to_owned)));
    assert_eq!(by_default.properties("HealthRule")["EventPattern"], health_pattern());
    // Besides, only the queue policy and the dashboard differ.
    let same = |name: &&String| off.0[*name] != by_default.0[*name];
    let changed: BTreeSet<String> = names(&off).iter().filter(same).cloned().collect();
    assert_eq!(changed, BTreeSet::from(["Dashboard", "QueuePolicy"].map(str::to_owned)));

    let organization = with(&["HealthEvents=organization"]);
    let added: BTreeSet<String> = names(&organization).difference(&names(&by_default)).cloned().collect();
    assert_eq!(added, BTreeSet::from(["HealthBus", "HealthBusRule", "HealthBusRuleAlarm"].map(str::to_owned)));
    assert_eq!(organization.properties("HealthBusRule")["EventPattern"], health_pattern());
    // The account itself needs no policy.
    assert!(organization.properties("HealthBus").get("Policy").is_none());
    let policy = |template: &Template| template.properties("QueuePolicy")["PolicyDocument"]["Statement"].clone();
    let senders = |template: &Template| {
        let statements = policy(template);
        let statement = list(&statements).into_iter().find(|each| each["Sid"] == "HealthRules").unwrap().clone();
        statement["Condition"]["ArnEquals"]["aws:SourceArn"].clone()
    };
    let arn = |name: &str| json!({ "Fn::GetAtt": [name, "Arn"] });
    assert_eq!(senders(&by_default), json!([arn("HealthRule")]));
    assert_eq!(senders(&organization), json!([arn("HealthRule"), arn("HealthBusRule")]));
}

#[test]
fn one_named_account_may_forward_health_events_to_their_own_bus() {
    let bus = Template::with(&EVERYTHING);
    let [statement] = &bus.properties("HealthBus")["Policy"]["Statement"].as_array().unwrap()[..] else { panic!() };
    let expected = json!({
        "Sid": "HealthAccountForwards", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::210987654321:root" },
        "Action": "events:PutEvents",
        "Resource": "arn:aws:events:us-east-1:123456789012:event-bus/quarantine-alert-health",
    });
    assert_eq!(statement, &expected);
}

#[test]
fn the_health_forwarder_may_only_forward() {
    let template = forwarder(&["OperationsEmail=o@example.com"]);
    let rule = template.properties("HealthRule");
    assert_eq!(rule["EventPattern"], health_pattern());
    let bus = "arn:aws:events:eu-west-1:123456789012:event-bus/x";
    let target = json!([{
        "Id": "quarantine-alert", "Arn": bus, "RoleArn": { "Fn::GetAtt": ["ForwarderRole", "Arn"] },
        "DeadLetterConfig": { "Arn": { "Fn::GetAtt": ["DeadLetterQueue", "Arn"] } },
    }]);
    assert_eq!(rule["Targets"], target);
    let role = template.properties("ForwarderRole");
    let statements = &role["Policies"][0]["PolicyDocument"]["Statement"];
    assert_eq!(
        statements,
        &json!([{ "Sid": "Forward", "Effect": "Allow", "Action": "events:PutEvents", "Resource": bus }])
    );
    assert_eq!(
        role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"],
        json!({ "StringEquals": { "aws:SourceAccount": "123456789012" } })
    );
    // What cannot be forwarded pages.
    let alarm = template.properties("DeadLetterQueueAlarm");
    assert_eq!(alarm["AlarmActions"], json!([{ "Ref": "OperationsTopic" }]));
    assert_eq!(template.properties("OperationsEmailSubscription")["Endpoint"], "o@example.com");
    for (name, statement) in template.statements() {
        let is_tls = statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": false } });
        if statement["Effect"] == "Deny" {
            assert!(is_tls, "{name}");
            continue;
        }
        assert!(!statement["Action"].to_string().contains('*') && statement["Resource"] != "*", "{statement}");
        assert!(name == "ForwarderRole" || statement["Condition"].to_string().contains("aws:Source"), "{statement}");
    }
    let boundary = "arn:aws:iam::123456789012:policy/boundary";
    let bounded = forwarder(&[&format!("PermissionsBoundaryArn={boundary}")]);
    assert_eq!(bounded.properties("ForwarderRole")["PermissionsBoundary"], boundary);
}
