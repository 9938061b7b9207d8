//! The resources of `template.yaml`, after the SAM transform and with its conditions evaluated.

mod health;

use std::{collections::BTreeSet, fs, process::Command};

use quarantine_alert::rule;
use serde_json::{Map, Value, json};

use crate::support::{path, python};

const EXISTING_BUCKET: [&str; 2] = ["Source=existing-bucket", "LogBucketName=example-trail-logs"];
const EVERYTHING: [&str; 10] = [
    "Source=new-trail",
    "FastPath=on",
    "HealthEvents=organization",
    "HealthAccountId=210987654321",
    "OrganizationId=o-a1b2c3d4e5",
    "LogKeyArn=arn:aws:kms:us-east-1:123456789012:key/logs",
    "EncryptionKeyArn=arn:aws:kms:us-east-1:123456789012:key/own",
    "PermissionsBoundaryArn=arn:aws:iam::123456789012:policy/boundary",
    "AlertEmail=alerts@example.com",
    "OperationsEmail=operations@example.com",
];
const TOPIC: [&str; 3] = [
    "Source=existing-topic",
    "LogBucketName=example-trail-logs",
    "LogTopicArn=arn:aws:sns:eu-west-1:123456789012:logs",
];

struct Template(Map<String, Value>);

impl Template {
    fn with(parameters: &[&str]) -> Template {
        Template::made("resolve", parameters)
    }

    fn made(command: &str, parameters: &[&str]) -> Template {
        let output =
            Command::new(python()).arg(path("tools/template.py")).arg(command).args(parameters).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut template: Value = serde_json::from_slice(&output.stdout).unwrap();
        Template(std::mem::take(template["Resources"].as_object_mut().unwrap()))
    }

    fn properties(&self, name: &str) -> &Value {
        &self.0[name]["Properties"]
    }

    fn of_type(&self, kind: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().filter(move |(_, resource)| resource["Type"] == kind)
    }

    /// The statements of all identity-based and resource-based policies.
    fn statements(&self) -> Vec<(&String, &Value)> {
        let mut statements = Vec::new();
        for (name, resource) in &self.0 {
            let properties = &resource["Properties"];
            let inline =
                properties["Policies"].as_array().into_iter().flatten().map(|policy| &policy["PolicyDocument"]);
            for document in inline.chain([&properties["PolicyDocument"]]) {
                statements.extend(document["Statement"].as_array().into_iter().flatten().map(|each| (name, each)));
            }
        }
        assert!(statements.len() >= 5, "{statements:#?}");
        statements
    }
}

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |list| list.iter().collect())
}

