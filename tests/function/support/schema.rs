//! Every alert that a test sees published is held against the schema.

use std::{
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, OnceLock},
};

use serde_json::Value;

use super::{local_aws::PYTHON, path};

/// What is wrong with the alert, if anything is.
pub fn violation(alert: &Value) -> Option<String> {
    static VALIDATOR: OnceLock<Mutex<(ChildStdin, BufReader<ChildStdout>)>> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(|| {
        let mut command = Command::new(PYTHON);
        command.arg(path("tools/validate_alerts.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        Mutex::new((process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap())))
    });
    let (input, output) = &mut *validator.lock().unwrap();
    writeln!(input, "{alert}").unwrap();
    let mut verdict = String::new();
    output.read_line(&mut verdict).unwrap();
    assert!(!verdict.is_empty(), "the validator has died");
    (verdict.trim() != "ok").then_some(verdict)
}
