use super::*;

fn content(text: &[u8], block_bytes: usize) -> Content {
    let mut content = Content::default();
    text.chunks(block_bytes).for_each(|block| content.push(block));
    content
}

#[test]
fn archives_and_utf_16_are_known_from_their_first_bytes() {
    let tar = [b"x".as_slice(), &[0; TAR_AT - 1], b"ustar\x0000", &[0; 600]].concat();
    for (magic, kind) in [
        (b"PK\x03\x04".as_slice(), "a zip archive"),
        (b"BZh91AY&SY", "compressed with bzip2"),
        (b"\xfd7zXZ\x00\x00", "compressed with xz"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (&tar, "a tar archive"),
    ] {
        for block_bytes in [1, 7, 4096] {
            let found = content(magic, block_bytes).check_whole(false);
            assert!(
                matches!(found, Err(Fault::Packed(Packed::Archive { kind: found, .. })) if found == kind),
                "{kind}: {found:?}"
            );
        }
    }
    for text in [b"\xff\xfe{\x00}\x00".as_slice(), b"\xfe\xff\x00{\x00}", b"\n\x00{\x00}\x00", b"\x00i\x00d"] {
        assert!(content(text, 1).is_utf16(), "{text:?}");
    }
    // Numbers of four bytes have zeros as well, and binary data may have three in four.
    let [first, second] = [b"\0x", b"x\0"].map(|pair| [&pair[..], pair, pair, b"xx"].concat().repeat(8));
    for text in [b"BZhao is a name, and {} is JSON".as_slice(), &[1, 0, 0, 0].repeat(16), &first, &second] {
        assert!(!content(text, 9).is_utf16(), "{text:?}");
    }
}

#[test]
fn a_file_of_records_begins_and_ends_like_json() {
    let record = r#"{"eventSource":"s3.amazonaws.com"}"#;
    for text in [
        format!("{{\"Records\":[{record}]}}"),
        format!("\u{feff}{record}\r\n\r\n{record}\r\n"),
        format!("2026-05-06T07:09:00.000Z {record}\n"),
        r#"{"userAgent":"config.amazonaws.com","eventSource":"s3.amazonaws.com"}"#.into(),
        r#"{"Records":[]}"#.into(),
        "{\n  \"Events\": []\n}\n".into(),
        "[]".into(),
    ] {
        for block_bytes in 1..=text.len() {
            assert!(content(text.as_bytes(), block_bytes).check_whole(false).is_ok(), "{text}");
        }
    }
    for (text, fault) in [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("{}", "without CloudTrail records"),
        ("[{}]", "without CloudTrail records"),
        (r#"{"eventSource":"s3"}"#, "without CloudTrail records"),
        (r#"{"Source":"s3.amazonaws.com"}"#, "without CloudTrail records"),
        ("BZhao is a name, and {} is JSON", "neither gzip nor JSON"),
        ("id,price", "neither gzip nor JSON"),
        (r#"{"eventSource":"#, "ends early"),
    ] {
        let found = content(text.as_bytes(), 4096).check_whole(false).unwrap_err().to_string();
        assert!(found.contains(fault), "{text}: {found}");
    }
}

#[test]
fn a_list_is_empty_only_if_nothing_follows_it() {
    let blank = " ".repeat(2 * HEAD_BYTES);
    for (text, records) in [
        (r#"{"Records":[]}"#, Records::EmptyList),
        ("[]\n[]", Records::EmptyList),
        (r#"{"Records":[{}]}"#, Records::None),
        ("", Records::None),
        (&format!("[]{blank}[7]"), Records::None),
        (&format!("[]{blank}{{\"eventSource\":\"s3.amazonaws.com\"}}"), Records::Some),
        (r#"{"eventSource":"s3"}"#, Records::None),
    ] {
        let content = content(text.as_bytes(), 4096);
        assert_eq!(content.records(), records, "{}", text.trim());
        assert!(content.head.len() <= HEAD_BYTES, "memory grows with the file");
    }
}

#[test]
fn a_file_in_which_nothing_can_be_found_is_not_read_to_its_end() {
    let padded = |magic: &[u8], bytes: usize| [magic, &vec![b'x'; bytes][..]].concat();
    for (magic, fault) in [
        (b"PK\x03\x04".as_slice(), "a zip archive"),
        (b"\x7fELF", "neither gzip nor JSON (its first byte is 0x7f)"),
        (b"MZ", "neither gzip nor JSON"),
    ] {
        let enough = padded(magic, ARCHIVE_BYTES - magic.len());
        let found = content(&enough, 100).check_readable(false).unwrap_err().to_string();
        assert!(found.contains(fault), "{found}");
        // Its beginning alone is too little to know it.
        assert!(content(&enough[..enough.len() - 1], 100).check_readable(false).is_ok());
    }
    // Text and UTF-16 are searched.
    for text in [b"id,price\n".as_slice(), b"\xff\xfei\x00d\x00"] {
        assert!(content(&padded(text, ARCHIVE_BYTES), 100).check_readable(false).is_ok(), "{text:?}");
    }
}
