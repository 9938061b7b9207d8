//! Tests of the built command line as a process: on files, streams and terminals, and against a local AWS.

// A test may panic. Neither test binary uses all of the common support.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

mod aws;
mod cases;
mod disk;
mod output;
mod page;
#[path = "../../../tests/support/mod.rs"]
mod support;
mod trace;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use support::{coverage, gzip, local_aws::Account, local_aws::REGION, log_file, path};

/// The result of a run.
#[derive(Debug)]
pub struct Run {
    pub stdout: String,
    pub stderr: String,
    pub status: Option<i32>,
}

impl Run {
    /// The alerts of `--format ndjson`.
    pub fn alerts(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The names of the entities of the alerts, newest first.
    pub fn users(&self) -> Vec<String> {
        self.alerts().iter().map(|alert| alert["entity"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// The command line in the repository's folder, without environment variables.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarantine-scan"));
    command.args(arguments).current_dir(path("")).env_clear().envs(coverage()).stdin(Stdio::null());
    command
}

pub fn run(mut command: Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { stdout: text(output.stdout), stderr: text(output.stderr), status: output.status.code() }
}

pub fn scan(arguments: &[&str]) -> Run {
    run(command(arguments))
}

/// Runs the command line with this standard input.
pub fn scan_stream(arguments: &[&str], input: &[u8]) -> Run {
    let mut process = command(arguments);
    let mut process = process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(input).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { stdout: text(output.stdout), stderr: text(output.stderr), status: output.status.code() }
}

/// The command line with the credentials of a local account.
pub fn command_in(account: &Account, endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", REGION);
    command.env("AWS_ACCESS_KEY_ID", &account.id).env("AWS_SECRET_ACCESS_KEY", "local");
    command
}

pub fn scan_in(account: &Account, arguments: &[&str]) -> Run {
    run(command_in(account, &account.endpoint, arguments))
}

/// An empty folder of this name in cargo's folder for tests.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The record of a quarantine of this user at this time.
pub fn quarantine(user: &str, time: &str) -> Value {
    let mut record = log_file("quarantined")["Records"][1].clone();
    record["requestParameters"]["userName"] = json!(user);
    record["eventTime"] = json!(time);
    record
}

/// A stored log file of these records.
pub fn stored(records: &[Value]) -> Vec<u8> {
    gzip(json!({ "Records": records }).to_string().as_bytes())
}
