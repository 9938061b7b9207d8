//! The scan law: the fast path finds exactly the matches that parsing everything finds.

use std::{
    cell::Cell,
    io::{Read, Write},
};

use bytes::Bytes;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use proptest::{prelude::*, sample::Index};
use quarantine_alert::{
    rule::Rules,
    scan::{self, Fault, Passes, ScanStep, Scanned, Settings, TwoPass},
};
use serde_json::{Value, json};

use crate::{
    oracle::{Oracle, matching, oracle},
    run,
};

const BLOCK_BYTES: usize = 256 * 1024;
pub const NEEDLES: [&str; 3] = ["CompromisedKeyQuarantine", "Policy_DO_NOT_REMOVE", "AttachUserPolicy"];

const SETTINGS: Settings = Settings { limit_mib: Some(64), other_mib: None, kept_bytes: 0, needs_records: false };

pub type Unread = scan::Unread<std::convert::Infallible>;

fn fast(stored: &[u8], chunk_bytes: usize) -> (Vec<Value>, Result<Scanned, Unread>) {
    scan(SETTINGS, Passes::Two, stored, chunk_bytes)
}

/// Scans a source that is in memory.
pub fn scan(
    settings: Settings,
    passes: Passes,
    stored: &[u8],
    chunk_bytes: usize,
) -> (Vec<Value>, Result<Scanned, Unread>) {
    let needles = Rules::all().needles();
    let stored = Bytes::copy_from_slice(stored);
    let mut scan = TwoPass::new(&needles, settings, passes);
    let mut found = Vec::new();
    let mut rest = stored.clone();
    loop {
        match scan.step() {
            ScanStep::Feed => {
                let chunk = rest.split_to(rest.len().min(chunk_bytes));
                scan.feed(Ok(Some(chunk).filter(|chunk| !chunk.is_empty())));
            }
            ScanStep::Reopen => {
                assert_eq!(passes, Passes::Two, "a stream cannot be opened again");
                rest = stored.clone();
            }
            ScanStep::Candidate(candidate) => found.extend(scan.records(&candidate).into_iter().filter_map(matching)),
            ScanStep::Yield => {}
            ScanStep::End(end) => return (found, end),
        }
    }
}

// Log files.

pub const MATCH: &str = r#"{"eventTime":"2026-11-24T03:00:00Z","eventSource":"iam.amazonaws.com","eventName":"AttachUserPolicy","requestParameters":{"userName":"alice","policyArn":"arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}}"#;
const INLINE: &str = r#"{"eventSource":"iam.amazonaws.com","eventName":"PutUserPolicy","requestParameters":{"userName":"bob","policyName":"AWSExposedCredentialPolicy_DO_NOT_REMOVE"}}"#;
const DENIED: &str = r#"{"eventSource":"iam.amazonaws.com","eventName":"AttachUserPolicy","errorCode":"AccessDenied","sourceIPAddress":"AWS Internal","userIdentity":{"userName":"eve"},"errorMessage":"User: arn:aws:iam::111111111111:user/eve is not authorized to perform: iam:AttachUserPolicy on resource: user eve because no"}"#;
const NEAR_MISSES: [&str; 6] = [
    r#"{"eventSource":"iam.amazonaws.com","eventName":"GetPolicy","requestParameters":{"policyArn":"arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}}"#,
    r#"{"eventSource":"iam.amazonaws.com","eventName":"AttachUserPolicy","requestParameters":{"policyArn":"arn:aws:iam::123456789012:policy/AWSCompromisedKeyQuarantineV3"}}"#,
    r#"{"a":"{\"Records\":[{\"eventName\":\"AttachUserPolicy\",\"policyArn\":\"AWSCompromisedKeyQuarantine\"}]}","b":"\\"}"#,
    r#"{"Records":[{"eventSource":"iam.amazonaws.com","eventName":"AttachUserPolicy","requestParameters":{"policyArn":"arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}}]}"#,
    r#"{"a":"\u0041\u003c\/\n"}"#,
    r#"["CompromisedKeyQuarantine",{"Records":[]}]"#,
];
const CLEAN: [&str; 4] = [
    r#"{"eventSource":"s3.amazonaws.com","eventName":"GetObject","userAgent":"[\"}]{ \\","x":[1,{"y":null}]}"#,
    r#"{"eventName":"\u003cx\u003e é 日本","a":{"b":{"c":[[],{}]}}}"#,
    "{}",
    "7",
];
/// Duplicate fields, of which the last counts. It makes the first record a match, and the second none.
const DUPLICATE_KEYS: [&str; 2] = [
    r#"{"eventSource":"iam.amazonaws.com","eventName":"x","eventName":"AttachUserPolicy","requestParameters":null,"requestParameters":{"policyArn":"arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}}"#,
    r#"{"eventSource":"iam.amazonaws.com","eventName":"AttachUserPolicy","eventName":"x","requestParameters":{"policyArn":"arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}}"#,
];

