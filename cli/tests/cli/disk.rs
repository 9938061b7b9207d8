//! Log files on a disk, and from pipes.

mod unreadable;

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::{ffi::OsStringExt, fs::symlink},
    process::{Command, Stdio},
};

use quarantine_alert::untrusted::fingerprint;
use serde_json::json;

use crate::{
    command, folder, quarantine, run, scan, scan_stream, stored,
    support::{gzip, log_file, path},
};

const DAY: &str = "2026-11-24T03:02:11Z";

fn ndjson(folder: &std::path::Path) -> crate::Run {
    scan(&[folder.to_str().unwrap(), "--format", "ndjson"])
}

#[test]
fn real_log_files_contain_no_incident() {
    let found = scan(&["tests/data/invictus"]);
    assert_eq!((found.stdout.as_str(), found.status), ("", Some(0)));
    assert!(found.stderr.starts_with("nothing found in 55 log files ("), "{}", found.stderr);
}

#[test]
fn every_export_format_is_read() {
    let folder = folder("forms");
    let record = |user| quarantine(user, DAY).to_string();
    let pretty = |user| serde_json::to_string_pretty(&quarantine(user, DAY)).unwrap();
    let clean = r#"{"eventSource":"s3.amazonaws.com"}"#;
    let files = [
        ("gzip.json.gz", stored(&[quarantine("a", DAY)])),
        ("plain.json", json!({ "Records": [quarantine("b", DAY)] }).to_string().into_bytes()),
        ("list.json", json!([quarantine("c", DAY)]).to_string().into_bytes()),
        ("one.json", pretty("d").into_bytes()),
        ("lines.ndjson", format!("{clean}\n{}\n{clean}\n{}\n", record("e"), record("f")).into_bytes()),
        (
            "lines.gz",
            gzip(format!("{{\"Records\":[{}]}}\n{{\"Records\":[{}]}}\n", record("g"), record("h")).as_bytes()),
        ),
        ("members.gz", [gzip(format!("[{}", record("i")).as_bytes()), gzip(b"]")].concat()),
    ];
    for (name, bytes) in &files {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let found = ndjson(&folder);
    let mut users = found.users();
    users.sort();
    assert_eq!(users, ["a", "b", "c", "d", "e", "f", "g", "h", "i"], "{}", found.stderr);
    assert_eq!(found.status, Some(1));
    // The same files through a pipe.
    for (name, bytes) in &files {
        let piped = scan_stream(&["-", "--format", "ndjson"], bytes);
        assert!(!piped.stdout.is_empty() && piped.status == Some(1), "{name}: {}", piped.stderr);
    }
    let all = files.iter().filter(|(name, _)| !name.ends_with("gz")).flat_map(|(_, bytes)| bytes.clone());
    assert_eq!(scan_stream(&["-", "--format", "ndjson"], &all.collect::<Vec<_>>()).users().len(), 5);
}

#[test]
fn duplicates_and_neighbors_form_one_incident_as_in_the_function() {
    let folder = folder("incidents");
    // 10:07 is alerted, 11:06 is suppressed, and 11:07 is alerted, in any file and order.
    let at = |time: &str| quarantine("alice", &format!("2026-11-24T{time}:00Z"));
    fs::write(folder.join("1.gz"), stored(&[at("11:07"), at("10:07")])).unwrap();
    fs::write(folder.join("2.gz"), stored(&[at("11:06"), quarantine("bob", DAY)])).unwrap();
    fs::write(folder.join("copy.gz"), stored(&[at("11:07"), at("10:07")])).unwrap();
    let found = ndjson(&folder);
    let incidents: Vec<(String, String)> = found
        .alerts()
        .iter()
        .map(|alert| (alert["entity"]["name"].as_str().unwrap().into(), alert["eventTime"].as_str().unwrap().into()))
        .collect();
    let expected = [("alice", "2026-11-24T11:07:00Z"), ("alice", "2026-11-24T10:07:00Z"), ("bob", DAY)];
    assert_eq!(incidents, expected.map(|(user, time)| (user.to_owned(), time.to_owned())));
    assert!(found.stderr.starts_with("3 incidents (6 matches) in 3 log files"), "{}", found.stderr);
}

#[test]
fn documents_of_all_forms_may_follow_one_another() {
    let folder = folder("mixed");
    let record = |user| quarantine(user, DAY).to_string();
    let text = format!("[{}]\n{{\"Records\":[{}]}}\n[{}]\n{}", record("a"), record("b"), record("c"), record("d"));
    fs::write(folder.join("x.json"), &text).unwrap();
    for found in [ndjson(&folder), scan_stream(&["-", "--format", "ndjson"], text.as_bytes())] {
        let mut users = found.users();
        users.sort();
        assert_eq!((users.concat().as_str(), found.status), ("abcd", Some(1)), "{}", found.stderr);
    }
    // A string is not a document. What follows it must not be ignored.
    for tail in ["\"", &serde_json::to_string(&record("e")).unwrap()] {
        let found = scan_stream(&["-"], format!("{}\n{tail}", record("a")).as_bytes());
        assert_eq!(found.status, Some(2), "{tail}: {}", found.stderr);
    }
}

#[test]
fn a_named_pipe_is_read_once() {
    let fifo = folder("fifo").join("records");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::write(fifo, quarantine("alice", DAY).to_string()).unwrap()
    });
    let found = ndjson(&fifo);
    writer.join().unwrap();
    assert_eq!(found.users(), ["alice"]);
    assert_eq!(found.alerts()[0]["related"], json!(null));
}

