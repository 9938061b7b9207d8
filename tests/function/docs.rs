//! The documentation matches the program.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use quarantine_alert::rule::{self, Alternative, Check, Rule, exposed};

use crate::support::path;

#[test]
fn the_readme_shows_the_alert_of_the_snapshot() {
    let readme = fs::read_to_string(path("README.md")).unwrap();
    let snapshot = fs::read_to_string(path("tests/snapshots/email_quarantined.snap")).unwrap();
    let email = snapshot.splitn(3, "---\n").nth(2).unwrap();
    let shown = readme.split("```").find(|block| block.starts_with("\nSubject: ")).unwrap();
    assert_eq!(shown.trim(), email.trim());
}

/// All Rust code below a folder.
fn code(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text =
        entries.map(|path| if path.is_dir() { code(&path) } else { fs::read_to_string(&path).unwrap_or_default() });
    text.collect()
}

#[test]
fn tests_and_payloads_named_in_the_docs_exist() {
    let code = ["src", "tests", "cli"].map(|folder| code(&path(folder))).concat();
    let mut tests = 0;
    let mut payloads = 0;
    for (page, section) in [
        ("docs/guarantees.md", "# Guarantees"),
        ("docs/deliveries.md", ""),
        ("docs/threat-model.md", "## Bounds on delay and suppression"),
    ] {
        let text = fs::read_to_string(path(page)).unwrap();
        let (_, text) = text.split_once(section).expect("no such section");
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
    assert!(tests > 60 && payloads > 12, "{tests} {payloads}");
}

/// The generated part of `docs/rules.md`.
fn rules() -> String {
    let mut page = String::new();
    for rule in rule::ALL {
        heading(&mut page, rule);
        rule.alternatives.iter().for_each(|alternative| conditions(&mut page, alternative));
        let period = rule.period_hours.map_or("60 minutes".into(), |hours| format!("{hours} hours"));
        metadata(&mut page, rule, &format!("one alert per incident within the dedup period ({period})"));
    }
    heading(&mut page, &exposed::RULE);
    page += "On events of AWS Health, not on records.\n\n";
    exposed::ALTERNATIVES.iter().for_each(|alternative| conditions(&mut page, alternative));
    metadata(&mut page, &exposed::RULE, "one alert per communication and affected entity, whenever its updates arrive");
    page
}

fn heading(page: &mut String, rule: &Rule) {
    let _ = writeln!(page, "## {}\n\n`{}`\n\n{}\n", rule.name, rule.id, rule.description);
}

fn conditions<E>(page: &mut String, alternative: &Alternative<E>) {
    let _ = writeln!(page, "{alternative}, if all of these conditions are met:\n");
    let _ = writeln!(page, "| field | operator | values |\n|---|---|---|");
    for Check { field, operator, values, .. } in alternative.checks {
        let values = values.replace('*', "\\*").replace('<', "\\<");
        let _ = writeln!(page, "| `{field}` | {operator} | {values} |");
    }
    page.push('\n');
}

fn metadata(page: &mut String, rule: &Rule, threshold: &str) {
    let _ = writeln!(page, "- MITRE ATT&CK v19: {}", rule.reports.join(", "));
    let _ = writeln!(page, "- Tags: {}", rule.tags.join(", "));
    let _ = writeln!(page, "- Reference: <{}>", rule.reference);
    let _ = writeln!(page, "- Threshold 1, {threshold}\n");
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

/// The layer of each module, from the table of `docs/architecture.md`.
fn layers() -> BTreeMap<String, u32> {
    let page = fs::read_to_string(path("docs/architecture.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        Some((cells.next()?.parse().ok()?, cells.next()?.to_owned()))
    });
    let modules = rows.flat_map(|(layer, modules)| {
        let names: Vec<String> = modules.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        names.into_iter().map(move |name| (name, layer))
    });
    modules.collect()
}

/// The modules of the crate `krate` that a file imports, without its tests.
fn imports(file: &Path, krate: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let mut modules = BTreeSet::new();
    for part in code.split(&format!("{krate}::")).skip(1) {
        let Some(list) = part.strip_prefix('{') else {
            modules.insert(name(part));
            continue;
        };
        // The first name of each entry, whatever is nested in it.
        let mut depth = 0;
        let mut begins = true;
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && c.is_ascii_alphabetic() => {
                    modules.insert(name(&list[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    modules
}

fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| !path.ends_with("tests.rs") && !path.ends_with("cases.rs")).collect()
}

#[test]
fn no_import_runs_up_the_layers() {
    let layers = layers();
    assert!(layers.len() > 12, "{layers:?}");
    let mut checked = 0;
    for file in sources(&path("src")) {
        let relative = file.strip_prefix(path("src")).unwrap();
        let module = name(relative.to_str().unwrap());
        if module == "lib" {
            continue;
        }
        for import in imports(&file, "crate").into_iter().chain(imports(&file, "quarantine_alert")) {
            if import != module && import != "untrusted" {
                assert!(layers[&import] < layers[&module], "{} imports {import}", relative.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "{checked}");
    let command_line: BTreeSet<String> =
        sources(&path("cli/src")).iter().flat_map(|file| imports(file, "quarantine_alert")).collect();
    assert!(command_line.contains("engine") && !command_line.contains("handler"), "{command_line:?}");
}

#[test]
fn only_the_aws_modules_name_an_sdk() {
    let mut names_an_sdk = BTreeSet::new();
    for folder in ["src", "cli/src"] {
        for file in sources(&path(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            if ["aws_sdk_", "aws_config::", "aws_smithy"].iter().any(|sdk| text.contains(sdk)) {
                names_an_sdk.insert(file.strip_prefix(path("")).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    assert!(names_an_sdk.len() > 4, "{names_an_sdk:?}");
    assert!(names_an_sdk.iter().all(|file| file.contains("src/aws")), "{names_an_sdk:?}");
}

/// Sources, search and coverage serve any command.
#[test]
fn reading_does_not_know_the_rules() {
    let mut files = sources(&path("cli/src/source"));
    files.extend(["cli/src/source.rs", "cli/src/search.rs", "cli/src/coverage.rs"].map(path));
    assert!(files.len() > 6, "{files:?}");
    for file in files {
        let imports = imports(&file, "quarantine_alert");
        assert!(!imports.contains("rule") && !imports.contains("alert"), "{}: {imports:?}", file.display());
    }
}

/// The function signs in with its role: it has no use for the command line's ways to sign in.
#[test]
fn the_function_is_built_without_the_command_lines_features() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "quarantine-alert", "--edges", "normal,features"])
        .current_dir(path(""))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("aws-config feature \"rt-tokio\""), "{tree}");
    for feature in
        ["aws-config feature \"sso\"", "aws-config feature \"credentials-process\"", "tokio feature \"signal\""]
    {
        assert!(!tree.contains(feature), "{feature}");
    }
}