pub fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The text with its byte at `at` written as an escape.
fn escaped(text: &str, at: usize, upper: bool) -> String {
    let byte = text.as_bytes()[at];
    let escape = if upper { format!("\\u{byte:04X}") } else { format!("\\u{byte:04x}") };
    format!("{}{escape}{}", &text[..at], &text[at + 1..])
}

fn a_record() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        2 => Just(MATCH),
        1 => Just(INLINE),
        1 => Just(DENIED),
        3 => prop::sample::select(NEAR_MISSES.as_slice()),
        3 => prop::sample::select(CLEAN.as_slice()),
        1 => prop::sample::select(DUPLICATE_KEYS.as_slice()),
    ];
    // An escape at any letter of a string or a key.
    (text, any::<Index>(), any::<bool>(), prop::bool::weighted(0.3)).prop_map(|(text, at, upper, escape)| {
        let letters: Vec<usize> = (1..text.len())
            .filter(|&at| text.as_bytes()[at].is_ascii_alphabetic() && text.as_bytes()[at - 1] != b'\\')
            .filter(|&at| text[..at].matches('"').count() % 2 == 1 && !text[..at].contains('\\'))
            .collect();
        if escape && !letters.is_empty() { escaped(text, *at.get(&letters), upper) } else { text.to_owned() }
    })
}

fn a_document() -> impl Strategy<Value = String> {
    let list = prop::collection::vec(a_record(), 0..8).prop_map(|records| format!("[{}]", records.join(" ,\n")));
    let around = prop::sample::select(vec![
        ("{\"Records\":", "}"),
        ("{\"Records\":", "}\n"),
        (" { \"Rec\\u006Frds\" : ", " } "),
        ("{\"a\":{\"Records\":[{}]},\"b\":\"CompromisedKeyQuarantine\",\"Records\":", ",\"c\":[\"]\"]}"),
        ("{\"Records\":7,\"Records\":", "}"),
        ("", ""),
    ]);
    let second = prop::option::weighted(0.2, prop::collection::vec(a_record(), 0..3));
    (list, around, second).prop_map(|(list, (before, after), second)| match second {
        Some(records) if !before.is_empty() => format!("{before}{list},\"Records\":[{}]{after}", records.join(",")),
        _ => format!("{before}{list}{after}"),
    })
}

/// A stored document: plain, or gzip in one or several members, split anywhere.
fn stored() -> impl Strategy<Value = Vec<u8>> {
    (a_document(), prop::option::of(prop::collection::vec(any::<Index>(), 0..3)), 0..=9u32).prop_map(
        |(text, members, level)| {
            let Some(members) = members else { return text.into_bytes() };
            let mut cuts: Vec<usize> = members.iter().map(|cut| cut.index(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            cuts.windows(2).flat_map(|cut| gzip(&text.as_bytes()[cut[0]..cut[1]], level)).collect()
        },
    )
}

fn chunk_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), 2..64usize, Just(usize::MAX)]
}

// The law.

#[test]
fn the_fast_path_finds_exactly_what_parsing_everything_finds() {
    let [files, with_matches, near_misses, clean, gzipped, unread] = [const { Cell::new(0u32) }; 6];
    let count = |counter: &Cell<u32>, by: bool| counter.set(counter.get() + u32::from(by));
    run(4000, (stored(), chunk_bytes()), |(stored, chunk_bytes)| {
        let expected = oracle(&stored);
        let (found, end) = fast(&stored, chunk_bytes);
        let needles = Rules::all().needles();
        let mut text = Vec::new();
        let is_gzip = MultiGzDecoder::new(stored.as_slice()).read_to_end(&mut text).is_ok();
        let text = if is_gzip { &text } else { &stored };
        let hit = needles.may_be_in(text);
        count(&files, true);
        count(&with_matches, !expected.found.is_empty());
        count(&near_misses, expected.found.is_empty() && hit);
        count(&clean, !hit);
        count(&gzipped, is_gzip);
        count(&unread, expected.has_other);
        prop_assert!(expected.is_whole, "the generator made a broken file");
        prop_assert_eq!(found, expected.found);
        if expected.has_other {
            prop_assert!(end.is_err(), "a needle outside of all records was not reported");
        } else if !expected.has_mention && memchr::memmem::find(text, b"eventSource").is_some() {
            prop_assert!(end.is_ok(), "{:?}", end);
        }
        Ok(())
    });
    let counts = [&files, &with_matches, &near_misses, &clean, &gzipped, &unread].map(Cell::get);
    assert!(counts.iter().all(|&count| count > counts[0] / 20), "too few files of a kind: {counts:?}");
}