#[test]
fn a_record_without_a_readable_time_is_the_same_incident_in_each_run() {
    let folder = folder("timeless");
    fs::write(folder.join("1.gz"), stored(&[quarantine("alice", "yesterday")])).unwrap();
    let alert = ndjson(&folder).alerts().remove(0);
    // The time of the run is not part of it.
    assert_eq!(alert["alertId"], fingerprint(&format!("{} 0", alert["dedupKey"].as_str().unwrap())));
}

#[test]
fn a_period_includes_its_borders() {
    let folder = folder("period");
    let times = ["2026-11-23T23:59:59Z", "2026-11-24T00:00:00Z", "2026-11-24T23:59:59Z", "2026-11-25T00:00:00Z"];
    let mut records: Vec<_> = times.iter().map(|time| quarantine(&time[8..13].replace('T', "-"), time)).collect();
    let mut timeless = quarantine("timeless", DAY);
    timeless["eventTime"] = json!(null);
    records.push(timeless);
    fs::write(folder.join("1.gz"), stored(&records)).unwrap();
    let path = folder.to_str().unwrap();
    let within = |period: &[&str]| {
        let mut users = scan(&[&[path, "--format", "ndjson"], period].concat()).users();
        users.sort();
        // A record without a time is never excluded.
        assert_eq!(users.pop().as_deref(), Some("timeless"));
        users.join(" ")
    };
    assert_eq!(within(&[]), "23-23 24-00 24-23 25-00");
    assert_eq!(within(&["--since", "2026-11-24"]), "24-00 24-23 25-00");
    assert_eq!(within(&["--until", "2026-11-24"]), "23-23 24-00 24-23");
    assert_eq!(within(&["--since", "2026-11-24", "--until", "2026-11-24"]), "24-00 24-23");
    assert_eq!(within(&["--since", "2026-11-24T23:59:59Z", "--until", "2026-11-25T00:00:00Z"]), "24-23 25-00");
    assert_eq!(within(&["--since", "2026-11-25T00:00:01Z"]), "");
    assert_eq!(within(&["--since", "2026-11-25T01:00:00+01:00"]), "25-00");
    assert!(scan(&[path, "--until", "9999-12-31T23:59:59-05:00"]).stderr.contains("invalid value"));
    let reversed = scan(&[path, "--since", "2026-11-25", "--until", "2026-11-24"]);
    assert_eq!(reversed.stderr, "error: the period ends before it begins; exchange --since and --until.\n");
    assert_eq!(within(&["--until", "9d"]), within(&["--until", "9d", "--since", "2020-01-01"]));
}

