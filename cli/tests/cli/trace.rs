//! What did a key do?

mod shown;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use crate::{
    Run, command_in, folder, run, scan, scan_in, scan_stream, stored,
    support::{
        gzip,
        local_aws::Account,
        path, python,
        wire::{Fault, Wire},
    },
};

/// A real attack simulation.
const ATTACK: &str = "tests/data/invictus/CloudTrail";
const KEY: &str = "AKIATFQR7NSC8Q4X20BJ";

fn trace(arguments: &[&str]) -> (Value, Run) {
    let run = scan(&[&["trace"], arguments, &["--format", "json"]].concat());
    let result =
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", run.stdout, run.stderr));
    (result, run)
}

/// All records of the attack, by a plain parse.
fn records() -> Vec<Value> {
    let files = fs::read_dir(path(ATTACK)).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    let records = files.flat_map(|file| {
        let mut whole: Value = serde_json::from_reader(MultiGzDecoder::new(&file[..])).unwrap();
        std::mem::take(whole["Records"].as_array_mut().unwrap())
    });
    records.collect()
}

#[test]
fn every_number_of_a_real_attack_equals_a_plain_count() {
    let records = records();
    let mut by_key: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for record in &records {
        if let Some(key) = record["userIdentity"]["accessKeyId"].as_str() {
            by_key.entry(key).or_default().push(record);
        }
    }
    let mut busiest: Vec<_> = by_key.into_iter().collect();
    busiest.sort_by_key(|(_, records)| std::cmp::Reverse(records.len()));
    assert!(busiest.len() > 3 && busiest[0].1.len() > 1000 && busiest[2].1.len() > 30);
    for (key, records) in &busiest[..3] {
        let (result, run) = trace(&[key, ATTACK, "--no-follow"]);
        assert_eq!(run.status, Some(1), "{}", run.stderr);
        let is_denied = |record: &&&Value| {
            let code = record["errorCode"].as_str().unwrap_or_default().trim_start_matches("Client.");
            ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"].contains(&code)
        };
        let times: BTreeSet<&str> = records.iter().filter_map(|record| record["eventTime"].as_str()).collect();
        let summary = &result["summary"];
        assert_eq!(summary["calls"], records.len());
        assert_eq!(summary["denied"], records.iter().filter(is_denied).count());
        assert_eq!(summary["succeeded"], records.iter().filter(|record| record["errorCode"].is_null()).count());
        assert_eq!(
            (summary["firstEventTime"].as_str(), summary["lastEventTime"].as_str()),
            (times.first().copied(), times.last().copied())
        );
        for (list, name, field) in [
            ("services", "eventSource", "eventSource"),
            ("sourceIPAddresses", "value", "sourceIPAddress"),
            ("userAgents", "value", "userAgent"),
            ("regions", "awsRegion", "awsRegion"),
            ("accounts", "accountId", "recipientAccountId"),
        ] {
            let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
            records.iter().for_each(|record| *expected.entry(record[field].as_str().unwrap()).or_default() += 1);
            let found: BTreeMap<&str, u64> = result[list]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| (row[name].as_str().unwrap(), row["calls"].as_u64().unwrap()))
                .collect();
            assert_eq!(found, expected, "{key} {list}");
        }
    }
}

