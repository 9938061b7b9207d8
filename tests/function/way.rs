//! The way of a log file to an alert.

use crate::support::{Function, count, event, failed_items, local_aws::Account, put_log_files};

#[tokio::test]
async fn a_delivered_quarantine_is_alerted_once() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let mut function = Function::start(&account);

    let delivery = event("sqs-s3-object-created", &account);
    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    let [alert] = account.alerts(1).await.try_into().unwrap();
    assert_eq!(alert["title"], "IAM user ci-deploy quarantined in account 123456789012");

    assert!(failed_items(&function.invoke(&delivery).unwrap()).is_empty());
    account.alerts(0).await;
    let log = function.log();
    println!("{log:#?}");
    assert_eq!(count(&log, "Published alert."), 1);
    assert_eq!(count(&log, "Suppressed match: its incident is alerted."), 1);
    assert_eq!(count(&log, "Scanned log file."), 2);
}