#[test]
fn the_fast_path_finds_everything_before_a_break() {
    let [broken, with_matches, failed] = [const { Cell::new(0u32) }; 3];
    let count = |counter: &Cell<u32>, by: bool| counter.set(counter.get() + u32::from(by));
    let mutation = (any::<Index>(), prop::option::of(any::<u8>()), any::<bool>());
    run(4000, (stored(), chunk_bytes(), mutation), |(mut stored, chunk_bytes, (at, byte, truncate))| {
        prop_assume!(!stored.is_empty());
        let at = at.index(stored.len());
        match byte {
            _ if truncate => stored.truncate(at),
            Some(byte) => stored[at] = byte,
            None => _ = stored.remove(at),
        }
        let Oracle { found: expected, is_whole, .. } = oracle(&stored);
        let (found, end) = fast(&stored, chunk_bytes);
        if is_whole {
            prop_assert_eq!(&found, &expected);
        } else {
            prop_assert!(found.starts_with(&expected), "{:?} is not the beginning of {:?}", expected, found);
        }
        count(&broken, !is_whole);
        count(&with_matches, !is_whole && !expected.is_empty());
        count(&failed, !is_whole && end.is_err());
        Ok(())
    });
    assert!(broken.get() > 1000 && with_matches.get() > 100 && failed.get() > broken.get() / 2);
}

/// CloudWatch Logs writes it before each record of an export.
const TIME: &str = "\n2026-05-06T07:09:00.000Z ";

/// Documents one after another, as in exports. A document may be a record.
fn an_export() -> impl Strategy<Value = String> {
    let document = prop_oneof![
        a_document(),
        a_record().prop_filter("a number is not a document", |record| record.starts_with('{')),
    ];
    let between = prop::sample::select(vec!["\n", "\r\n", "", " \n\n", "\n\u{feff}", TIME]);
    prop::collection::vec((document, between), 1..6)
        .prop_map(|parts| parts.into_iter().map(|(document, between)| document + between).collect())
}

#[test]
fn every_document_of_an_export_is_read_even_a_lone_record() {
    let [alone, several, whole] = [const { Cell::new(0u32) }; 3];
    run(2000, (an_export(), any::<bool>(), chunk_bytes()), |(text, compress, chunk_bytes)| {
        let stored = if compress { gzip(text.as_bytes(), 6) } else { text.clone().into_bytes() };
        // What may be between documents is not JSON.
        let Oracle { found: expected, has_other, has_mention, .. } =
            oracle(text.replace(['\u{feff}'], " ").replace(TIME, " ").as_bytes());
        // In one pass, like standard input, and in two passes, with the second from memory or from the source.
        for (passes, kept_bytes) in [(Passes::One, 0), (Passes::Two, 0), (Passes::Two, 1 << 20)] {
            let (found, end) = scan(Settings { kept_bytes, ..SETTINGS }, passes, &stored, chunk_bytes);
            prop_assert_eq!(&found, &expected);
            match end {
                Ok(end) => {
                    prop_assert!(!has_other);
                    prop_assert_eq!(end.bytes, stored.len() as u64);
                    whole.set(whole.get() + 1);
                }
                Err(scan::Unread::Faulty(Fault::NotJudged)) => prop_assert!(has_other || has_mention),
                Err(reason) => prop_assert!(!text.contains("eventSource"), "{}", reason),
            }
        }
        alone.set(alone.get() + u32::from(text.starts_with(MATCH)));
        several.set(several.get() + u32::from(expected.len() > 2));
        Ok(())
    });
    assert!(alone.get() > 50 && several.get() > 200 && whole.get() > 1000, "{alone:?} {several:?} {whole:?}");
}

