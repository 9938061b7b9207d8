//! Every published alert that a test receives is validated against the schema.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, OnceLock},
};

use serde_json::Value;

use super::{path, python};

/// How the alert violates the schema. `None` if it does not.
pub fn violation(alert: &Value) -> Option<String> {
    static VALIDATOR: OnceLock<Mutex<(Child, BufReader<ChildStdout>)>> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(|| {
        let mut command = Command::new(python());
        command.arg(path("tools/validate_alerts.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Mutex::new((process, output))
    });
    let (process, output) = &mut *validator.lock().unwrap();
    // It ends when its input closes, at the latest with this process.
    writeln!(process.stdin.as_mut().unwrap(), "{alert}").unwrap();
    let mut verdict = String::new();
    output.read_line(&mut verdict).unwrap();
    assert!(!verdict.is_empty(), "the validator has died");
    (verdict.trim() != "ok").then_some(verdict)
}
