//! `replay`: the alerts of old log files to the topic.

use super::*;

/// The arguments of a replay with the account's topic and table.
fn replay<'a>(account: &'a Account, path: &'a str) -> Vec<&'a str> {
    vec!["replay", path, "--topic-arn", &account.topic, "--table", &account.table]
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_and_the_function_never_alert_twice() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined", "removed"]).await;
    let path = format!("s3://{}", account.bucket);
    // The function has alerted one of the two.
    let mut function = Function::start(&account);
    function.invoke(&delivery(&account, &[&key("quarantined")])).unwrap();
    account.alerts(1).await;

    let dry = scan_in(&account, &replay(&account, &path));
    assert_eq!(dry.status, Some(0), "{}", dry.stderr);
    let lines: Vec<&str> = dry.stdout.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("would send: 2026-11-24T03:04:31Z HIGH: Quarantine of IAM user ci-deploy REMOVED"));
    assert!(
        dry.stderr
            .starts_with("1 alert would be sent, 1 match suppressed (already alerted, or beyond the flood bound)"),
        "{}",
        dry.stderr
    );
    account.alerts(0).await;

    let sent = scan_in(&account, &[replay(&account, &path), vec!["--yes"]].concat());
    assert_eq!((sent.status, sent.stdout.starts_with("sent: ")), (Some(0), true), "{}", sent.stderr);
    let alerts = account.alerts(1).await;
    assert_eq!(alerts[0]["outcome"], "removed");
    assert!(alerts[0]["related"].is_object());

    // Neither alerts again.
    let again = scan_in(&account, &[replay(&account, &path), vec!["--yes"]].concat());
    assert!(again.stderr.starts_with("0 alerts sent, 2 matches suppressed"), "{}", again.stderr);
    function.invoke(&delivery(&account, &[&key("quarantined"), &key("removed")])).unwrap();
    account.alerts(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_sends_exactly_what_its_dry_run_shows() {
    let account = Account::new().await;
    let at = |time: &str| stored(&[quarantine("alice", &format!("2026-11-24T{time}:00Z"))]);
    let replay = |folder: &std::path::Path, more: &[&str]| {
        scan_in(&account, &[replay(&account, folder.to_str().unwrap()), more.to_vec()].concat())
    };
    let known = folder("known");
    fs::write(known.join("1.gz"), at("09:00")).unwrap();
    assert_eq!(replay(&known, &["--yes"]).status, Some(0));
    // The first of these belongs to the incident of 09:00. The second is near the first, but not near 09:00.
    let new = folder("new");
    fs::write(new.join("1.gz"), at("09:30")).unwrap();
    fs::write(new.join("2.gz"), at("10:15")).unwrap();
    let would = replay(&new, &[]).stdout;
    assert!(would.starts_with("would send: 2026-11-24T10:15:00Z ") && would.lines().count() == 1, "{would}");
    assert_eq!(replay(&new, &["--yes"]).stdout, would.replace("would send", "sent"));
    account.alerts(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_of_a_folder_names_the_file_of_the_evidence() {
    let account = Account::new().await;
    let sent = scan_in(&account, &[replay(&account, "events/log-files/failed.json"), vec!["--yes"]].concat());
    assert_eq!(sent.status, Some(0), "{}", sent.stderr);
    let alerts = account.alerts(1).await;
    assert_eq!(alerts[0]["source"]["bucket"], json!(null));
    assert_eq!(alerts[0]["source"]["key"], "events/log-files/failed.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_sends_nothing_without_its_table_or_its_topic() {
    let account = Account::new().await;
    let with = |topic: &str, table: &str| {
        let arguments = ["replay", "events/log-files/failed.json", "--topic-arn", topic, "--table", table, "--yes"];
        scan_in(&account, &arguments)
    };
    let no_table = with(&account.topic, "no-table");
    assert_eq!((no_table.status, no_table.stdout.as_str()), (Some(2), ""));
    assert!(no_table.stderr.contains("nothing was sent: cannot use the dedup table no-table ("), "{}", no_table.stderr);
    let no_topic = with("arn:aws:sns:us-east-1:123456789012:nowhere", &account.table);
    assert_eq!((no_topic.status, no_topic.stdout.as_str()), (Some(2), ""), "{}", no_topic.stderr);
    assert!(
        no_topic.stderr.contains("correct this and run it again: cannot publish to the topic"),
        "{}",
        no_topic.stderr
    );
    account.alerts(0).await;
    // The remaining claim ends with its lease.
    account.end_leases().await;
    assert_eq!(with(&account.topic, &account.table).status, Some(0));
    account.alerts(1).await;
}