#[test]
fn accounts_and_regions_select_records() {
    let folder = folder("accounts");
    let mut others = [quarantine("other-account", DAY), quarantine("other-region", DAY)];
    others[0]["recipientAccountId"] = json!("210987654321");
    others[1]["awsRegion"] = json!("us-gov-west-1");
    fs::write(folder.join("1.gz"), stored(&[&others[..], &[quarantine("alice", DAY)]].concat())).unwrap();
    let with = |options: &[&str]| {
        let mut users = scan(&[&[folder.to_str().unwrap(), "--format", "ndjson"], options].concat()).users();
        users.sort();
        users.join(" ")
    };
    assert_eq!(with(&["--account", "210987654321"]), "other-account");
    assert_eq!(with(&["--region", "us-gov-west-1"]), "other-region");
    assert_eq!(with(&["--account", "123456789012", "--region", "us-east-1"]), "alice");
    assert_eq!(with(&["--region", "us-east-1", "--region", "us-gov-west-1"]), "alice other-account other-region");
    assert_eq!(scan(&["x", "--account", "1234"]).status, Some(2));
}

#[test]
fn a_pipe_that_is_closed_early_is_not_an_error() {
    let folder = folder("pipe");
    // More output than a pipe can hold.
    let records: Vec<_> = (0..2000).map(|number| quarantine(&format!("user-{number}"), DAY)).collect();
    fs::write(folder.join("1.gz"), stored(&records)).unwrap();
    let mut process = command(&[folder.to_str().unwrap(), "--format", "ndjson"]);
    let mut process = process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(64, process.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with('{'));
    let output = process.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("2,000 incidents") && !stderr.contains("error"), "{stderr}");
    // A busy machine may end related activity before its hundredth incident.
    let related = stderr.lines().find_map(|line| line.strip_prefix("Only the newest ")).unwrap();
    let (related, _) = related.split_once(" incidents have related activity.").unwrap();
    assert!((2..=100).contains(&related.parse::<u32>().unwrap()), "{stderr}");
}

#[test]
fn a_signal_ends_the_run_with_what_was_found_so_far() {
    // Standard input stays open, so that the run does not end on its own. The line shows that the file was read.
    let mut process = command(&["events/log-files/quarantined.json", "-", "--format", "csv"]);
    let mut process = process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(process.stderr.take().unwrap());
    let mut lines = stderr.by_ref().lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("1 of 2 log files, ") && line.contains(", 1 match, ")));
    Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("PARTIAL: stopped by a signal"), "{rest}");
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let csv = String::from_utf8(output.stdout).unwrap();
    assert!(csv.lines().count() == 2 && csv.contains("ci-deploy"), "{csv}");
}

#[test]
fn a_result_file_is_checked_before_the_search_and_replaced_after_it() {
    let log = folder("result-of-itself").join("log.json");
    fs::write(&log, quarantine("alice", DAY).to_string()).unwrap();
    let found = scan(&[log.to_str().unwrap(), "--format", "ndjson", "--output", log.to_str().unwrap()]);
    assert_eq!(found.status, Some(1), "the file was emptied before it was read: {}", found.stderr);
    assert!(fs::read_to_string(&log).unwrap().contains("alertId"));
    let file = folder("result").join("found.json");
    let found = scan(&["events/log-files", "--format", "json", "--output", file.to_str().unwrap()]);
    assert_eq!((found.stdout.as_str(), found.status), ("", Some(1)));
    let alerts: Vec<serde_json::Value> = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(alerts.len(), 6);
    let nowhere = scan(&["events/log-files", "--output", "/nowhere/found.json"]);
    let expected = "error: cannot write /nowhere/found.json: No such file or directory (os error 2).\n";
    assert_eq!((nowhere.stderr.as_str(), nowhere.status), (expected, Some(2)));
}

