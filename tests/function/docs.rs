//! What the documentation shows is what happens.

use std::fs;

use crate::support::path;

#[test]
fn the_readme_begins_with_the_alert_of_the_snapshot() {
    let readme = fs::read_to_string(path("README.md")).unwrap();
    let snapshot = fs::read_to_string(path("tests/snapshots/email_quarantined.snap")).unwrap();
    let mail = snapshot.splitn(3, "---\n").nth(2).unwrap();
    let shown = readme.split("```").nth(1).unwrap();
    assert_eq!(shown.trim(), mail.trim());
}
