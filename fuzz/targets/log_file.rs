//! Any bytes as a log file: plain, gzip in one or two layers or members, or broken gzip, in chunks of any size. All ways to read
//! it find the same, which is what parsing everything finds; a search term that cannot be judged makes the file unread.

#![no_main]

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use quarantine_alert::scan::{Fault, Passes, Settings, Unread};
use quarantine_alert_fuzz::{
    End, NEEDLES, choice,
    oracle::{inflated, oracle},
    scanned,
};

const SETTINGS: Settings = Settings { limit_mib: Some(64), other_mib: None, kept_bytes: 0, needs_records: false };

fn gzip(text: &[u8], level: u8) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(u32::from(level % 10)));
    encoder.write_all(text).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn is_gzip_fault(end: &End) -> bool {
    matches!(
        end,
        Err(Unread::Faulty(fault) | Unread::NotALogFile(fault))
            if matches!(fault, Fault::TruncatedGzip | Fault::CorruptGzip { .. } | Fault::TrailingBytes)
    )
}

fuzz_target!(|data: &[u8]| {
    let (form, rest) = choice(data);
    let (size, text) = choice(rest);
    let chunk_bytes = if size == 0 { usize::MAX } else { usize::from(size) };
    let level = form >> 3;
    let stored = match form % 8 {
        0..=2 => text.to_vec(),
        3 => gzip(text, level),
        4 => gzip(&gzip(text, level), 0),
        5 => {
            let (first, second) = text.split_at(text.len().min(usize::from(size) * 8));
            [gzip(first, level), gzip(second, 1)].concat()
        }
        6 => {
            let mut broken = gzip(text, level);
            let at = usize::from(size) % broken.len();
            broken[at] ^= 1 << (level % 8);
            broken
        }
        _ => {
            let whole = gzip(text, level);
            whole[..whole.len() - usize::from(size) % whole.len()].to_vec()
        }
    };

    let (found, end) = scanned(SETTINGS, Passes::Two, &stored, chunk_bytes);
    let shown = |end: &End| end.as_ref().map(|_| ()).map_err(ToString::to_string);
    let (kept, kept_end) = scanned(Settings { kept_bytes: 1 << 20, ..SETTINGS }, Passes::Two, &stored, usize::MAX);
    assert_eq!((&found, shown(&end)), (&kept, shown(&kept_end)), "from memory");
    let (streamed, streamed_end) = scanned(SETTINGS, Passes::One, &stored, chunk_bytes);
    assert_eq!(found, streamed, "{end:?} {streamed_end:?}");
    assert!(end.is_ok() || streamed_end.is_err(), "{end:?}");

    let (inflated_text, is_inflated) = inflated(&stored);
    if let Ok(scanned) = &end {
        assert_eq!(scanned.bytes, stored.len() as u64);
        assert_eq!(scanned.inflated_bytes, inflated_text.len() as u64);
        assert!(is_inflated, "broken gzip is accepted");
    }
    let expected = oracle(&stored);
    if expected.is_unsure || found.iter().any(serde_json::Value::is_null) {
        return;
    }
    // A file that is broken before its end may be read further than it can be parsed.
    if expected.is_whole && !is_gzip_fault(&end) {
        assert_eq!(found, expected.found, "{end:?}");
        assert!(!expected.has_other || end.is_err(), "a search term was not judged: {end:?}");
        let is_sound = !found.is_empty() && !expected.is_doubtful && !expected.has_mention;
        assert!(!is_sound || end.is_ok(), "{end:?}");
    } else {
        let is_beginning =
            found.starts_with(&expected.found) || is_gzip_fault(&end) && expected.found.starts_with(&found);
        assert!(is_beginning, "{:?} {found:?} {end:?}", expected.found);
    }
    // What is clean has no search term, or only where it was judged.
    if end.is_ok() && found.is_empty() && !NEEDLES.may_be_in(&inflated_text) {
        assert!(expected.found.is_empty());
    }
});