#[test]
fn a_reversed_period_leaves_no_result_file() {
    let folder = folder("reversed-period");
    let file = folder.join("found.json");
    let period = ["--since", "2026-11-25", "--until", "2026-11-24", "--output", file.to_str().unwrap()];
    let reversed = scan(&[&["events/log-files"], &period[..]].concat());
    let expected = "error: the period ends before it begins; exchange --since and --until.\n";
    assert_eq!((reversed.stderr.as_str(), reversed.status), (expected, Some(2)));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "neither found.json nor found.json.new");
}

#[test]
fn denied_calls_of_a_user_are_one_row_with_first_last_and_count() {
    let folder = folder("denied-calls");
    let call = |number: usize, user: &str, time: &str| {
        let mut record = log_file("enforced")["Records"][1].clone();
        record["userIdentity"]["userName"] = json!(user);
        record["userIdentity"]["arn"] = json!(format!("arn:aws:iam::123456789012:user/{user}"));
        record["eventTime"] = json!(time);
        record["eventID"] = json!(format!("{user}-{number}"));
        record
    };
    let time =
        |number: usize| format!("2026-11-{:02}T{:02}:{:02}:00Z", 1 + number / 1440, number / 60 % 24, number % 60);
    // Three days of a call a minute, and a copy of each.
    let calls: Vec<_> = (0..3 * 1440).map(|number| call(number, "alice", &time(number))).collect();
    fs::write(folder.join("1.gz"), stored(&calls)).unwrap();
    fs::write(folder.join("2.gz"), stored(&calls)).unwrap();
    let undated = [call(1, "bob", "not a time"), call(2, "bob", "2026-11-02T00:00:00Z")];
    fs::write(folder.join("3.gz"), stored(&undated)).unwrap();
    let found = ndjson(&folder);
    assert_eq!(found.users(), ["alice", "bob"], "{}", found.stderr);
    let row = &found.alerts()[0]["occurrences"];
    let expected = json!({
        "count": 4320, "firstEventTime": "2026-11-01T00:00:00Z", "lastEventTime": "2026-11-03T23:59:00Z",
    });
    assert_eq!(row, &expected);
    assert_eq!(found.alerts()[1]["occurrences"]["count"], 2);
    let table = scan(&[folder.to_str().unwrap()]).stdout;
    assert!(table.contains("enforced 4320 times until 2026-11-03T23:59:00Z"), "{table}");
    let csv = scan(&[folder.to_str().unwrap(), "--format", "csv"]).stdout;
    assert!(csv.contains(",4320,2026-11-03T23:59:00Z\n"), "{csv}");
}

#[test]
fn a_named_file_without_a_record_is_never_a_clean_result() {
    for text in [
        "{}",
        r#"{"Records":null}"#,
        r#"{"Records":[{}]}"#,
        r#"[{"Records":[]}]"#,
        r#"{"eventName":"click"}"#,
        r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}"#,
        r#"{"rawData":"eyJldmVudFNvdXJjZSI6ImlhbS5hbWF6b25hd3MuY29tIn0="}"#,
    ] {
        let found = scan_stream(&["-"], text.as_bytes());
        assert_eq!(found.status, Some(2), "{text}: {}", found.stderr);
        assert!(found.stderr.contains("without CloudTrail records"), "{text}: {}", found.stderr);
    }
    let many = json!({ "events": [], "searchedLogStreams": vec![json!({ "logStreamName": "x".repeat(40) }); 50] });
    for text in ["{\"Events\": []}\n", "[]", "{\"Records\":[]}\n{\"Records\":[]}\n", &many.to_string()] {
        let found = scan_stream(&["-"], text.as_bytes());
        assert_eq!(found.status, Some(0), "{text}: {}", found.stderr);
        assert!(found.stderr.starts_with("nothing found in 0 log files"), "{}", found.stderr);
        assert!(found.stderr.contains("1 file without records: an empty list."), "{}", found.stderr);
    }
}
