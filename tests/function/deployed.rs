//! The deployed template, and the function under cargo-lambda.

use std::{collections::BTreeMap, process::Command};

use aws_sdk_s3::types::{EventBridgeConfiguration, NotificationConfiguration};

use crate::support::{
    local_aws::{Account, Server},
    path, put_log_files, python,
};

const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_quarantine-alert");

/// Creates a stack from `template.yaml` and returns its outputs.
fn deploy(account: &Account, parameters: &[String]) -> BTreeMap<String, String> {
    let mut command = Command::new(python());
    command.arg(path("tools/local_aws.py"));
    command.args(["deploy", &account.endpoint, BOOTSTRAP, "quarantine-alert"]).args(parameters);
    let output = command.env("AWS_ACCESS_KEY_ID", &account.id).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_deployed_template_alerts_with_only_its_own_permissions() {
    let server = Server::start(&["--auth"]);
    let mut account = Account::at(&server.endpoint, "123456789012");
    account.s3.create_bucket().bucket(&account.bucket).send().await.unwrap();
    let eventbridge =
        NotificationConfiguration::builder().event_bridge_configuration(EventBridgeConfiguration::builder().build());
    let put = account.s3.put_bucket_notification_configuration().bucket(&account.bucket);
    put.notification_configuration(eventbridge.build()).send().await.unwrap();

    let outputs = deploy(&account, &["Source=existing-bucket".into(), format!("LogBucketName={}", account.bucket)]);
    account.alert_queue = account.subscribe(&outputs["AlertTopicArn"], "alerts").await;
    put_log_files(&account, &["quarantined"]).await;
    let alert = account.next_alert().await;
    assert_eq!(alert["entity"]["name"], "ci-deploy");
    assert_eq!(alert["dedupDegraded"], false);

    put_log_files(&account, &["panther-seed"]).await;
    assert_eq!(account.next_alert().await["entity"]["name"], "test-user");
    account.alerts(0).await;
}

#[test]
fn the_function_runs_under_cargo_lambda() {
    let invoke = |event: &str| {
        let mut command = Command::new(python());
        command.args([path("tools/invoke.py"), BOOTSTRAP.into(), path(event)]).output().unwrap()
    };
    let alerted = invoke("events/s3-object-created.json");
    let log = String::from_utf8_lossy(&alerted.stdout);
    assert!(alerted.status.success() && log.contains("Published alert.") && log.contains("Scanned log file."), "{log}");
    assert!(!invoke("events/unknown-shape.json").status.success());
}
