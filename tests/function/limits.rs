//! Memory is bounded for every log file and every batch, and no download waits for another.

use crate::support::{
    Function, count, delivery, failed_items, gzip, key, large_log_file,
    local_aws::Account,
    log_file, peak_mib, put_log_files,
    wire::{Fault, Gate, Wire},
};

/// The goal for every log file.
const MAX_MIB_ABOVE_IDLE: f64 = 20.0;

#[tokio::test]
async fn memory_does_not_grow_with_the_log_file() {
    let account = Account::new().await;
    put_log_files(&account, &["clean"]).await;
    // Its stored size is above what is kept in memory, and its inflated size far above the goal.
    account.put(&key("large"), large_log_file(96, &clean())).await;
    let mut function = Function::start(&account);
    function.invoke(&delivery(&account, &[&key("clean")])).unwrap();
    let idle = peak_mib(&function);

    assert!(failed_items(&function.invoke(&delivery(&account, &[&key("large")])).unwrap()).is_empty());
    let above = peak_mib(&function) - idle;
    assert!(above < MAX_MIB_ABOVE_IDLE, "{above} MiB above {idle} MiB");
    let log = function.log();
    assert!(log[1].field("inflated_bytes").as_u64().unwrap() > 96 << 20, "{log:#?}");
    assert!(log[1].field("bytes").as_u64().unwrap() > 1 << 20, "{log:#?}");
}

#[tokio::test]
async fn a_gzip_bomb_is_stopped_with_an_error_that_names_the_limit() {
    let account = Account::new().await;
    put_log_files(&account, &["clean"]).await;
    // One has a single member with about the highest ratio that deflate allows, the other has many members.
    let spaces = [b"{".to_vec(), vec![b' '; 64 << 20]].concat();
    account.put(&key("dense"), gzip(&spaces)).await;
    account.put(&key("many"), large_log_file(64, &clean())).await;
    assert!(spaces.len() / gzip(&spaces).len() > 1000);
    let mut function = Function::start_with(&account, &account.endpoint, &[("MAX_INFLATED_MIB", "32")]);
    function.invoke(&delivery(&account, &[&key("clean")])).unwrap();
    let idle = peak_mib(&function);

    let answer = function.invoke(&delivery(&account, &[&key("dense"), &key("clean"), &key("many")])).unwrap();
    assert_eq!(failed_items(&answer), ["1", "3"]);
    let above = peak_mib(&function) - idle;
    assert!(above < MAX_MIB_ABOVE_IDLE, "{above} MiB above {idle} MiB");
    let log = function.log();
    let errors: Vec<&str> = log.iter().filter(|line| line.level() == "ERROR").map(|line| line.message()).collect();
    assert_eq!(errors.len(), 2, "{log:#?}");
    for error in errors {
        assert!(
            error.contains(
                "inflates to more than 32 MiB (MAX_INFLATED_MIB); raise the limit unless this is a gzip bomb"
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_log_files_of_a_batch_are_downloaded_concurrently() {
    let account = Account::new().await;
    let names: Vec<String> = (0..64).map(|number| format!("batch{number}")).collect();
    for name in &names {
        account.put(&key(name), gzip(log_file("clean").to_string().as_bytes())).await;
    }
    // No request is answered before all are made, which would never happen with fewer downloads at a time.
    let all = Gate::new(names.len());
    let wire = Wire::new(&account.endpoint, move |seen| {
        if seen.operation == "GetObject" {
            all.arrive();
            all.wait();
        }
        Fault::None
    });
    let mut function = Function::start_on(&account, &wire);
    let keys: Vec<String> = names.iter().map(|name| key(name)).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert!(failed_items(&function.invoke(&delivery(&account, &keys)).unwrap()).is_empty());
    assert_eq!(count(&function.log(), "Scanned log file."), names.len());
}

#[tokio::test]
async fn a_log_file_is_inflated_while_it_is_downloaded() {
    let account = Account::new().await;
    let mut broken = large_log_file(8, &clean());
    let quarter = broken.len() / 4;
    broken[quarter..quarter + 64].fill(0xff);
    account.put(&key("broken"), broken.clone()).await;
    // The second half never arrives. The fault in the first is still found.
    let wire = Wire::new(&account.endpoint, move |seen| match seen.operation.as_str() {
        "GetObject" => Fault::StallAnswer(broken.len() / 2),
        _ => Fault::None,
    });
    let mut function = Function::start_on(&account, &wire);
    let answer = function.invoke(&delivery(&account, &[&key("broken")])).unwrap();
    assert_eq!(failed_items(&answer), ["1"]);
    let log = function.log();
    assert!(log[0].message().contains("is broken: the gzip stream is corrupt after"), "{log:#?}");
}

fn clean() -> serde_json::Value {
    log_file("clean")["Records"][0].clone()
}
