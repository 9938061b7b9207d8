use std::{convert::Infallible, io::Write};

use flate2::{Compression, GzBuilder, write::GzEncoder};

use super::*;
use crate::scan::Needle;

/// How often the scan of one chunk gives way.
fn yields(stored: Vec<u8>) -> (usize, Result<Scanned, Unread<Infallible>>) {
    let mut chunk = Some(Bytes::from(stored));
    let needles = Needles::new([Needle::fixed("needle")]);
    let settings = Settings { limit_mib: Some(32), other_mib: None, kept_bytes: 0, needs_records: false };
    let mut scan = TwoPass::new(&needles, settings, Passes::Two);
    let mut yields = 0;
    loop {
        match scan.step() {
            ScanStep::Feed => scan.feed(Ok(chunk.take())),
            ScanStep::Yield => yields += 1,
            ScanStep::End(end) => return (yields, end),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_dense_chunk_yields_after_each_inflated_mebibyte() {
    let mut dense = GzEncoder::new(Vec::new(), Compression::default());
    dense.write_all(b"{\"Records\":[{\"eventSource\":\"s3.amazonaws.com\"}").unwrap();
    dense.write_all(&vec![b' '; 16 << 20]).unwrap();
    dense.write_all(b"]}").unwrap();
    let (yields, end) = yields(dense.finish().unwrap());
    assert!((16..=32).contains(&yields) && end.is_ok(), "{yields} yields, {end:?}");
}

/// Frames cost time like any other bytes: a megabyte of empty members inflates to nothing.
#[test]
fn a_chunk_of_empty_members_yields_as_well() {
    for name in [String::new(), "x".repeat(4000)] {
        let member = GzBuilder::new().filename(name).write(Vec::new(), Compression::fast()).finish().unwrap();
        let (yields, end) = yields(member.repeat((1 << 20) / member.len()));
        assert!((3..=8).contains(&yields), "{yields} yields");
        assert!(matches!(end, Err(Unread::NotALogFile(Fault::Empty))), "{end:?}");
    }
}
/// How often a scan asked for its source, and what it found.
struct Scan {
    feeds: usize,
    reopened: usize,
    records: usize,
    /// As it was known when the file was at its end.
    progress: u64,
    end: Result<Scanned, Unread<Infallible>>,
}

fn scanned(stored: &[u8], settings: Settings, chunk_bytes: usize, forgets: bool) -> Scan {
    let needles = Needles::new([Needle::fixed("needle")]);
    let mut scan = TwoPass::new(&needles, settings, Passes::Two);
    let (mut feeds, mut reopened, mut records, mut progress) = (0, 0, 0, 0);
    let mut chunks = stored.chunks(chunk_bytes);
    loop {
        match scan.step() {
            ScanStep::Feed => {
                feeds += 1;
                progress = scan.inflated_bytes();
                scan.feed(Ok(chunks.next().map(Bytes::copy_from_slice)));
                if forgets {
                    scan.forget_stored();
                }
            }
            ScanStep::Reopen => {
                reopened += 1;
                chunks = stored.chunks(chunk_bytes);
            }
            ScanStep::Candidate(candidate) => records += scan.records(&candidate).len(),
            ScanStep::Yield => {}
            ScanStep::End(end) => return Scan { feeds, reopened, records, progress, end },
        }
    }
}

const SETTINGS: Settings = Settings { limit_mib: None, other_mib: None, kept_bytes: 0, needs_records: false };
const CHUNK_BYTES: usize = 64 * 1024;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A list with one record that has a needle, and one that has none.
fn list(blanks: usize) -> String {
    let record = |name| format!(r#"{{"eventSource":"s3.amazonaws.com","eventName":"{name}"}}"#);
    format!("{{\"Records\":[{},{}{}]}}", record("thread"), record("needle"), " ".repeat(blanks))
}

#[test]
fn a_small_file_is_opened_once_and_a_large_one_again_for_its_records() {
    let (small, large) = (list(0), list(1 << 20));
    let kept = 1 << 21;
    for (stored, text, kept_bytes, reopened) in [
        (gzip(&small), &small, 0, 0),
        (gzip(&large), &large, 0, 1),
        (gzip(&large), &large, kept, 0),
        (small.clone().into_bytes(), &small, 0, 1),
        (large.clone().into_bytes(), &large, kept, 0),
    ] {
        for chunk_bytes in [16, CHUNK_BYTES] {
            let settings = Settings { kept_bytes, ..SETTINGS };
            let scan = scanned(&stored, settings, chunk_bytes, false);
            assert_eq!((scan.records, scan.reopened), (1, reopened));
            let end = scan.end.unwrap();
            assert_eq!((end.bytes, end.inflated_bytes), (stored.len() as u64, text.len() as u64));
            assert_eq!(scan.progress, end.inflated_bytes);
            // Memory may be short.
            let forgetful = scanned(&stored, settings, chunk_bytes, true);
            assert_eq!((forgetful.records, forgetful.reopened), (1, usize::from(kept_bytes > 0 || reopened > 0)));
        }
    }
    let without = scanned(&gzip(&large.replace("needle", "thread")), SETTINGS, CHUNK_BYTES, false);
    assert_eq!((without.records, without.reopened), (0, 0));
}

#[test]
fn the_second_pass_ends_at_the_last_needle() {
    let text = list(2 << 20);
    let scan = scanned(text.as_bytes(), SETTINGS, CHUNK_BYTES, false);
    let chunks = text.len().div_ceil(CHUNK_BYTES);
    assert_eq!((scan.records, scan.feeds), (1, chunks + 1 + 1));
}

#[test]
fn other_text_is_searched_to_the_limit_or_to_its_end() {
    let text = "id,price\n".repeat(400_000) + "needle";
    let feeds = |other_mib| {
        let scan = scanned(text.as_bytes(), Settings { other_mib, ..SETTINGS }, CHUNK_BYTES, false);
        (scan.feeds, matches!(scan.end, Err(Unread::Faulty(_))))
    };
    assert_eq!(feeds(Some(1)), (17, false));
    let (all, has_needle) = feeds(None);
    assert!(all > 50 && has_needle);
}

#[test]
fn a_broken_file_is_faulty_only_if_it_may_be_a_log_file() {
    let log = list(0).replace("needle", "thread");
    let table = "id,price\n".repeat(9);
    let cut = |stored: &[u8]| stored[..stored.len() - 3].to_vec();
    for (case, stored, is_faulty) in [
        ("a log, cut", cut(log.as_bytes()), true),
        (
            "a log with an escape, cut in its record",
            br#"{"Records":[{"eventSource":"s3.amazonaws.com","x":"\u0041","y":{}"#.to_vec(),
            true,
        ),
        ("other JSON, cut", b"{\"a\":[1,".to_vec(), false),
        ("gzip of a log, cut", cut(&gzip(&log)), true),
        ("gzip of a table, cut", cut(&gzip(&table)), false),
        ("a table", table.into_bytes(), false),
    ] {
        match scanned(&stored, SETTINGS, CHUNK_BYTES, false).end {
            Err(Unread::Faulty(_)) => assert!(is_faulty, "{case}"),
            Err(Unread::NotALogFile(_)) => assert!(!is_faulty, "{case}"),
            other => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn a_file_without_records_is_an_error_where_they_are_needed() {
    for (text, is_error) in [(r#"{"Records":[]}"#, false), (r#"{"Records":[{}]}"#, true), (&list(0), false)] {
        let needs =
            |needs_records| scanned(text.as_bytes(), Settings { needs_records, ..SETTINGS }, CHUNK_BYTES, false);
        assert_eq!(needs(true).end.is_err(), is_error, "{text}");
        assert!(needs(false).end.is_ok(), "{text}");
    }
}
