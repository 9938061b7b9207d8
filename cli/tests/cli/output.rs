//! The output for people and for programs.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    Run, folder, quarantine, run, scan, stored,
    support::{path, python, schema::violation},
};

/// Log files with all outcomes.
const LOG_FILES: &str = "events/log-files";

fn assert_snapshot(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

/// Runs the command line on a terminal of this width. Once the terminal shows `text`, Ctrl-C is pressed.
fn on_terminal(columns: usize, text: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(python());
    command.arg(path("cli/tests/cli/terminal.py")).arg(columns.to_string()).arg(text);
    command.arg(env!("CARGO_BIN_EXE_quarantine-scan")).args(arguments).current_dir(path(""));
    run(command)
}

#[test]
fn help_lists_every_option_and_shows_examples() {
    let mut text = String::new();
    for command in ["", "find", "trace", "replay", "enqueue", "explain", "rules", "completions", "man"] {
        let arguments: Vec<&str> = [command, "--help"].into_iter().filter(|argument| !argument.is_empty()).collect();
        let help = scan(&arguments);
        assert_eq!(help.status, Some(0));
        text += &format!("$ quarantine-scan {}\n{}\n", arguments.join(" "), help.stdout);
    }
    assert_snapshot("scan_help", &text);
    assert_eq!(scan(&[]).status, Some(2));
    assert!(scan(&["--version"]).stdout.starts_with("quarantine-scan "));
}

#[test]
fn completions_and_man_pages_name_the_commands_and_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = scan(&["completions", shell]);
        assert_eq!(script.status, Some(0), "{shell}");
        for name in ["enqueue", "dedup-period-minutes"] {
            assert!(script.stdout.contains(name), "{shell} {name}");
        }
    }
    let pages = folder("man").join("man1");
    let written = scan(&["man", pages.to_str().unwrap()]);
    assert_eq!((written.status, written.stdout.as_str(), written.stderr.as_str()), (Some(0), "", ""));
    let page = |name: &str| fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("quarantine-scan.1").contains("quarantine\\-scan\\-replay(1)"));
    assert!(page("quarantine-scan-enqueue.1").contains("CloudTrail delivers late"));
    let refused = scan(&["man", "Cargo.toml"]);
    assert_eq!(refused.status, Some(2));
    assert!(refused.stderr.starts_with("error: cannot write the man pages into Cargo.toml: "), "{}", refused.stderr);
}

#[test]
fn the_table_shows_all_outcomes_newest_first_with_one_line_per_row() {
    let found = scan(&[LOG_FILES]);
    assert_snapshot("scan_table", &found.stdout);
    assert!(!found.stdout.contains('\u{1b}'), "colored without a terminal");
    assert_eq!(scan(&[LOG_FILES, "--denied-attempts", "off"]).stdout.lines().count(), 6);
    assert_eq!(scan(&[LOG_FILES, "--enforced-denials", "off"]).stdout.lines().count(), 6);
    assert!(scan(&[LOG_FILES, "--color", "always"]).stdout.contains("\u{1b}["));
}

#[test]
fn the_table_fits_the_width_of_a_terminal_and_is_colored_on_it() {
    for columns in [60, 80, 120, 250] {
        let shown = on_terminal(columns, "", &[LOG_FILES, "--color", "never"]);
        assert_eq!(shown.status, Some(1), "{}", shown.stdout);
        // If the run took long enough for a progress bar, the bar is erased before the table.
        let left = |line: &'_ str| line.rsplit("\u{1b}[2K").next().unwrap().trim_end().to_owned();
        let rows: Vec<String> = shown.stdout.lines().map(left).filter(|line| !line.contains("incidents (")).collect();
        assert!(rows.iter().all(|row| row.chars().count() <= columns), "{columns}: {rows:#?}");
        // No value is cut.
        let letters: String = rows.concat().chars().filter(|c| !c.is_whitespace()).collect();
        for part in ["2026-11-24T03:04:31Z", "removed", "123456789012", "userci-deploy", "quarantined"] {
            assert!(letters.contains(part), "{columns}: {part} in {rows:#?}");
        }
        assert_eq!(rows.len() == 7, columns == 250, "{columns}: {rows:#?}");
    }
    let colored = on_terminal(120, "", &[LOG_FILES]).stdout;
    assert!(colored.contains("\u{1b}[38;5;11m"), "{colored:?}");
}

