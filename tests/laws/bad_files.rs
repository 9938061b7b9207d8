//! The corpus of bad input: files that are broken, hostile or at a limit, each with its stated result, which does not depend on
//! how the file is read.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use quarantine_alert::scan::{Passes, Settings};
use serde_json::json;

use crate::scan::{MATCH, Unread, gzip, scan};

const SETTINGS: Settings = Settings { limit_mib: Some(4), other_mib: None, kept_bytes: 0, needs_records: false };

/// How often [`MATCH`] is found in a file, and what is said about it. Every way to read it gives the same.
fn result(stored: &[u8]) -> (usize, String) {
    let shown = |passes, kept_bytes, chunk_bytes| {
        let (found, end) = scan(Settings { kept_bytes, ..SETTINGS }, passes, stored, chunk_bytes);
        (found.len(), end.map_or_else(|reason: Unread| reason.to_string(), |_| "clean".into()))
    };
    let first = shown(Passes::Two, 0, usize::MAX);
    let small = if stored.len() < 10_000 { 1 } else { 1000 };
    for (passes, kept_bytes, chunk_bytes) in
        [(Passes::Two, 1 << 20, usize::MAX), (Passes::Two, 0, small), (Passes::Two, 1 << 20, 4096)]
    {
        assert_eq!(shown(passes, kept_bytes, chunk_bytes), first);
    }
    // In one pass, the text after the last match is walked too. It finds the same.
    assert_eq!(shown(Passes::One, 0, small).0, first.0);
    first
}

fn list(records: &str) -> String {
    format!("{{\"Records\":[{records}]}}")
}

/// A record that matches, of this many bytes.
fn of_bytes(bytes: usize) -> String {
    let shell = MATCH.replacen('{', "{\"x\":\"\",", 1);
    MATCH.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(bytes - shell.len())), 1)
}

/// A record that matches, with this value in its parameters.
fn with(value: &str) -> String {
    MATCH.replacen("\"requestParameters\":{", &format!("\"requestParameters\":{{\"x\":{value},"), 1)
}