#[test]
fn the_function_role_has_exactly_these_permissions() {
    let template = Template::with(&EXISTING_BUCKET);
    let role = template.properties("FunctionRole");
    let statements = role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap();
    let allowed: Vec<Value> =
        statements.iter().map(|each| json!([each["Effect"], each["Action"], each["Resource"]])).collect();
    let arn = |name: &str| json!({ "Fn::GetAtt": [name, "Arn"] });
    let expected = [
        json!(["Allow", ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], arn("DeliveryQueue")]),
        json!(["Allow", ["s3:GetObject", "s3:GetObjectVersion"], "arn:aws:s3:::example-trail-logs/*/CloudTrail/*"]),
        json!(["Allow", ["dynamodb:GetItem", "dynamodb:PutItem"], arn("DedupTable")]),
        json!(["Allow", "sns:Publish", { "Ref": "AlertTopic" }]),
        json!(["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], arn("LogGroup")]),
    ];
    assert_eq!(allowed, expected);
    assert!(role.get("ManagedPolicyArns").is_none() && role.get("PermissionsBoundary").is_none());
    assert_eq!(template.of_type("AWS::IAM::Role").count(), 1);

    let topic = Template::with(&TOPIC);
    let statements = &topic.properties("FunctionRole")["Policies"][0]["PolicyDocument"]["Statement"];
    assert_eq!(statements[1]["Resource"], "arn:aws:s3:::example-trail-logs/*");

    let everything = Template::with(&EVERYTHING);
    let role = everything.properties("FunctionRole");
    assert_eq!(role["PermissionsBoundary"], "arn:aws:iam::123456789012:policy/boundary");
    let keys: Vec<&Value> = role["Policies"][0]["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|each| each["Action"].to_string().contains("kms:"))
        .collect();
    assert_eq!(
        (&keys[0]["Action"], &keys[0]["Resource"]),
        (&json!("kms:Decrypt"), &json!("arn:aws:kms:us-east-1:123456789012:key/logs"))
    );
    assert_eq!(keys[1]["Action"], json!(["kms:Decrypt", "kms:GenerateDataKey"]));
    assert_eq!((keys.len(), &keys[1]["Resource"]), (2, &json!("arn:aws:kms:us-east-1:123456789012:key/own")));
}

#[test]
fn policies_allow_no_wildcards_and_require_tls() {
    for parameters in [&EXISTING_BUCKET[..], &EVERYTHING, &TOPIC] {
        let template = Template::with(parameters);
        let mut tls = BTreeSet::new();
        for (name, statement) in template.statements() {
            if statement["Sid"] == "OnlyServicesWrite" {
                // Everyone but AWS's services, except for the log file of `make prove`.
                assert_eq!((name.as_str(), &statement["Effect"]), ("TrailBucketPolicy", &json!("Deny")));
                assert_eq!(statement["Action"], "s3:PutObject");
                assert_eq!(statement["Condition"], json!({ "Bool": { "aws:PrincipalIsAWSService": false } }));
                assert_eq!(statement["NotResource"], json!({ "Fn::Sub": "${TrailBucket.Arn}/AWSLogs/000000000000/*" }));
                continue;
            }
            if statement["Effect"] == "Deny" {
                assert_eq!(statement["Condition"], json!({ "Bool": { "aws:SecureTransport": false } }), "{name}");
                tls.insert(name.as_str());
                continue;
            }
            assert!(
                list(&statement["Action"]).iter().all(|action| !action.as_str().unwrap().contains('*')),
                "{statement}"
            );
            assert_ne!(statement["Resource"], "*", "{statement}");
            // A service must act on behalf of a resource or an account that the policy names.
            if !name.ends_with("Role") {
                assert!(statement["Principal"]["Service"].is_string(), "{statement}");
                assert!(statement["Condition"].to_string().contains("aws:Source"), "{statement}");
            }
        }
        let mut expected = BTreeSet::from(["QueuePolicy", "AlertTopicPolicy", "OperationsTopicPolicy"]);
        expected.extend(template.0.contains_key("TrailBucket").then_some("TrailBucketPolicy"));
        assert_eq!(tls, expected);
        let queues = &template.properties("QueuePolicy")["Queues"];
        assert_eq!(queues.as_array().unwrap().len(), template.of_type("AWS::SQS::Queue").count());
        assert_eq!(template.of_type("AWS::SNS::Topic").count(), template.of_type("AWS::SNS::TopicPolicy").count());
    }
}

#[test]
fn data_at_rest_is_encrypted_and_evidence_outlives_the_stack() {
    let default = Template::with(&EXISTING_BUCKET);
    for (name, queue) in default.of_type("AWS::SQS::Queue") {
        assert_eq!(queue["Properties"]["SqsManagedSseEnabled"], true, "{name}");
        assert_eq!(queue["Properties"]["MessageRetentionPeriod"], 14 * 24 * 3600, "{name}");
    }
    assert_eq!(default.properties("AlertTopic")["KmsMasterKeyId"], "alias/aws/sns");
    assert_eq!(default.properties("DedupTable")["SSESpecification"]["SSEEnabled"], true);

    let everything = Template::with(&EVERYTHING);
    let own = "arn:aws:kms:us-east-1:123456789012:key/own";
    for name in ["DeliveryQueue", "DeadLetterQueue", "AlertTopic", "OperationsTopic"] {
        assert_eq!(everything.properties(name)["KmsMasterKeyId"], own, "{name}");
    }
    assert_eq!(everything.properties("LogGroup")["KmsKeyId"], own);
    assert_eq!(everything.properties("DedupTable")["SSESpecification"]["KMSMasterKeyId"], own);
    let bucket = everything.properties("TrailBucket");
    let rule = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"];
    assert_eq!(rule["SSEAlgorithm"], "aws:kms");
    // Otherwise KMS bills a request for each log file.
    assert_eq!(bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["BucketKeyEnabled"], true);
    let access = bucket["PublicAccessBlockConfiguration"].as_object().unwrap();
    assert!(access.len() == 4 && access.values().all(|blocked| blocked == true));
    for name in ["TrailBucket", "DeadLetterQueue", "LogGroup", "DedupTable"] {
        let resource = &everything.0[name];
        assert_eq!(
            (&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]),
            // A first deploy that fails leaves nothing.
            (&json!("RetainExceptOnCreate"), &json!("Retain"))
        );
    }
}

#[test]
fn every_source_sends_to_the_one_delivery_queue() {
    let queue = json!({ "Fn::GetAtt": ["DeliveryQueue", "Arn"] });
    let dead_letter_queue = json!({ "Fn::GetAtt": ["DeadLetterQueue", "Arn"] });
    for (parameters, source) in
        [(&EXISTING_BUCKET[..], "LogFileRule"), (&EVERYTHING, "LogFileRule"), (&TOPIC, "LogTopicSubscription")]
    {
        let template = Template::with(parameters);
        assert!(template.0.contains_key(source), "{source}");
        for (name, rule) in template.of_type("AWS::Events::Rule") {
            let [target] = &rule["Properties"]["Targets"].as_array().unwrap()[..] else { panic!("{name}") };
            assert_eq!((&target["Arn"], &target["DeadLetterConfig"]["Arn"]), (&queue, &dead_letter_queue), "{name}");
            let alarm = template.properties(&format!("{name}Alarm"));
            // The Ref of a rule of another bus is not its name.
            let own_name = rule["Properties"].get("Name").cloned();
            assert_eq!(rule["Properties"].get("EventBusName").is_some(), own_name.is_some(), "{name}");
            let rule_name = own_name.unwrap_or_else(|| json!({ "Ref": name }));
            assert_eq!(
                (&alarm["MetricName"], &alarm["Dimensions"][0]["Value"]),
                (&json!("InvocationsFailedToBeSentToDlq"), &rule_name)
            );
        }
        let mapping = template.properties("FunctionDeliveries");
        assert_eq!(mapping["EventSourceArn"], queue);
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        assert_eq!(mapping["ScalingConfig"]["MaximumConcurrency"], 5);
        let properties = template.properties("DeliveryQueue");
        let number = |value: &Value| value.as_u64().unwrap();
        assert_eq!(
            number(&properties["VisibilityTimeout"]),
            6 * number(&template.properties("Function")["Timeout"])
                + number(&mapping["MaximumBatchingWindowInSeconds"])
        );
        assert_eq!(
            properties["RedrivePolicy"],
            json!({ "deadLetterTargetArn": dead_letter_queue, "maxReceiveCount": 5 })
        );
    }
    let rule = Template::with(&EXISTING_BUCKET);
    let pattern = &rule.properties("LogFileRule")["EventPattern"]["detail"];
    assert_eq!(pattern["bucket"]["name"], json!(["example-trail-logs"]));
    assert_eq!(pattern["object"]["key"], json!([{ "wildcard": "*/CloudTrail/*" }]));
    let topic = Template::with(&TOPIC);
    let subscription = topic.properties("LogTopicSubscription");
    assert_eq!(subscription["RawMessageDelivery"], true);
    // What the topic sends before the policy allows it would be lost.
    assert_eq!(topic.0["LogTopicSubscription"]["DependsOn"], "QueuePolicy");
    // Subscription and dead-letter queue must be in one region.
    assert!(subscription.get("Region").is_none(), "{subscription}");
    assert_eq!(subscription["RedrivePolicy"]["deadLetterTargetArn"], dead_letter_queue);
}

#[test]
fn the_fast_path_sends_every_call_that_a_rule_checks() {
    let template = Template::with(&EVERYTHING);
    let sent = template.properties("FastPathRule")["EventPattern"]["detail"]["eventName"].clone();
    let sent: BTreeSet<String> = serde_json::from_value(sent).unwrap();
    let checks = rule::ALL.iter().flat_map(|rule| rule.alternatives).flat_map(|way| way.checks);
    let calls = checks.filter(|check| check.field == "eventName").flat_map(|check| check.values.split(", "));
    let checked: BTreeSet<String> = calls.map(str::to_owned).collect();
    assert_eq!(sent, checked);
}

#[test]
fn every_alarm_notifies_the_operations_topic_and_reads_an_existing_metric() {
    let template = Template::with(&EVERYTHING);
    let metrics = fs::read_to_string(path("src/handler/metrics.rs")).unwrap();
    let mut own = 0;
    for (name, alarm) in template.of_type("AWS::CloudWatch::Alarm") {
        let alarm = &alarm["Properties"];
        assert_eq!(alarm["AlarmActions"], json!([{ "Ref": "OperationsTopic" }]), "{name}");
        assert!(alarm["AlarmDescription"].as_str().unwrap().len() > 60, "{name}");
        let missing = if name == "SilenceAlarm" { "breaching" } else { "notBreaching" };
        assert_eq!(alarm["TreatMissingData"], missing, "{name}");
        let parts = alarm["Metrics"].as_array().map_or_else(
            || vec![alarm],
            |parts| parts.iter().map(|part| &part["MetricStat"]["Metric"]).filter(|metric| !metric.is_null()).collect(),
        );
        for metric in parts.into_iter().filter(|metric| metric["Namespace"] == "QuarantineAlert") {
            own += 1;
            assert!(metrics.contains(&format!("({}, ", metric["MetricName"])), "{name}");
            assert_eq!(
                metric["Dimensions"],
                json!([{ "Name": "FunctionName", "Value": { "Ref": "Function" } }]),
                "{name}"
            );
        }
    }
    assert!(own > 2, "{own}");
    let silence = &template.properties("SilenceAlarm")["Metrics"][1]["MetricStat"]["Metric"]["MetricName"];
    // Other objects of the bucket keep arriving when a trail is stopped.
    assert_eq!(silence, "FilesScanned");
    // All three come by the same way, so that they arrive together.
    let parts = template.properties("NotDeliveredAlarm")["Metrics"].as_array().unwrap();
    let metrics: Vec<&Value> =
        parts.iter().map(|part| &part["MetricStat"]["Metric"]).filter(|metric| !metric.is_null()).collect();
    assert!(metrics.len() == 3 && metrics.iter().all(|metric| metric["Namespace"] == "AWS/SNS"), "{metrics:?}");
}

#[test]
fn the_dashboard_shows_every_alarm() {
    for parameters in [&EXISTING_BUCKET[..], &EVERYTHING, &TOPIC] {
        let template = Template::with(parameters);
        let body = template.properties("Dashboard")["DashboardBody"]["Fn::Sub"].as_str().unwrap();
        let dashboard: Value = serde_json::from_str(body).unwrap();
        let widget = dashboard["widgets"].as_array().unwrap().iter().find(|widget| widget["type"] == "alarm").unwrap();
        let shown: BTreeSet<&str> =
            widget["properties"]["alarms"].as_array().unwrap().iter().map(|alarm| alarm.as_str().unwrap()).collect();
        let alarms: Vec<String> =
            template.of_type("AWS::CloudWatch::Alarm").map(|(name, _)| format!("${{{name}.Arn}}")).collect();
        assert!(alarms.len() > 8);
        assert_eq!(shown, alarms.iter().map(String::as_str).collect());
    }
}

#[test]
fn the_function_receives_its_variables_from_the_parameters() {
    let template = Template::with(
        &[
            &EXISTING_BUCKET[..],
            &[
                "HttpsFormat=chat",
                "DeniedAttempts=off",
                "EnforcedDenials=off",
                "DedupPeriodMinutes=30",
                "MaxInflatedMiB=100",
            ],
        ]
        .concat(),
    );
    let variables = &template.properties("Function")["Environment"]["Variables"];
    let expected = json!({
        "ALERT_TOPIC_ARN": { "Ref": "AlertTopic" }, "DEDUP_TABLE": { "Ref": "DedupTable" }, "DEDUP_PERIOD_MINUTES": "30",
        "MAX_INFLATED_MIB": "100", "HTTPS_FORMAT": "chat", "DENIED_ATTEMPTS": "off", "ENFORCED_DENIALS": "off",
    });
    assert_eq!(variables, &expected);
}

#[test]
fn the_version_is_the_same_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    let template = fs::read_to_string(path("template.yaml")).unwrap();
    assert!(
        template
            .contains(&format!("  Version:\n    Description: The version of quarantine-alert\n    Value: {version}\n"))
    );
    let changelog = fs::read_to_string(path("CHANGELOG.md")).unwrap();
    let mut releases = changelog.lines().filter_map(|line| line.strip_prefix("## ["));
    assert_eq!(releases.next(), Some("Unreleased]"));
    // Until the first release there is none.
    assert!(releases.next().is_none_or(|newest| newest.starts_with(&format!("{version}]"))));
}

