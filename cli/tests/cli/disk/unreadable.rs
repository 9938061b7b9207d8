//! Files that cannot be read, or not in this form, are named and are no clean result.

use super::*;

#[test]
fn an_unreadable_file_stops_nothing_and_is_named_with_its_reason() {
    let folder = folder("bad");
    let whole = stored(&[quarantine("whole", DAY)]);
    fs::write(folder.join("whole.gz"), &whole).unwrap();
    let long = stored(&[quarantine("truncated", DAY), json!({ "x": "y".repeat(300_000), "z": DAY.repeat(9) })]);
    fs::write(folder.join("truncated.gz"), &long[..long.len() - 20]).unwrap();
    fs::write(folder.join("README"), "These are the log files of the trail.").unwrap();
    symlink(folder.join("nowhere"), folder.join("gone.gz")).unwrap();
    // A folder that contains itself is read once.
    symlink(&folder, folder.join("loop")).unwrap();
    let found = ndjson(&folder);
    let mut users = found.users();
    users.sort();
    assert_eq!(
        (users, found.status),
        (vec!["truncated".into(), "whole".into()], Some(2)),
        "with an unreadable file, the status is 2"
    );
    let lines: Vec<&str> = found.stderr.lines().collect();
    assert!(lines[0].starts_with("2 incidents (2 matches) in 1 log file ("), "{lines:?}");
    assert_eq!(lines[1], "1 other file skipped: not CloudTrail log files, or outside the requested dates.");
    let mut unread: Vec<&str> = lines[2..].to_vec();
    unread.sort_unstable();
    let name = |name: &str| format!("not read: {}", folder.join(name).display());
    assert!(unread[0].starts_with(&(name("gone.gz") + " cannot be read: No such file or directory")), "{unread:?}");
    assert_eq!(unread[1], name("truncated.gz") + " is broken: the gzip stream ends early.");
    assert_eq!(unread.len(), 2);
    // A file that is named on the command line is not skipped.
    let readme = folder.join("README");
    let named = scan(&[readme.to_str().unwrap()]);
    assert!(named.stderr.contains("README is not a log file: it is neither gzip nor JSON"), "{}", named.stderr);
    assert_eq!(named.status, Some(2));
}

#[test]
fn a_target_without_a_log_file_is_not_a_clean_result() {
    let empty = folder("empty");
    for path in [empty.to_str().unwrap(), "/nowhere/at/all"] {
        let found = scan(&[path, "events/log-files/clean.json"]);
        assert_eq!((found.stdout.as_str(), found.status), ("", Some(2)), "{}", found.stderr);
        assert!(found.stderr.contains(&format!("not read: {path} ")), "{}", found.stderr);
    }
    let nothing = scan_stream(&["-"], b"");
    assert_eq!(nothing.status, Some(2));
    assert!(nothing.stderr.contains("not read: standard input is not a log file: it is empty"), "{}", nothing.stderr);
}

#[test]
fn a_needle_outside_a_readable_record_is_not_a_clean_result() {
    const NOT_JUDGED: &str = "outside of any CloudTrail record";
    let record = quarantine("alice", DAY).to_string();
    // The record with its parameters as text in a field of that name, or flattened.
    let stripped = |name: Option<&str>| {
        let mut record = quarantine("alice", DAY);
        let parameters = record.as_object_mut().unwrap().remove("requestParameters").unwrap();
        match name {
            Some(name) => record[name] = json!(parameters.to_string()),
            None => record["requestParameters.policyArn"] = parameters["policyArn"].clone(),
        }
        record.to_string()
    };
    for (name, text, reason) in [
        ("parameters-as-text", stripped(Some("requestParameters")), NOT_JUDGED),
        ("parameters-flattened", stripped(None), NOT_JUDGED),
        ("other-keys", record.replace("event", "call"), NOT_JUDGED),
        ("text", format!("INFO {record}"), "is not a log file: it is neither gzip nor JSON"),
        ("mid-record", format!("a\":1}}\n{record}\n"), "is not a log file: it is neither gzip nor JSON"),
        ("garbage", format!("{{\"eventName\n{record}\n"), "is "),
    ] {
        let folder = folder(&format!("needle-{name}"));
        fs::write(folder.join("x.json"), text).unwrap();
        fs::copy(path("events/log-files/clean.json"), folder.join("clean.json")).unwrap();
        let found = ndjson(&folder);
        let line = found.stderr.lines().find(|line| line.starts_with("not read: ")).expect(&found.stderr);
        assert!(line.contains("x.json ") && line.contains(reason), "{name}: {line}");
        assert_eq!(found.status, Some(2), "{name}");
    }
}