/// A record in each envelope, and the forms of file that no list has.
#[test]
fn a_record_is_found_in_every_form() {
    let record: Value = serde_json::from_str(MATCH).unwrap();
    let clean: Value = serde_json::from_str(CLEAN[0]).unwrap();
    let string = |value: &Value| Value::from(value.to_string());
    let pair = |make: &dyn Fn(&Value) -> Value| [make(&clean), make(&record)];
    let lines = |values: [Value; 2]| values.map(|value| value.to_string()).join("\n");
    let shipped = |value: &Value| json!({ "@timestamp": "2026-11-25T01:02:03Z", "message": string(value) });
    let detail = |value: &Value| json!({ "detail-type": "AWS API Call via CloudTrail", "detail": value });
    let looked_up = |value: &Value| json!({ "EventName": value["eventName"], "CloudTrailEvent": string(value) });
    let log_event = |value: &Value| json!({ "timestamp": 1, "message": string(value) });
    let forms = [
        json!({ "Records": pair(&Value::clone) }).to_string(),
        json!([json!({ "Records": pair(&Value::clone) })]).to_string(),
        json!({ "Records": [pair(&Value::clone)] }).to_string(),
        json!({ "Records": pair(&string) }).to_string(),
        json!({ "Events": pair(&looked_up), "NextToken": "x" }).to_string(),
        serde_json::to_string_pretty(&json!({ "events": pair(&log_event), "searchedLogStreams": [] })).unwrap(),
        json!({ "messageType": "DATA_MESSAGE", "logEvents": pair(&log_event) }).to_string(),
        lines(pair(&Value::clone)),
        lines(pair(&shipped)),
        lines(pair(&detail)),
        lines(pair(&looked_up)),
        lines(pair(&string)),
        format!("\u{feff}{}\r\n\r\n", lines(pair(&Value::clone)).replace('\n', "\r\n")),
        pair(&Value::clone).map(|value| format!("2026-05-06T07:09:00.000Z {value}\n")).concat(),
        pair(&Value::clone).map(|value| value.to_string()).concat(),
    ];
    for text in &forms {
        let twice = gzip(&gzip(text.as_bytes(), 6), 6);
        for stored in [text.as_bytes(), &gzip(text.as_bytes(), 6), &twice] {
            for chunk_bytes in [1, 100, usize::MAX] {
                for passes in [Passes::One, Passes::Two] {
                    let (found, end) = scan(SETTINGS, passes, stored, chunk_bytes);
                    assert_eq!(found, std::slice::from_ref(&record), "{text}");
                    assert!(end.is_ok(), "{text}: {end:?}");
                }
            }
        }
    }
}

#[test]
fn a_needle_that_cannot_be_judged_makes_the_file_unread() {
    let texts = [
        format!("eventtime,policy\nx,{}\n", NEEDLES[0]),
        format!("{{\"Records\":[{}]}}", NEEDLES[0]),
        format!("{{\"Records\":[{MATCH},{},{MATCH}]}}", NEEDLES[0]),
        format!("{{\"x\":\"{}\",\"Records\":[]}}", NEEDLES[0]),
        format!("{{\"x\":{MATCH},\"Records\":[{MATCH}]}}"),
        format!("{{\"x\":{},\"Records\":[{MATCH}]}}", Value::from(MATCH)),
        format!("{{\"userAgent\":{}}}", Value::from(MATCH)),
        format!("{{\"body\":{MATCH}}}"),
        format!("{{\"Records\":[{MATCH}],\"x\":\"{}\"}}", NEEDLES[0]),
        format!("{{\"Records\":[{MATCH}]}}\n{}", NEEDLES[0]),
        format!("{MATCH}\n{{\"message\":\"{}\"}}\n", NEEDLES[0]),
        format!("{{\"detail\":{{\"eventName\":\"{}\"}}}}", NEEDLES[2]),
        format!("PAR1\0\0{}PAR1", NEEDLES[0]),
    ];
    let mut utf_16 = vec![0xff, 0xfe];
    utf_16.extend(MATCH.encode_utf16().flat_map(u16::to_le_bytes));
    for text in texts.iter().map(String::as_bytes).chain([utf_16.as_slice()]) {
        for stored in [text.to_vec(), gzip(text, 6)] {
            for passes in [Passes::One, Passes::Two] {
                for chunk_bytes in [7, usize::MAX] {
                    let (_, end) = scan(SETTINGS, passes, &stored, chunk_bytes);
                    let shown = String::from_utf8_lossy(text);
                    // In one pass, the scan ends where the text cannot be walked.
                    let is_faulty = matches!(end, Err(scan::Unread::Faulty(_)));
                    assert!(is_faulty || passes == Passes::One && end.is_err(), "{shown}: {end:?}");
                }
            }
        }
    }
}