/// A leak with everything that a trace must follow or leave out. The expectation was written by hand.
#[test]
fn the_scenario_gives_exactly_what_was_expected() {
    let expected = fs::read_to_string(path("events/trace-expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let (mut found, run) = trace(&["AKIAIOSFODNN7EXAMPLE", "events/trace"]);
    assert_eq!(run.status, Some(1), "{}", run.stderr);
    let rows = found["leftBehind"].as_array_mut().unwrap().iter_mut();
    rows.for_each(|row| row.as_object_mut().unwrap().retain(|name, _| name != "type" && name != "undo"));
    let expected = expected.as_object().unwrap();
    assert!(expected.len() > 10, "{:?}", expected.keys());
    for (name, value) in expected {
        match value.as_object() {
            Some(fields) => {
                fields.iter().for_each(|(field, value)| assert_eq!(&found[name][field], value, "{name}.{field}"))
            }
            None => assert_eq!(&found[name], value, "{name}"),
        }
    }
}

#[test]
fn generated_archives_equal_a_plain_parse_in_any_order_of_files() {
    let mut command = Command::new(python());
    command
        .arg(path("cli/tests/cli/trace_oracle.py"))
        .arg("compare")
        .arg(env!("CARGO_BIN_EXE_quarantine-scan"))
        .arg("25");
    let compared = run(command);
    assert_eq!(compared.status, Some(0), "{}{}", compared.stdout, compared.stderr);
}

#[test]
fn standard_input_is_read_twice() {
    let key = "AKIAIOSFODNN7EXAMPLE";
    let user = json!({ "type": "IAMUser", "accessKeyId": key, "userName": "a", "accountId": "123456789012" });
    let issued = json!({
        "eventID": "1", "eventTime": "2026-11-24T03:00:00.700Z", "eventSource": "iam.amazonaws.com", "eventName": "CreateAccessKey",
        "userIdentity": user, "recipientAccountId": "123456789012", "responseElements": { "accessKey": { "accessKeyId": "AKIAI44QH8DHBEXAMPLE" } },
    });
    let mut used = issued.clone();
    used["eventID"] = json!("2");
    used["eventName"] = json!("ListUsers");
    used["responseElements"] = Value::Null;
    used["userIdentity"]["accessKeyId"] = json!("AKIAI44QH8DHBEXAMPLE");
    // The issued key is used in the second in which it was issued, and its record is first.
    used["eventTime"] = json!("2026-11-24T03:00:00.200Z");
    let traced = scan_stream(&["trace", key, "-", "--format", "json"], &stored(&[used, issued]));
    let result: Value = serde_json::from_str(&traced.stdout).unwrap();
    assert_eq!((&result["summary"]["calls"], traced.status), (&json!(2), Some(1)), "{}", traced.stderr);
    assert_eq!(result["identities"][1]["parent"], key);
}

#[test]
fn what_an_addendum_replaces_proves_nothing() {
    let key = "AKIAIOSFODNN7EXAMPLE";
    let record = |id: &str, time: &str, name: &str, user: &str| {
        json!({
            "eventID": id, "eventTime": time, "eventSource": "iam.amazonaws.com", "eventName": name, "awsRegion": "us-east-1",
            "userIdentity": { "type": "IAMUser", "accessKeyId": user, "accountId": "123456789012", "arn": user },
            "recipientAccountId": "123456789012", "requestParameters": { "userName": "mallory" },
            "responseElements": { "accessKey": { "accessKeyId": "AKIAI44QH8DHBEXAMPLE", "userName": "mallory" } },
        })
    };
    let denied = |id: &str, original: &Value| {
        let mut addendum = original.clone();
        addendum["addendum"] = json!({ "reason": "UPDATED_DATA", "originalEventID": original["eventID"] });
        addendum["eventID"] = json!(id);
        addendum["errorCode"] = json!("AccessDenied");
        addendum["responseElements"] = Value::Null;
        addendum
    };
    let created = record("1", "2026-11-24T03:00:00Z", "CreateUser", key);
    let issued = record("2", "2026-11-24T03:01:00Z", "CreateAccessKey", key);
    let used = record("3", "2026-11-24T03:02:00Z", "ListUsers", "AKIAI44QH8DHBEXAMPLE");
    let deleted = record("4", "2026-11-24T03:03:00Z", "DeleteUser", "AKIAADMINADMINADMIN1");
    let addenda = [denied("5", &issued), denied("6", &deleted)];
    let trace = |records: &[Value]| -> Value {
        serde_json::from_str(&scan_stream(&["trace", key, "-", "--format", "json"], &stored(records)).stdout).unwrap()
    };
    let records = [created, issued, used, deleted];
    let before = trace(&records);
    assert_eq!((&before["summary"]["calls"], before["identities"].as_array().unwrap().len()), (&json!(3), 3));
    assert_eq!(before["leftBehind"][0]["removedAt"], "2026-11-24T03:03:00Z");
    let after = trace(&[&addenda[..], &records].concat());
    assert_eq!((&after["summary"]["calls"], &after["summary"]["duplicates"]), (&json!(2), &json!(0)));
    assert_eq!(after["identities"].as_array().unwrap().len(), 2, "{after}");
    assert_eq!(
        (&after["leftBehind"][0]["id"], &after["leftBehind"][0]["removedAt"]),
        (&json!("mallory"), &Value::Null)
    );
}

#[test]
fn a_depth_limits_the_steps() {
    for (depth, identities) in [(&["--no-follow"][..], 1), (&["--depth", "1"], 4), (&["--depth", "2"], 6), (&[], 8)] {
        let (result, _) = trace(&[&["AKIAIOSFODNN7EXAMPLE", "events/trace"], depth].concat());
        assert_eq!(result["identities"].as_array().unwrap().len(), identities, "{depth:?}");
    }
}

/// A user that was deleted and then created again is still there.
#[test]
fn only_a_removal_after_the_last_making_counts() {
    let record = |id: u32, time: Option<&str>, name: &str, key: &str| {
        json!({
            "eventID": id.to_string(), "eventTime": time, "eventSource": "iam.amazonaws.com", "eventName": name,
            "userIdentity": { "type": "IAMUser", "accessKeyId": key, "accountId": "123456789012" },
            "recipientAccountId": "123456789012", "requestParameters": { "userName": "mallory" },
        })
    };
    let (key, admin) = ("AKIAIOSFODNN7EXAMPLE", "AKIAADMINADMINADMIN1");
    let made = |id, time| record(id, Some(time), "CreateUser", key);
    let mut records = vec![
        made(1, "2026-11-24T03:00:00Z"),
        record(2, Some("2026-11-24T03:01:00Z"), "DeleteUser", admin),
        made(3, "2026-11-24T03:02:00Z"),
        record(4, None, "DeleteUser", admin),
    ];
    let removed_at = |records: &[Value]| {
        let traced = scan_stream(&["trace", key, "-", "--format", "json"], &stored(records));
        let result: Value = serde_json::from_str(&traced.stdout).unwrap();
        assert_eq!(result["leftBehind"].as_array().unwrap().len(), 1, "{result}");
        result["leftBehind"][0]["removedAt"].clone()
    };
    assert_eq!(removed_at(&records), Value::Null);
    records.push(record(5, Some("2026-11-24T03:03:00Z"), "DeleteUser", admin));
    assert_eq!(removed_at(&records), "2026-11-24T03:03:00Z");
}

#[test]
fn what_is_no_identity_is_refused_and_one_without_calls_says_so() {
    let refused = scan(&["trace", "ci-deploy", ATTACK]);
    assert_eq!(refused.status, Some(2));
    assert!(
        refused.stderr.contains("is neither an access key id (AKIA… or ASIA…) nor the ARN of a user"),
        "{}",
        refused.stderr
    );
    let nothing = scan(&["trace", "AKIAIOSFODNN7EXAMPLE", ATTACK]);
    assert_eq!(nothing.status, Some(0));
    assert!(
        nothing.stdout.starts_with("These identities made no call that was found. Not seen: calls outside"),
        "{}",
        nothing.stdout
    );
    assert!(nothing.stderr.contains("no call of these identities was found in 55 log files"), "{}", nothing.stderr);
    let broken = folder("trace-broken").join("x.json.gz");
    fs::write(&broken, &gzip(b"{\"Records\":[")[..20]).unwrap();
    let unread = scan(&["trace", KEY, ATTACK, broken.to_str().unwrap(), "--format", "json"]);
    assert_eq!(unread.status, Some(2));
    let result: Value = serde_json::from_str(&unread.stdout).unwrap();
    assert_eq!(
        (&result["coverage"]["partial"], result["coverage"]["unread"].as_array().unwrap().len()),
        (&json!(true), 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_gives_what_its_files_give() {
    let account = Account::new().await;
    for file in fs::read_dir(path(ATTACK)).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let key = format!("AWSLogs/218007301253/CloudTrail/us-east-1/2023/07/10/{name}");
        account.put(&key, fs::read(file.path()).unwrap()).await;
    }
    let bucket = format!("s3://{}", account.bucket);
    let traced = scan_in(&account, &["trace", KEY, &bucket, "--format", "json"]);
    let mut found: Value = serde_json::from_str(&traced.stdout).unwrap();
    let (mut expected, _) = trace(&[KEY, ATTACK]);
    // The time at which an alert was made is no part of the comparison.
    found["quarantine"] = json!([]);
    expected["quarantine"] = json!([]);
    assert_eq!(found, expected, "{}", traced.stderr);
}

#[tokio::test]
async fn a_bucket_is_listed_once_and_a_large_object_is_downloaded_once_for_each_read() {
    let account = Account::new().await;
    let user = json!({ "type": "IAMUser", "accessKeyId": KEY });
    // What does not compress: more than is kept for a second pass.
    let noise =
        |number: u64| format!("{:032x}", u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
    let record = |number: u64| {
        let agent: String = (0..8).map(|part| noise(number * 8 + part)).collect();
        json!({
            "eventID": number.to_string(), "eventName": "AssumeRole", "eventSource": "sts.amazonaws.com", "userIdentity": user,
            "userAgent": agent, "responseElements": { "credentials": { "accessKeyId": format!("ASIA{number:016}") } },
        })
    };
    let large = stored(&(0..12_000).map(record).collect::<Vec<_>>());
    assert!(large.len() > 1024 * 1024, "{}", large.len());
    account.put("AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/large.json.gz", large).await;
    let bucket = format!("s3://{}", account.bucket);
    let of_find = Wire::new(&account.endpoint, |_| Fault::None);
    run(command_in(&account, &of_find.endpoint, &["find", &bucket]));
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let traced = run(command_in(&account, &wire.endpoint, &["trace", KEY, &bucket]));
    assert!(traced.stdout.contains("12,000 calls"), "{}{}", traced.stdout, traced.stderr);
    let requests =
        |wire: &Wire, part| wire.seen("GetObject").iter().filter(|seen| seen.request.path().contains(part)).count();
    assert_eq!(requests(&wire, "large.json.gz"), 2);
    let listings = [&wire, &of_find].map(|wire| requests(wire, "list-type=2"));
    assert!(listings[0] == listings[1] && listings[0] > 1, "{listings:?}");
}