#[test]
fn the_readme_shows_what_happens() {
    let readme = fs::read_to_string(path("README.md")).unwrap();
    let shown = readme.split("```").find(|block| block.starts_with("\n$ make scan ")).unwrap();
    let (command, table) = shown.trim().split_once('\n').unwrap();
    let paths = command.split('"').nth(1).unwrap().split(' ');
    let arguments: Vec<&str> = paths.chain(["--color", "never"]).collect();
    let shown_now = on_terminal(97, "", &arguments).stdout.replace('\r', "");
    assert!(shown_now.contains(table), "{shown_now}");
}

#[test]
fn the_readme_shows_what_a_trace_shows() {
    let readme = fs::read_to_string(path("README.md")).unwrap();
    let shown = readme.split("```").find_map(|block| block.strip_prefix("\n$ make trace-demo\n")).unwrap();
    let traced = scan(&["trace", "AKIAIOSFODNN7EXAMPLE", "events/trace"]);
    assert!(shown.lines().count() > 15 && traced.stdout.starts_with(shown), "{}", traced.stdout);
}

#[test]
fn a_terminal_shows_a_progress_bar_and_ctrl_c_ends_the_run_with_what_was_found() {
    // The terminal is also standard input, on which nothing is typed.
    let shown = on_terminal(120, "1 of 2 log files, ", &["events/log-files/quarantined.json", "-"]);
    assert!(shown.stdout.contains(" 1 match, "), "{:?}", shown.stdout);
    assert!(shown.stdout.contains("PARTIAL: stopped by a signal"), "{:?}", shown.stdout);
    assert!(shown.stdout.contains("user ci-deploy") && shown.status == Some(2), "{:?}", shown.stdout);
}

#[test]
fn json_is_one_array_of_the_alerts() {
    let found = scan(&[LOG_FILES, "--format", "json"]);
    let mut alerts: Vec<Value> = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(alerts.len(), 6);
    for alert in &mut alerts {
        assert_eq!(violation(alert), None, "{alert:#}");
        // These fields depend on the time of the run.
        for field in ["createdAt", "detectedAt", "detectionLatencySeconds"] {
            alert[field] = json!("…");
        }
    }
    assert_snapshot("scan_json", &serde_json::to_string_pretty(&alerts[2]).unwrap());
    assert_eq!(scan(&[LOG_FILES, "--format", "ndjson"]).alerts().len(), 6);
    assert_eq!(scan(&["events/log-files/clean.json", "--format", "json"]).stdout, "[]\n");
    assert_eq!(scan(&["events/log-files/clean.json", "--format", "ndjson"]).stdout, "");
}

#[test]
fn csv_has_a_header_and_no_cell_is_a_formula() {
    assert_snapshot("scan_csv", &scan(&[LOG_FILES, "--format", "csv"]).stdout);
    let folder = folder("formulas");
    let mut record = quarantine("=cmd|' /C calc'!A0", "2026-11-24T03:02:11Z");
    record["userAgent"] = json!("@SUM(1+1)*cmd\r\n=2+3\u{202e}");
    record["sourceIPAddress"] = json!("+1,\"-2\"");
    // In some languages a semicolon separates cells.
    record["userIdentity"]["type"] = json!("a; =1+1;b");
    fs::write(folder.join("1.gz"), stored(&[record])).unwrap();
    let csv = scan(&[folder.to_str().unwrap(), "--format", "csv"]).stdout;
    let row = csv.lines().nth(1).unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
    for cell in ["'=cmd|' /C calc'!A0", r"'@SUM(1+1)*cmd\u{d}\u{a}=2+3\u{202e}", r#""'+1,""-2""""#, "a;' =1+1;b"] {
        assert!(row.contains(cell), "{row}");
    }
}

#[test]
fn nothing_in_a_log_acts_on_a_terminal() {
    let folder = folder("hostile");
    let mut record = quarantine("\u{1b}[2J\u{202e}alice\u{9b}", "2026-11-24T03:02:11Z");
    record["userIdentity"]["arn"] = json!("arn\n\u{1b}]0;title\u{7}");
    // With line breaks between the fields.
    fs::write(folder.join("1.json"), serde_json::to_string_pretty(&record).unwrap()).unwrap();
    for format in ["table", "json", "ndjson", "csv"] {
        let found = scan(&[folder.to_str().unwrap(), "--format", format]);
        let acts = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{9b}".contains(c);
        assert!(!found.stdout.contains(acts) && found.stdout.contains("alice"), "{format}: {:?}", found.stdout);
        let lines = found.stdout.lines().count();
        assert_eq!(
            lines,
            match format {
                "ndjson" => 1,
                "json" => 3,
                _ => 2,
            },
            "{format}: {}",
            found.stdout
        );
    }
}