#[test]
fn an_escape_anywhere_in_a_needle_hides_no_record() {
    let mut tried = 0;
    for (record, needle) in [MATCH, INLINE, DENIED].into_iter().zip(NEEDLES) {
        let start = record.find(needle).unwrap();
        for at in start..start + needle.len() {
            for upper in [false, true] {
                let text = format!("{{\"Records\":[{}]}}", escaped(record, at, upper));
                let (found, end) = fast(&gzip(text.as_bytes(), 6), 7);
                assert_eq!((found.len(), end.is_ok()), (1, true), "{text}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * NEEDLES.map(str::len).iter().sum::<usize>());
}

#[test]
fn a_needle_across_a_block_border_is_found() {
    let head = "{\"Records\":[{\"a\":\"";
    let mut across = 0;
    for (record, needle) in [MATCH, INLINE, DENIED].into_iter().zip(NEEDLES) {
        let start = record.find(needle).unwrap();
        for after_border in 0..=needle.len() {
            // This many of the needle's bytes are after the end of the first block.
            let filler = BLOCK_BYTES + after_border - needle.len() - start - head.len() - "\"},".len();
            let text = format!("{head}{}\"}},{record}]}}", "x".repeat(filler));
            let at = text.find(needle).unwrap();
            across += u32::from((at + 1..at + needle.len()).contains(&BLOCK_BYTES));
            for stored in [text.clone().into_bytes(), gzip(text.as_bytes(), 1)] {
                for chunk_bytes in [4096 - 1, usize::MAX] {
                    let (found, end) = fast(&stored, chunk_bytes);
                    assert_eq!((found.len(), end.is_ok()), (1, true), "{after_border} bytes of {needle}");
                }
            }
        }
    }
    assert_eq!(across as usize, NEEDLES.map(str::len).iter().sum::<usize>() - NEEDLES.len());
}

#[test]
fn a_record_that_is_too_large_hides_no_other() {
    let large = |part: &str| format!("{{\"a\":\"{}{part}{}\"}}", "x".repeat(1 << 20), "x".repeat(1 << 20));
    // Only one that has a needle matters.
    let text = format!("{{\"Records\":[{MATCH},{},{INLINE}]}}", large("y"));
    let (found, end) = fast(&gzip(text.as_bytes(), 6), 999);
    assert!(found.len() == 2 && end.is_ok(), "{end:?}");
    // An escape that could hide a letter of a needle is none.
    let text = format!("{{\"Records\":[{MATCH},{},{INLINE}]}}", large("y").replace("\"}", "\\u0041\"}"));
    let (found, end) = fast(&gzip(text.as_bytes(), 6), 999);
    assert!(found.len() == 2 && end.is_ok(), "{end:?}");
    let large = large(NEEDLES[0]);
    let text = format!("{{\"Records\":[{MATCH},{large},{INLINE}]}}");
    for chunk_bytes in [999, usize::MAX] {
        let (found, end) = fast(&gzip(text.as_bytes(), 6), chunk_bytes);
        assert_eq!(found, [MATCH, INLINE].map(|text| serde_json::from_str::<Value>(text).unwrap()));
        assert!(matches!(end, Err(scan::Unread::Faulty(Fault::RecordTooLarge))));
    }
}

/// A megabyte next to the list is not a record.
#[test]
fn a_large_part_around_the_list_is_not_a_large_record() {
    let around = format!("\"a\":\"{}\\u0041\"", "x".repeat(2 << 20));
    for text in [
        format!("{{{around},\"Records\":[{MATCH}]}}"),
        format!("{{\"Records\":[{MATCH}],{around}}}"),
        format!("{{{}\"Records\":{}[{MATCH}]}}", " ".repeat(2 << 20), "\n".repeat(2 << 20)),
        format!("{{\"Records\":[{}{MATCH}]}}", " ".repeat(2 << 20)),
    ] {
        for stored in [text.clone().into_bytes(), gzip(text.as_bytes(), 1)] {
            for passes in [Passes::One, Passes::Two] {
                let (found, end) = scan(SETTINGS, passes, &stored, 4096);
                assert!(found.len() == 1 && end.is_ok(), "{end:?}");
            }
        }
    }
}

/// Callers choose strings of records, such as the names of sessions.
#[test]
fn no_string_of_a_record_makes_its_file_an_archive_or_a_program() {
    for magic in ["ustar", "PK\u{3}\u{4}", "\u{7f}ELF", "BZh91AY&SY"] {
        for at in 11..300 {
            let text = format!("{{\"Records\":[{{\"a\":\"{}{magic}\"}},{MATCH}]}}", "x".repeat(at));
            let (found, end) = fast(text.as_bytes(), usize::MAX);
            assert!(found.len() == 1 && end.is_ok(), "{magic} at {at}: {end:?}");
        }
    }
}
