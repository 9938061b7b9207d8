//! Keys of objects: encoded and decoded they are the same, and what is done with them follows from their folders as people would
//! read them.

#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use quarantine_alert::{
    trail::{
        key::{FileName, Layout},
        log_file::{Handling, LogFile, S3Object},
    },
    untrusted::acts,
};
use quarantine_alert_fuzz::{choice, text};

fn encoded(key: &str, choice: u8) -> String {
    let byte = |byte: u8| match byte {
        b' ' if choice & 1 == 0 => "+".to_owned(),
        // S3 leaves few characters as they are. Others that write notifications leave more.
        b'%' | b'+' | b' ' | 0..=31 | 127.. => format!("%{byte:02X}"),
        _ if choice & 2 == 0 && !byte.is_ascii_alphanumeric() => format!("%{byte:02x}"),
        _ => char::from(byte).to_string(),
    };
    key.bytes().map(byte).collect()
}

fn is_account(folder: &str) -> bool {
    folder.len() == 12 && folder.bytes().all(|byte| byte.is_ascii_digit())
}

/// The folder after the last account id below `AWSLogs`, and whether there is such an account id.
fn kind(key: &str) -> (bool, Option<&str>) {
    let folders: Vec<&str> = key.split('/').collect();
    let folders = &folders[..folders.len() - 1];
    for at in (0..folders.len()).rev().filter(|&at| folders[at] == "AWSLogs") {
        let after = at + 1 + usize::from(folders.get(at + 1).is_some_and(|folder| folder.starts_with("o-")));
        match folders.get(after) {
            None => return (false, None),
            Some(folder) if is_account(folder) => return (true, folders.get(after + 1).copied()),
            Some(_) => {}
        }
    }
    (false, None)
}

/// `us-east-1`.
fn is_region(folder: &str) -> bool {
    let (words, number) = folder.rsplit_once('-').unwrap_or_default();
    words.contains('-')
        && words.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fuzz_target!(|data: &[u8]| {
    let (form, rest) = choice(data);
    let key = text(rest);
    let object = S3Object::from_notification("logs".into(), &encoded(&key, form), None, None);
    assert_eq!(object.key, key);
    // As it is, it may be any text, and decodes to something.
    let _ = S3Object::from_notification(key.clone(), &key, Some(key.clone()), Some(0)).to_string();

    let (has_account, kind) = kind(&key);
    let expected = match kind.filter(|kind| !is_region(kind)) {
        _ if key.ends_with('/') => Handling::Skip("a folder marker"),
        Some("CloudTrail") => Handling::Scan,
        Some(_) => Handling::Skip("not a CloudTrail log file"),
        None => Handling::ScanIfLogFile,
    };
    assert_eq!(object.handling(), expected);
    assert_eq!(LogFile::Disk(PathBuf::from(&key)).handling(), expected);
    let empty = S3Object { size: Some(0), ..object.clone() };
    assert_eq!(empty.is_emptied(), expected == Handling::Scan);
    assert_eq!(empty.handling(), if expected == Handling::ScanIfLogFile { Handling::Skip("empty") } else { expected });

    let layout = Layout::of(&key);
    assert_eq!(layout.account_id().is_some(), has_account);
    if let Some(date) = layout.date() {
        let folders = format!("/{:04}/{:02}/{:02}/", date.year(), u8::from(date.month()), date.day());
        assert!(key.contains(&folders), "{folders}");
    }
    if let Some(FileName { account_id, region, delivered }) = FileName::of(&key) {
        let name = format!(
            "{account_id}_CloudTrail_{region}_{:04}{:02}{:02}T{:02}{:02}",
            delivered.year(),
            u8::from(delivered.month()),
            delivered.day(),
            delivered.hour(),
            delivered.minute()
        );
        assert!(is_account(account_id));
        let file = key.rsplit(['/', '\\']).next().unwrap_or_default();
        assert!(file.starts_with(&name), "{name}");
    }
    let shown = object.to_string();
    assert!(!shown.contains(acts) && shown.chars().count() < 16 * 1024);
});