#[test]
fn other_text_on_a_disk_is_searched_completely() {
    let folder = folder("other-text");
    let lines = |user: &str| format!("{}{}\n", "INFO {\"eventName\":\"x\"}\n".repeat(40_000), quarantine(user, DAY));
    fs::write(folder.join("x.log"), lines("alice")).unwrap();
    fs::write(folder.join("x.log.gz"), gzip(lines("alice").as_bytes())).unwrap();
    fs::write(folder.join("harmless.log"), "2026-11-24 x\n".repeat(40_000)).unwrap();
    // Corrupt bytes may hide a needle. Binary files such as programs are not text.
    let mut corrupt = gzip(b"2026-11-24 x");
    *corrupt.last_mut().unwrap() ^= 1;
    fs::write(folder.join("corrupt.gz"), corrupt).unwrap();
    fs::write(folder.join("program"), format!("\u{7f}ELF\0{}", lines("alice"))).unwrap();
    fs::copy(path("events/log-files/clean.json"), folder.join("clean.json")).unwrap();
    let found = ndjson(&folder);
    let unread = |name: &str| {
        let start = format!("not read: {} is ", folder.join(name).display());
        found.stderr.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or("not named")
    };
    assert_eq!(unread("x.log"), "not a log file: it is neither gzip nor JSON (its first byte is 0x49).");
    assert_eq!(unread("x.log.gz"), "not a log file: it is gzip, but not of JSON (the first inflated byte is 0x49).");
    assert!(unread("corrupt.gz").starts_with("broken: the gzip stream is corrupt"), "{}", found.stderr);
    assert!(found.stderr.contains("\n2 other files skipped"), "{}", found.stderr);
    assert_eq!(found.status, Some(2));
}

#[test]
fn a_log_file_truncated_before_its_needle_is_not_a_clean_result() {
    let folder = folder("truncated");
    let text = json!({ "Records": [{ "a": "x".repeat(9000) }, quarantine("alice", DAY)] }).to_string();
    fs::copy(path("events/log-files/clean.json"), folder.join("clean.json")).unwrap();
    fs::write(folder.join("x.json"), &text[..5000]).unwrap();
    let found = ndjson(&folder);
    assert!(
        found.stderr.contains("x.json is broken: the JSON ends early.") && found.status == Some(2),
        "{}",
        found.stderr
    );
}

#[test]
fn exports_from_windows_are_read_or_named() {
    let folder = folder("encodings");
    let clean = json!({ "eventName": "x", "a": "y".repeat(200_000) }).to_string();
    let lines = format!("\u{feff}{clean}\n{}\n", quarantine("alice", DAY));
    fs::write(folder.join("utf-8-with-mark.json"), &lines).unwrap();
    let wide: Vec<u8> = lines.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(folder.join("utf-16.json"), &wide).unwrap();
    fs::write(folder.join("utf-16-without-mark.json"), &wide[2..]).unwrap();
    let found = ndjson(&folder);
    assert_eq!((found.users(), found.status), (vec!["alice".to_owned()], Some(2)), "{}", found.stderr);
    for name in ["utf-16.json", "utf-16-without-mark.json"] {
        assert!(found.stderr.contains(&format!("encodings/{name} is ")), "{}", found.stderr);
    }
    assert_eq!(scan_stream(&["-", "--format", "ndjson"], lines.as_bytes()).users(), ["alice"]);
}

#[test]
fn an_emptied_log_file_is_not_a_clean_result() {
    let folder = folder("emptied");
    let day = folder.join("AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24");
    fs::create_dir_all(&day).unwrap();
    fs::write(day.join("x.json.gz"), "").unwrap();
    fs::write(folder.join("elsewhere"), "").unwrap();
    fs::copy(path("events/log-files/clean.json"), folder.join("clean.json")).unwrap();
    let found = ndjson(&folder);
    assert!(
        found.stderr.contains("x.json.gz is not a log file: it is empty.") && found.status == Some(2),
        "{}",
        found.stderr
    );
    assert!(found.stderr.contains("1 other file skipped"), "{}", found.stderr);
}

#[test]
fn a_file_name_that_is_not_utf8_is_read_and_shown_safely() {
    let folder = folder("names");
    let name = OsString::from_vec(b"\xff\x1b[2J.json.gz".to_vec());
    fs::write(folder.join(&name), stored(&[quarantine("alice", DAY)])).unwrap();
    let found = scan(&[folder.to_str().unwrap()]);
    assert!(found.stdout.contains("names/\u{fffd}\\u{1b}[2J.json.gz"), "{}", found.stdout);
    assert_eq!(found.status, Some(1));
    let mut named = command(&["--format", "ndjson"]);
    named.arg(folder.join(&name));
    let named = run(named);
    assert_eq!(named.users(), ["alice"]);
    // The file is read once more for related activity.
    assert!(named.alerts()[0]["related"].is_object(), "{}", named.stdout);
}

#[test]
fn other_logs_next_to_cloudtrails_are_skipped_unless_they_are_named() {
    let folder = folder("layout").join("AWSLogs/123456789012");
    let file = |kind: &str| folder.join(kind).join("us-east-1/2026/11/24/x.json.gz");
    for kind in ["CloudTrail", "CloudTrail-Digest", "Config"] {
        fs::create_dir_all(file(kind).parent().unwrap()).unwrap();
        fs::write(file(kind), stored(&[quarantine(kind, DAY)])).unwrap();
    }
    let found = ndjson(&folder);
    assert_eq!(found.users(), ["CloudTrail"]);
    assert!(found.stderr.contains("2 other files skipped"), "{}", found.stderr);
    assert_eq!(ndjson(&file("Config")).users(), ["Config"]);
}

#[test]
fn a_file_of_many_bad_elements_is_one_unread_file() {
    let folder = folder("elements");
    let elements = vec!["\"AttachUserPolicy\""; 100_000].join(",");
    fs::write(folder.join("x.json"), format!("{{\"Records\":[{elements}]}}")).unwrap();
    let found = ndjson(&folder);
    assert_eq!(found.stderr.matches("not read: ").count(), 1, "{}", found.stderr);
    assert_eq!((found.stdout.as_str(), found.status), ("", Some(2)));
}
