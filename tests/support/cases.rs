//! The table of `tests/cases/README.md`: inputs from public bug reports, with the right result of each.

use std::{collections::BTreeSet, fs};

use super::path;

/// A row of the table.
pub struct Case {
    pub file: String,
    pub result: String,
}

impl Case {
    /// The user in its records, unless the table says otherwise.
    pub fn user(&self) -> &str {
        self.file.split('.').next().unwrap()
    }

    pub fn bytes(&self, folder: &str) -> Vec<u8> {
        fs::read(path("tests/cases").join(folder).join(&self.file)).unwrap()
    }

    /// Whether the right result has this text.
    pub fn says(&self, text: &str) -> bool {
        self.result.contains(text)
    }

    /// The times in the right result.
    pub fn times(&self) -> Vec<&str> {
        let words = self.result.split([' ', ',', ';']);
        words.filter(|word| word.len() == "2026-05-06T07:08:09Z".len() && word.ends_with('Z')).collect()
    }
}

/// The rows of a section, one for each file of its folder.
pub fn cases(section: &str) -> Vec<Case> {
    let cases = rows(section);
    let files = fs::read_dir(path("tests/cases").join(section)).unwrap();
    let files: BTreeSet<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let named: BTreeSet<String> = cases.iter().map(|case| case.file.clone()).collect();
    assert_eq!(named, files, "the table of {section} has other files");
    assert!(cases.len() > 10, "{}", cases.len());
    cases
}

/// The rows of a section: the first and the last column.
pub fn rows(section: &str) -> Vec<Case> {
    let page = fs::read_to_string(path("tests/cases/README.md")).unwrap();
    let (_, section) = page.split_once(&format!("## {section}\n")).expect("no such section");
    let rows = section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| Case { file: cells[0].replace('`', ""), result: cells.last().unwrap().to_string() }).collect()
}
