//! Objects that hold their reads open.

use std::time::Duration;

use crate::support::{
    Function, delivery, failed_items, gzip, key,
    local_aws::Account,
    log_file, put_log_files,
    wire::{Fault, Wire},
};

/// More than are open at once.
const SLOW: usize = 90;

#[tokio::test]
async fn objects_that_drip_delay_no_other_log_file() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let mut keys: Vec<String> = (0..SLOW).map(|number| key(&format!("slow{number}"))).collect();
    for key in &keys {
        account.put(key, gzip(log_file("clean").to_string().as_bytes())).await;
    }
    // All are of one size, so it is the last.
    keys.push(key("quarantined"));
    let wire =
        Wire::new(
            &account.endpoint,
            |seen| {
                if seen.request.path().contains("_slow") { Fault::Drip } else { Fault::None }
            },
        );
    let mut function = Function::start_on(&account, &wire);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let batch = delivery(&account, &keys);
    let answer = function.invoke_within(&batch, Duration::from_secs(40)).expect("the function died").unwrap();
    account.alerts(1).await;
    // Only those that drip return to the queue, with a reason.
    let failed = failed_items(&answer);
    assert!(failed.len() == SLOW && !failed.contains(&"91"), "{failed:?}");
    let log = function.log();
    let reasons =
        log.iter().filter(|line| line.level() == "WARN" && line.message().starts_with("the invocation ended before"));
    assert_eq!(reasons.count(), SLOW, "{log:#?}");
}

#[tokio::test]
async fn an_object_that_stops_fails_alone_before_the_deadline() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined", "clean"]).await;
    let wire = Wire::new(&account.endpoint, |seen| {
        if seen.request.path().contains("_clean.") { Fault::StallAnswer(700) } else { Fault::None }
    });
    let mut function = Function::start_on(&account, &wire);
    let answer = function.invoke(&delivery(&account, &[&key("clean"), &key("quarantined")])).unwrap();
    assert_eq!(failed_items(&answer), ["1"]);
    account.alerts(1).await;
    let log = function.log();
    assert!(log.iter().any(|line| line.message().contains("the download was interrupted")), "{log:#?}");
}
