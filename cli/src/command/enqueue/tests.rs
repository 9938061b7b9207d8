use std::{env, process};

use super::*;

fn job(since: &str) -> Job {
    Job { path: "s3://b/".into(), queue: "q".into(), since: Some(since.into()), ..Job::default() }
}

#[test]
fn a_relative_period_keeps_its_meaning_when_a_run_is_resumed() {
    let file = env::temp_dir().join(format!("quarantine-scan-{}.json", process::id()));
    let point = |begin| Point { job: job("7d"), begin: Some(begin), ..Point::default() };
    let first = Point { after: Some("key".into()), sent: 3, ..point(100) };
    store(&file, &first).unwrap();
    let same = resumed(&file, point(200));
    let other = resumed(&file, Point { job: job("8d"), ..Point::default() });
    fs::remove_file(&file).unwrap();
    assert_eq!(same.unwrap(), first);
    let refusal = other.unwrap_err().to_string();
    assert!(refusal.contains("belongs to another job (s3://b/ --queue q --since 7d)"), "{refusal}");
}

#[test]
fn two_resume_files_have_two_replacements() {
    assert_ne!(replacement(Path::new("run.us")), replacement(Path::new("run.eu")));
}