#[test]
fn each_bad_file_has_its_result() {
    let lone = "is broken: the gzip stream is followed by other data";
    let early = "is broken: the gzip stream ends early";
    let corrupt = "is broken: the gzip stream is corrupt";
    let outside = "contains a search term outside of any CloudTrail record";
    let malformed = "is broken: the JSON is malformed";
    let too_large = "contains a record of more than 1024 KiB";
    let one = list(MATCH);
    let zipped = gzip(one.as_bytes(), 6);
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let spaces = |mib: usize| gzip(&[b"{".to_vec(), vec![b' '; mib << 20], b"\"Records\":[]}".to_vec()].concat(), 9);
    let mebibyte =
        gzip(&[list("{\"eventSource\":\"s3.amazonaws.com\"}").into_bytes(), vec![b'\n'; 1 << 20]].concat(), 9);

    let program = [b"\x7fELF".as_slice(), &[b'x'; 600]].concat();

    let cases: Vec<(&str, Vec<u8>, usize, &str)> = vec![
        // gzip
        ("empty", vec![], 0, "is not a log file: it is empty"),
        ("gzip of nothing", gzip(b"", 6), 0, "is not a log file: it is empty"),
        ("only the magic number", vec![0x1f, 0x8b], 0, early),
        ("a header alone", zipped[..10].to_vec(), 0, early),
        ("trailing text", [&zipped[..], b"PK"].concat(), 1, lone),
        ("trailing zeros", [&zipped[..], &[0; 512]].concat(), 1, lone),
        ("a trailing line break", [&zipped[..], b"\n"].concat(), 1, lone),
        ("the beginning of another member", [&zipped[..], &zipped[..9]].concat(), 1, early),
        ("another member that is not gzip", [&zipped[..], &[0x1f, 0x8b, 7, 0]].concat(), 1, corrupt),
        ("a member twice", zipped.repeat(2), 2, "clean"),
        ("an empty member after it", [&zipped[..], &gzip(b"", 6)].concat(), 1, "clean"),
        ("gzip in gzip", gzip(&zipped, 6), 1, "clean"),
        (
            "gzip in gzip in gzip",
            gzip(&gzip(&zipped, 6), 6),
            0,
            "is not read: it is compressed with gzip more than twice",
        ),
        ("gzip in gzip, the inner one cut", gzip(&zipped[..zipped.len() - 4], 6), 1, early),
        ("a bomb of one member", spaces(64), 0, "inflates to more than 4 MiB"),
        ("a bomb of many members", mebibyte.repeat(64), 0, "inflates to more than 4 MiB"),
        ("a bomb in gzip", gzip(&spaces(64), 6), 0, "inflates to more than 4 MiB"),
        ("gzip of a table", gzip(b"id,price\n", 6), 0, "is not a log file: it is gzip, but not of JSON"),
        ("a table", b"id,price\n".to_vec(), 0, "is not a log file: it is neither gzip nor JSON"),
        ("gzip of a program", gzip(&program, 6), 0, "is not a log file: it is gzip, but not of JSON"),
        ("a program", program, 0, "is not a log file: it is neither gzip nor JSON (its first byte is 0x7f)"),
        ("many empty members", gzip(b"", 6).repeat(5000), 0, "is not a log file: it is empty"),
        // Depth
        ("100,000 lists", deep(100_000).into_bytes(), 0, "is not a log file: it is JSON without"),
        ("100,000 lists that do not end", b"[".repeat(100_000), 0, "is broken: the JSON ends early"),
        ("100,000 closing brackets", b"]".repeat(100_000), 0, "is not a log file: it is neither gzip nor JSON"),
        ("100,000 levels in a record", list(&with(&deep(100_000))).into_bytes(), 1, "clean"),
        ("100,000 levels around a record", deep(100_000).replace("[]", &format!("[{MATCH}]")).into_bytes(), 0, outside),
        ("a record in 8 lists", list(&deep(7).replace("[]", &format!("[{MATCH}]"))).into_bytes(), 1, "clean"),
        ("a record in 9 lists", list(&deep(9).replace("[]", &format!("[{MATCH}]"))).into_bytes(), 0, outside),
        // Size
        ("a record of 256 KiB", list(&of_bytes(256 << 10)).into_bytes(), 1, "clean"),
        ("a record of 256 KiB and a byte", list(&of_bytes((256 << 10) + 1)).into_bytes(), 1, "clean"),
        ("a record of 1 MiB less a byte", list(&of_bytes((1 << 20) - 1)).into_bytes(), 1, "clean"),
        ("a record of 1 MiB", list(&of_bytes(1 << 20)).into_bytes(), 1, "clean"),
        ("a record of 1 MiB and a byte", list(&of_bytes((1 << 20) + 1)).into_bytes(), 0, too_large),
        (
            "such a record before another",
            list(&format!("{},{MATCH}", of_bytes((1 << 20) + 1))).into_bytes(),
            1,
            too_large,
        ),
        // JSON
        ("a byte order mark", format!("\u{feff}{one}").into_bytes(), 1, "clean"),
        ("two byte order marks", format!("\u{feff}\u{feff}{one}").into_bytes(), 1, "clean"),
        ("half a byte order mark", [b"\xef\xbb", one.as_bytes()].concat(), 1, "clean"),
        (
            "invalid UTF-8",
            list(&with("\"\u{1}\"")).into_bytes().iter().map(|b| if *b == 1 { 0xff } else { *b }).collect(),
            1,
            "clean",
        ),
        (
            "an overlong encoding",
            list(&with("\"?\""))
                .replace('?', "\u{0}\u{0}")
                .into_bytes()
                .iter()
                .map(|b| if *b == 0 { 0xc0 } else { *b })
                .collect(),
            1,
            "clean",
        ),
        ("a lone surrogate", list(&with(r#""\ud800""#)).into_bytes(), 1, "clean"),
        ("surrogates in the wrong order", list(&with(r#""\udc00\ud800""#)).into_bytes(), 1, "clean"),
        ("a surrogate in a key", list(&MATCH.replacen('{', r#"{"\ud800":1,"#, 1)).into_bytes(), 1, "clean"),
        ("a control character in a string", list(&with("\"\u{1}\"")).into_bytes(), 0, outside),
        ("an unknown escape", list(&with(r#""\x""#)).into_bytes(), 0, outside),
        ("a number out of range", list(&with("1e999")).into_bytes(), 1, "clean"),
        ("a number of 100,000 digits", list(&with(&"9".repeat(100_000))).into_bytes(), 1, "clean"),
        ("a number that is none", list(&with("01")).into_bytes(), 0, outside),
        ("NaN", list(&with("NaN")).into_bytes(), 0, outside),
        ("a time out of range", list(&MATCH.replace("\"2026-11-24T03:00:00Z\"", "1e999")).into_bytes(), 1, "clean"),
        (
            "duplicate keys, the last matches",
            list(&MATCH.replacen('{', "{\"eventName\":\"GetUser\",", 1)).into_bytes(),
            1,
            "clean",
        ),
        (
            "duplicate keys, the last does not",
            list(&MATCH.replacen("{\"eventTime", "{\"x\":1,\"eventTime", 1).replacen(
                "}}",
                "},\"eventName\":\"GetUser\"}",
                1,
            ))
            .into_bytes(),
            0,
            "clean",
        ),
        ("no comma in a record", list(&MATCH.replacen(',', " ", 1)).into_bytes(), 0, outside),
        ("no comma between records", list(&format!("{MATCH} {MATCH}")).into_bytes(), 2, "clean"),
        ("a comma too many", list(&format!("{MATCH},,{MATCH},")).into_bytes(), 2, "clean"),
        (
            "a record that does not end",
            format!("{{\"Records\":[{MATCH},{}", &MATCH[..MATCH.len() - 1]).into_bytes(),
            1,
            outside,
        ),
        ("a bracket too many", format!("{one}]{one}").into_bytes(), 1, malformed),
        ("a zero byte between", format!("{one}\0{one}").into_bytes(), 1, malformed),
        // `Records`
        ("no Records", b"{}".to_vec(), 0, "is not a log file: it is JSON without"),
        ("Records null", b"{\"Records\":null}".to_vec(), 0, "clean"),
        ("Records a string", b"{\"Records\":\"x\"}".to_vec(), 0, "clean"),
        ("Records a number", b"{\"Records\":7}".to_vec(), 0, "clean"),
        ("Records empty", b"{\"Records\":[]}".to_vec(), 0, "clean"),
        ("Records an object", format!("{{\"Records\":{MATCH}}}").into_bytes(), 0, outside),
        ("Records a record as text", format!("{{\"Records\":{}}}", json!(MATCH)).into_bytes(), 0, outside),
        ("Records null, then a list", format!("{{\"Records\":null,\"Records\":[{MATCH}]}}").into_bytes(), 1, "clean"),
        ("a list, then Records null", format!("{{\"Records\":[{MATCH}],\"Records\":null}}").into_bytes(), 1, "clean"),
        ("Records twice", format!("{{\"Records\":[{MATCH}],\"Records\":[{MATCH}]}}").into_bytes(), 2, "clean"),
        ("Records in Records", list(&one).into_bytes(), 1, "clean"),
        ("Records in another spelling", format!("{{\"records\":[{MATCH}]}}").into_bytes(), 0, outside),
        ("Records escaped", format!("{{\"\\u0052ecords\":[{MATCH}]}}").into_bytes(), 1, "clean"),
    ];
    let mut wrong = Vec::new();
    for (name, stored, matches, sentence) in &cases {
        let (found, said) = result(stored);
        if found != *matches || !said.contains(sentence) {
            wrong.push(format!("{name}: {found} matches, {said}; not {matches}, {sentence}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A match before a cut is found, and one that was cut is reported. Text that is not compressed and was cut after a bracket, behind
/// its last match, looks like an end.
#[test]
fn a_file_cut_at_any_byte_is_reported() {
    let text = format!("{{\"Records\":[{MATCH},{{\"eventSource\":\"s3.amazonaws.com\"}}]}}\n");
    for cut in 1..text.len() - 1 {
        let (found, said) = result(&text.as_bytes()[..cut]);
        let has_match = cut >= "{\"Records\":[".len() + MATCH.len();
        assert_eq!(found, usize::from(has_match), "{cut}");
        let looks_like_an_end = has_match && text[..cut].ends_with(['}', ']']);
        assert_eq!(said == "clean", looks_like_an_end, "{cut}: {said}");
    }
    assert_eq!(result(&text.as_bytes()[..text.len() - 1]), (1, "clean".into()));
    for level in [0, 6] {
        let stored = gzip(text.as_bytes(), level);
        for cut in 1..stored.len() {
            let (_, said) = result(&stored[..cut]);
            assert_eq!(said, "is broken: the gzip stream ends early", "{cut} of {}", stored.len());
        }
        // Everything is there except the trailer.
        assert_eq!(result(&stored[..stored.len() - 8]).0, 1);
    }
}

/// A flipped bit of a header or a trailer is found, except where it has no meaning: the time, the compression level and the
/// system.
#[test]
fn a_flipped_bit_of_gzip_is_reported() {
    let text = list(MATCH);
    let stored = gzip(text.as_bytes(), 6);
    let trailer = stored.len() - 8;
    for at in (0..10).chain(trailer..stored.len()) {
        for bit in 0..8 {
            let mut flipped = stored.clone();
            flipped[at] ^= 1 << bit;
            let (found, said) = result(&flipped);
            let has_no_meaning = (4..10).contains(&at) || at == 3 && bit == 0;
            match at {
                _ if has_no_meaning => assert_eq!((found, said.as_str()), (1, "clean"), "{at} {bit}"),
                // The flags announce a field that is not there.
                0..10 => assert!(found == 0 && said != "clean", "{at} {bit}: {said}"),
                _ => assert!(
                    found == 1 && said.starts_with("is broken: the gzip stream is corrupt"),
                    "{at} {bit}: {said}"
                ),
            }
        }
    }
    // A checksum of the header covers all of it.
    let mut checked = stored[..10].to_vec();
    checked[3] = 2;
    let mut encoder = crc32(&checked);
    checked.append(&mut encoder);
    checked.extend(&stored[10..]);
    assert_eq!(result(&checked), (1, "clean".into()));
    for at in 4..12 {
        let mut flipped = checked.clone();
        flipped[at] ^= 1;
        let (found, said) = result(&flipped);
        assert!(found == 0 && said.starts_with("is broken: the gzip stream is corrupt"), "{at}: {said}");
    }
}

/// The lower half of a CRC-32, from the trailer of gzip.
fn crc32(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    let stored = encoder.finish().unwrap();
    stored[stored.len() - 8..stored.len() - 6].to_vec()
}
