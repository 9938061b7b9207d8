//! What the fuzz targets share. Each target compares the program with an oracle that is too simple to be wrong, or with what it
//! must keep for every input.

use std::sync::LazyLock;

use quarantine_alert::{
    rule::Rules,
    scan::{Needles, Passes, ScanStep, Scanned, Settings, TwoPass, Unread},
};
use serde_json::Value;

#[path = "../../tests/laws/oracle.rs"]
pub mod oracle;
pub mod published;
pub mod schema;

/// The oracle is that of the laws, and finds the needles here.
pub mod scan {
    pub const NEEDLES: [&str; 3] = ["CompromisedKeyQuarantine", "Policy_DO_NOT_REMOVE", "AttachUserPolicy"];
}

pub static NEEDLES: LazyLock<Needles> = LazyLock::new(|| Rules::all().needles());

pub type End = Result<Scanned, Unread<std::convert::Infallible>>;

/// The matches of a file, as values, and how its scan ended.
pub fn scanned(settings: Settings, passes: Passes, stored: &[u8], chunk_bytes: usize) -> (Vec<Value>, End) {
    let stored = bytes::Bytes::copy_from_slice(stored);
    let mut scan = TwoPass::new(&NEEDLES, settings, passes);
    let mut found = Vec::new();
    let mut rest = stored.clone();
    let mut reopened = 0;
    loop {
        match scan.step() {
            ScanStep::Feed => {
                let chunk = rest.split_to(rest.len().min(chunk_bytes));
                scan.feed(Ok(Some(chunk).filter(|chunk| !chunk.is_empty())));
            }
            ScanStep::Reopen => {
                reopened += 1;
                assert!(reopened == 1 && passes == Passes::Two, "the source is opened too often");
                rest = stored.clone();
            }
            ScanStep::Candidate(candidate) => {
                found.extend(scan.records(&candidate).into_iter().filter_map(oracle::matching));
            }
            ScanStep::Yield => {}
            ScanStep::End(end) => return (found, end),
        }
    }
}

/// Splits the first byte off, which chooses the form of an input.
pub fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// Lossy text: JSON strings, names and keys are UTF-8.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
