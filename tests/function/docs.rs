//! The documentation shows what happens.

use std::{env, fmt::Write, fs, path::Path};

use quarantine_alert::rule::{self, Check};

use crate::support::path;

#[test]
fn the_readme_shows_the_alert_of_the_snapshot() {
    let readme = fs::read_to_string(path("README.md")).unwrap();
    let snapshot = fs::read_to_string(path("tests/snapshots/email_quarantined.snap")).unwrap();
    let mail = snapshot.splitn(3, "---\n").nth(2).unwrap();
    let shown = readme.split("```").find(|block| block.starts_with("\nSubject: ")).unwrap();
    assert_eq!(shown.trim(), mail.trim());
}

/// All Rust code below a folder.
fn code(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text =
        entries.map(|path| if path.is_dir() { code(&path) } else { fs::read_to_string(&path).unwrap_or_default() });
    text.collect()
}

#[test]
fn the_tests_and_payloads_that_the_docs_name_exist() {
    let code = ["src", "tests", "cli"].map(|folder| code(&path(folder))).concat();
    let (mut tests, mut payloads) = (0, 0);
    for page in ["docs/guarantees.md", "docs/deliveries.md"] {
        let text = fs::read_to_string(path(page)).unwrap();
        for row in text.lines().filter(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
            let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
            for test in names(cells.last().unwrap()) {
                assert!(code.contains(&format!("fn {test}()")), "{page} names {test}, which is not a test");
                tests += 1;
            }
            for payload in cells.get(2).filter(|_| cells.len() == 5).map_or(Vec::new(), |cell| names(cell)) {
                let exists = path(&format!("events/{payload}.json")).exists();
                assert!(exists || payload.ends_with('…'), "{page} names {payload}, which is not a payload");
                payloads += 1;
            }
        }
    }
    assert!(tests > 40 && payloads > 12, "{tests} {payloads}");
}

/// The generated part of `docs/rules.md`.
fn rules() -> String {
    let mut page = String::new();
    for rule in rule::ALL {
        let _ = writeln!(page, "## {}\n\n`{}`\n\n{}\n", rule.name, rule.id, rule.description);
        for alternative in rule.alternatives {
            let _ = writeln!(page, "{alternative}, if all of these conditions are met:\n");
            let _ = writeln!(page, "| field | operator | values |\n|---|---|---|");
            for Check { field, operator, values, .. } in alternative.checks {
                let values = values.replace('*', "\\*").replace('<', "\\<");
                let _ = writeln!(page, "| `{field}` | {operator} | {values} |");
            }
            page.push('\n');
        }
        let _ = writeln!(page, "- MITRE ATT&CK v19: {}", rule.reports.join(", "));
        let _ = writeln!(page, "- Tags: {}", rule.tags.join(", "));
        let _ = writeln!(page, "- Reference: <{}>", rule.reference);
        let _ = writeln!(page, "- Threshold 1, one alert per incident within the dedup period (60 minutes)\n");
    }
    page
}

#[test]
fn rules_are_documented_as_they_are() {
    const BEGIN: &str = "<!-- generated: make docs -->\n\n";
    const END: &str = "<!-- end -->";
    let file = path("docs/rules.md");
    let page = fs::read_to_string(&file).unwrap();
    let (head, rest) = page.split_once(BEGIN).expect("no beginning of the generated part");
    let (generated, tail) = rest.split_once(END).expect("no end of the generated part");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{head}{BEGIN}{}{END}{tail}", rules())).unwrap();
    } else {
        assert_eq!(generated, rules(), "run `make docs`");
    }
}
