//! Every row of `tests/cases/README.md` that is for the command line.

use std::fs;

use aws_sdk_s3::types::StorageClass;
use serde_json::{Value, json};

use crate::{
    Run, folder, quarantine, scan, scan_in, scan_stream, stored,
    support::{
        cases::{Case, cases, rows},
        local_aws::Account,
        log_file, path,
    },
};

/// How a file is given to the command line.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    ByName,
    InAFolder,
    OnStandardInput,
}

fn find(case: &Case, way: Way, more: &[&str]) -> Run {
    let file = path("tests/cases/cli").join(&case.file);
    let arguments = |target: &'static str| [&[target, "--format", "ndjson"], more].concat();
    match way {
        Way::ByName => scan(&[&[file.to_str().unwrap(), "--format", "ndjson"], more].concat()),
        Way::OnStandardInput => scan_stream(&arguments("-"), &case.bytes("cli")),
        Way::InAFolder => {
            let folder = folder(&format!("case-{}", case.file));
            fs::copy(&file, folder.join(&case.file)).unwrap();
            fs::write(folder.join("clean.json.gz"), stored(&[log_file("clean")["Records"][0].clone()])).unwrap();
            scan(&[&[folder.to_str().unwrap(), "--format", "ndjson"], more].concat())
        }
    }
}

/// Asserts that the run has the right result, as the table words it.
fn check(case: &Case, way: Way, run: &Run) {
    let shown = format!("{} {way:?}: {run:?}", case.file);
    let is_unread = || {
        let name = if way == Way::OnStandardInput { "standard input" } else { &case.file };
        run.status == Some(2) && run.stderr.lines().any(|line| line.starts_with("not read: ") && line.contains(name))
    };
    if case.says("named as unread, exit 2") {
        assert!(is_unread() && run.stdout.is_empty(), "{shown}");
    } else if case.says("named alone it is no log file") {
        let is_skipped = way == Way::InAFolder && run.status == Some(0) && run.stderr.contains("1 other file skipped");
        assert!(is_skipped || way != Way::InAFolder && is_unread(), "{shown}");
    } else if case.says("clean, exit 0") {
        assert_eq!((run.stdout.as_str(), run.status), ("", Some(0)), "{shown}");
        assert!(!run.stderr.contains("not read"), "{shown}");
    } else if case.says("found, or named as unread") {
        assert!(is_unread() || run.status == Some(1) && run.users() == [case.user()], "{shown}");
    } else {
        assert_eq!(run.status, Some(1), "{shown}");
        let count = if case.says("two incidents") { 2 } else { 1 };
        assert_eq!(run.users(), vec![case.user(); count], "{shown}");
        let mut found: Vec<Value> = run.alerts().iter().map(|alert| alert["eventTime"].clone()).collect();
        found.sort_by_key(Value::to_string);
        let null = vec![Value::Null; count];
        let times: Vec<Value> = case.times().into_iter().map(Value::from).collect();
        match (case.says("event time null"), case.says("or null")) {
            (true, _) => assert_eq!(found, null, "{shown}"),
            (false, true) => assert!(found == times || found == null, "{shown}"),
            (false, false) if times.is_empty() => assert_eq!(case.file, "inline-2020.json"),
            (false, false) => assert_eq!(found, times, "{shown}"),
        }
    }
}

#[test]
fn every_row_of_the_table_has_the_right_result() {
    let mut checked = 0;
    for case in cases("cli") {
        for way in [Way::ByName, Way::InAFolder, Way::OnStandardInput] {
            let run = find(&case, way, &[]);
            check(&case, way, &run);
            let ids = |run: &Run| run.alerts().iter().map(|alert| alert["alertId"].clone()).collect::<Vec<_>>();
            if case.says("the same alert ids in every run") {
                assert_eq!(ids(&find(&case, way, &[])), ids(&run), "{}", case.file);
            }
            if case.says("`--since 1d` finds none") {
                assert_eq!(find(&case, way, &["--since", "1d"]).status, Some(0), "{}", case.file);
            }
            if case.says("never leave it out") {
                for filter in [["--since", "1d"], ["--until", "2010-01-01"]] {
                    check(&case, way, &find(&case, way, &filter));
                }
            }
            if case.says("quarantined, HIGH, `awsInternal` null") {
                let alert = &run.alerts()[0];
                assert_eq!((&alert["outcome"], &alert["severity"]), (&json!("quarantined"), &json!("HIGH")));
                assert!(alert["actor"]["awsInternal"].is_null(), "{alert}");
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// The row without a file.
#[tokio::test]
async fn archived_objects_are_reported_from_the_listing_in_one_line() {
    let [case] = rows("Without a file").try_into().ok().unwrap();
    assert!(case.file.starts_with("a bucket with 120 log files in storage class GLACIER or DEEP_ARCHIVE"));
    let account = Account::new().await;
    let key = |name: &str| format!("AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/{name}.json.gz");
    let put = async |name: &str, class: StorageClass| {
        let body = stored(&[quarantine(name, "2026-11-24T03:02:11Z")]);
        let object = account.s3.put_object().bucket(&account.bucket).key(key(name)).body(body.into());
        object.storage_class(class).send().await.unwrap();
    };
    for number in 0..120 {
        let class = if number % 2 == 0 { StorageClass::Glacier } else { StorageClass::DeepArchive };
        put(&format!("archived-{number}"), class).await;
    }
    put("standard", StorageClass::Standard).await;
    put("instant", StorageClass::GlacierIr).await;
    let bucket = format!("s3://{}", account.bucket);

    let found = scan_in(&account, &[&bucket, "--format", "ndjson"]);
    let mut users = found.users();
    users.sort();
    assert_eq!((users, found.status), (vec!["instant".into(), "standard".into()], Some(2)), "{}", found.stderr);
    let lines: Vec<&str> = found.stderr.lines().filter(|line| line.starts_with("not read: ")).collect();
    assert!(
        matches!(lines[..], [line] if line.contains("120 archived log files") && line.contains("restore")),
        "{lines:?}"
    );

    let queue = account.sqs.create_queue().queue_name("deliveries").send().await.unwrap().queue_url.unwrap();
    let sent = scan_in(&account, &["enqueue", &bucket, "--queue", &queue]);
    assert_eq!(sent.status, Some(2), "{}", sent.stderr);
    assert!(
        sent.stderr.contains("2 log files sent") && sent.stderr.contains("120 archived log files"),
        "{}",
        sent.stderr
    );
}