#[test]
fn the_docs_name_every_parameter_output_and_alarm() {
    let template = fs::read_to_string(path("template.yaml")).unwrap();
    let forwarder = fs::read_to_string(path("health-forwarder.yaml")).unwrap();
    let names = |template: &str, section: &str| {
        let section = template.split(&format!("\n{section}:\n")).nth(1).unwrap();
        let names = section.lines().take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
        let names = names.filter(|line| line.starts_with("  ") && line.as_bytes()[2].is_ascii_alphabetic());
        names.map(|line| line.trim().trim_end_matches(':').to_owned()).collect::<Vec<_>>()
    };
    let (deploy, operate) =
        (fs::read_to_string(path("docs/deploy.md")).unwrap(), fs::read_to_string(path("docs/operate.md")).unwrap());
    let health = fs::read_to_string(path("docs/health.md")).unwrap();
    let (parameters, outputs) = (names(&template, "Parameters"), names(&template, "Outputs"));
    let of_forwarder = [names(&forwarder, "Parameters"), names(&forwarder, "Outputs")].concat();
    let alarms: Vec<String> =
        names(&template, "Resources").into_iter().filter(|name| name.ends_with("Alarm")).collect();
    assert!(parameters.len() > 15 && outputs.len() > 8 && alarms.len() > 10, "{parameters:?} {outputs:?} {alarms:?}");
    for (page, names) in [(&deploy, parameters), (&deploy, outputs), (&health, of_forwarder), (&operate, alarms)] {
        for name in names {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