#[test]
fn explain_shows_each_condition() {
    let folder = folder("explain");
    let mut text = String::new();
    let record = quarantine("alice", "2026-11-24T03:02:11Z");
    let mut look_alike = record.clone();
    look_alike["requestParameters"]["policyArn"] =
        json!("arn:aws:iam::123456789012:policy/AWSCompromisedKeyQuarantineV3");
    for (name, record, status) in [("match", record, 1), ("look-alike", look_alike, 0)] {
        let file = folder.join(name);
        fs::write(&file, record.to_string()).unwrap();
        let explained = scan(&["explain", file.to_str().unwrap()]);
        assert_eq!(explained.status, Some(status), "{}", explained.stderr);
        text += &format!("$ quarantine-scan explain {name}\n{}\n", explained.stdout);
    }
    assert_snapshot("scan_explain", &text);
}

#[test]
fn no_error_repeats_a_log() {
    let long = "x".repeat(980_000);
    let folder = folder("echo");
    for (name, text) in [
        ("string", json!(long).to_string()),
        ("record", json!({ "Records": [long] }).to_string()),
        ("needle", json!({ "Records": [format!("CompromisedKeyQuarantine{long}")] }).to_string()),
        ("key", json!({ long.as_str(): "CompromisedKeyQuarantine" }).to_string()),
        ("broken", format!("{{\"Records\":[{{\"AttachUserPolicy{long}")),
    ] {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let found = scan(&[file]);
        assert!(found.status == Some(2) && found.stderr.len() < 1000, "{name}: {} bytes", found.stderr.len());
        let explained = scan(&["explain", file]);
        assert!(
            explained.stderr.len() < 1000 && explained.stdout.len() < 10_000,
            "{name}: {} bytes",
            explained.stderr.len()
        );
    }
}

#[test]
fn explain_requires_exactly_one_record() {
    for (arguments, expected) in [
        (vec!["explain", "events/log-files/quarantined.json"], "it contains 6 records; choose one with --event-id"),
        (
            vec!["explain", "events/log-files/quarantined.json", "--event-id", "x"],
            "none of its 6 records has the eventID x",
        ),
        (vec!["explain", "/nowhere"], "cannot read /nowhere: No such file or directory (os error 2)"),
        (vec!["explain", "Makefile"], "Makefile: it is not JSON, or has several documents"),
    ] {
        let explained = scan(&arguments);
        assert!(explained.stderr.contains(expected), "{}", explained.stderr);
        assert_eq!(explained.status, Some(2));
    }
    let id = "a1c3e5f7-0b2d-4f68-8a9c-7e5d3c1b0a99";
    let explained = scan(&["explain", "events/log-files/quarantined.json", "--event-id", id]);
    assert!(
        explained.stdout.starts_with("HIGH AWS.CloudTrail.IAMCompromisedKeyQuarantine: IAM user ci-deploy quarantined")
    );
}

#[test]
fn the_rules_are_printed_as_a_table_and_as_json() {
    assert_snapshot("scan_rules", &scan(&["rules"]).stdout);
    let rules: Vec<Value> = serde_json::from_str(&scan(&["rules", "--format", "json"]).stdout).unwrap();
    assert_eq!(rules.len(), 4);
    assert_eq!(rules[0]["alternatives"][0]["checks"][0]["field"], "eventSource");
}

#[test]
fn every_argument_error_says_what_to_use() {
    let mut text = String::new();
    for arguments in [
        vec!["x", "--since", "yesterday"],
        vec!["x", "--account", "1234"],
        vec!["s3://"],
        vec!["enqueue", "events", "--queue", "q"],
        vec!["replay", "x", "--topic-arn", "alerts", "--table", "dedup"],
        vec!["replay", "x", "--topic-arn", "arn:aws:sns:us-east-1:123456789012:alerts", "--table", "a/b"],
    ] {
        let failed = scan(&arguments);
        assert_eq!((failed.status, failed.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        text += &format!("$ quarantine-scan {}\n{}\n", arguments.join(" "), failed.stderr);
    }
    assert_snapshot("scan_errors", &text);
}
