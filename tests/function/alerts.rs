//! What is published, for each outcome.

use serde_json::{Value, json};

use crate::support::{
    Function, delivery, failed_items, gzip, key, local_aws::Account, log_file, put_log_files, schema::violation,
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
async fn denied_attempts_can_be_silenced() {
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

/// The check that all alerts go through can fail.
#[tokio::test]
async fn the_schema_refuses_a_missing_an_unknown_and_a_wrong_key() {
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
