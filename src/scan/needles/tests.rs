use std::collections::HashSet;

use super::*;

fn needles(texts: &[&'static str]) -> Needles {
    Needles::new(texts.iter().map(|text| Needle::fixed(text)))
}

#[test]
fn needles_that_json_may_escape_are_refused() {
    for text in ["", "arn:aws", "a b", "a/b", "ü", &"x".repeat(129)] {
        assert!(Needle::new(text.into()).is_err(), "{text}");
    }
    for text in ["Policy_DO_NOT_REMOVE", "AKIAIOSFODNN7EXAMPLE", &"x".repeat(128)] {
        assert!(Needle::new(text.into()).is_ok(), "{text}");
    }
}

#[test]
fn the_last_needle_is_found_across_every_block_border() {
    let few = needles(&["QuarantineX", "Attach"]);
    let others = (b'a'..=b'z').map(|letter| Needle::new(format!("x{}x", char::from(letter))).unwrap());
    let many = Needles::new(others.chain([Needle::fixed("QuarantineX"), Needle::fixed("Attach")]));
    assert!(matches!((&few.finders, &many.finders), (Finders::Few(_), Finders::Many(_))));
    for (text, end) in [("..Attach....QuarantineX..", 23), ("..QuarantineX....Attach.", 23), (r"...\u0051uar....", 8)] {
        for (needles, size) in [&few, &many].into_iter().flat_map(|each| (1..=text.len()).map(move |size| (each, size)))
        {
            let mut search = Search::new(needles);
            text.as_bytes().chunks(size).for_each(|block| search.push(block));
            assert_eq!(search.last_hint(), Some(end), "{text} in blocks of {size}");
        }
    }
}

#[test]
fn what_looks_like_an_escape_covers_no_needle() {
    assert!(needles(&["needle"]).packed.is_some(), "this processor has vectors");
    for (needle, end) in [("u00ff", 8), ("00ff", 8), ("0ff", 8), ("u", 4), ("u0", 5), ("0", 6), ("ff", 8)] {
        let needles = needles(&[needle]);
        let mut search = Search::new(&needles);
        search.push(br"..\u00ff..");
        assert_eq!(search.last_needle(), Some(end), "{needle}");
    }
}

#[test]
fn the_places_of_needles_are_known_while_they_are_few() {
    let needles = needles(&["needle"]);
    let hints = |text: &str| {
        let mut search = Search::new(&needles);
        text.as_bytes().chunks(4000).for_each(|block| search.push(block));
        search.hints()
    };
    let few = hints("..needle..").unwrap();
    assert!(few.any_within(0, 8) && few.any_within(7, 9));
    assert!(!few.any_within(0, 7) && !few.any_within(8, 10));
    assert!(hints(&"..needle..".repeat(MAX_HINTS)).is_some());
    assert!(hints(&"..needle..".repeat(MAX_HINTS + 1)).is_none(), "memory grows with the file");
}

#[test]
fn the_keys_of_a_file_are_known_across_every_block_border() {
    let needles = Needles::new([]).with_key_ids();
    let text = r#"{"accessKeyId":"AKIA1","x":"{\"accessKeyId\":\"ASIA2\"}"},{"accessKeyId": null}"#;
    let of = |key: &str| HashSet::from([KeyIds::number(key)]);
    for size in 1..=text.len() {
        let mut search = Search::new(&needles);
        text.as_bytes().chunks(size).for_each(|block| search.push(block));
        let ids = search.key_ids().unwrap();
        assert!(ids.may_have(&of("AKIA1")) && ids.may_have(&of("ASIA2")) && !ids.may_have(&of("AKIA3")), "{size}");
    }
    for text in [
        r#"{"accessKeyId":"\u0041KIA1"}"#,
        r#"{"accessKeyId":"AKIA\u0031"}"#,
        r#"{"accessKeyId":                    "AKIA1"}"#,
    ] {
        for size in 1..=text.len() {
            let mut search = Search::new(&needles);
            text.as_bytes().chunks(size).for_each(|block| search.push(block));
            assert_eq!(search.key_ids(), None, "{text} in blocks of {size}");
        }
    }
}

#[test]
fn escapes_that_hide_no_letter_are_skipped() {
    let letters = needles(&["Quarantine"]);
    let digits = needles(&["AKIA7"]);
    assert!(!letters.may_be_in(br"\u003c \u003d \u003e \u0026 \u0027 \u2603 \n"));
    assert!(letters.may_be_in(br"\u005a") && letters.may_be_in(br"\u0061"));
    assert!(!letters.may_be_in(br"\u0037") && digits.may_be_in(br"\u0037"));
    assert!(!digits.may_be_in(br"\u003c \u003d \u003e"));
    // The same for names.
    let name = |name| Needles::with_names([], [name]);
    assert!(name("GetCallerV2").may_be_in(br"\u0032") && !name("GetCaller").may_be_in(br"\u0032"));
}

/// JSON text may have a backslash that is escaped itself.
#[test]
fn an_escaped_backslash_hides_no_escape() {
    let letters = needles(&["Quarantine"]);
    for text in [r"\u00\u0051uarantine", r"\u00\u0051uarantine\u00", r"\\u00\u0051uarantine"] {
        assert!(letters.are_in(text.as_bytes()), "{text}");
    }
    assert!(!letters.are_in(br"\u0051uaranteen"));
}

#[test]
fn a_name_is_found_only_as_a_whole_value_of_its_key() {
    let needles = Needles::with_names([Needle::fixed("AKIA7")], ["CreateUser", "DeleteRole"]);
    for text in [
        r#"{"eventName":"CreateUser"}"#,
        r#"{"eventName" : "DeleteRole","x":1}"#,
        r#"{\\\"eventName\\\":\\\"CreateUser\\\"}"#,
        r#"{"eventName":                 "Other"}"#,
        r#"{"eventName":"Other","eventName":"CreateUser"}"#,
        r#"{"eventName":             "CreateUser"}"#,
    ] {
        assert!(needles.may_be_in(text.as_bytes()), "{text}");
        // However it comes in blocks.
        for size in 1..=text.len() {
            let mut search = Search::new(&needles);
            text.as_bytes().chunks(size).for_each(|block| search.push(block));
            assert!(search.last_needle().is_some(), "{text} in blocks of {size}");
            if let Some(at) = text.find("CreateUser") {
                assert_eq!(search.last_needle(), Some((at + "CreateUser".len()) as u64), "{text} in blocks of {size}");
            }
        }
    }
    for text in [
        r#"{"eventName":"CreateUserX"}"#,
        r#"{"eventName":"XCreateUser"}"#,
        r#"{"x":"CreateUser","eventName":"Other"}"#,
        r#"{"eventName":null,"x":"CreateUser"}"#,
        r#"{"eventName":             "Other"}"#,
    ] {
        for size in 1..=text.len() {
            let mut search = Search::new(&needles);
            text.as_bytes().chunks(size).for_each(|block| search.push(block));
            assert_eq!(search.last_hint(), None, "{text} in blocks of {size}");
        }
    }
}
