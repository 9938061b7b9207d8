use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::scan::Needle;

/// The candidates in a text that comes in blocks of this size, and how it ends.
fn walked(text: &[u8], size: usize) -> (Vec<Vec<u8>>, Result<(), String>) {
    let needles = Needles::new([Needle::fixed("needle")]);
    let mut walk = Walk::new(&needles, None, None);
    let mut candidates = VecDeque::new();
    let all = text.chunks(size).try_for_each(|block| walk.block(block, &mut candidates));
    (candidates.into(), all.and_then(|()| walk.finish(None)).map_err(|fault| fault.to_string()))
}

proptest! {
    /// Also of text that is no JSON, such as a backslash outside of strings.
    #[test]
    fn the_candidates_of_a_text_do_not_depend_on_its_blocks(
        parts in vec(select(vec!["{", "}", "[", "]", "\"", "\\", ",", "\"needle\"", "[{\"a\":", "}]"]), 1..60),
        size in 1..70_usize,
    ) {
        let text = ["[{", &parts.concat(), "\"needle\"}]"].concat();
        prop_assert_eq!(walked(text.as_bytes(), size), walked(text.as_bytes(), usize::MAX), "{}", text);
    }
}

#[test]
fn brackets_that_do_not_match_are_named_by_their_byte() {
    for (text, bytes) in [
        ("{[", Some(2)),
        (r#"{"Records":[{}}"#, Some(15)),
        ("[{}]]", Some(5)),
        (r#"{"a":1}]"#, Some(8)),
        // Only records are parsed, so these hide nothing.
        (r#"{"Records":[{}]]"#, None),
        (r#"{"a":x}"#, None),
    ] {
        let fault = bytes.map(|inflated_bytes| Fault::MalformedJson { inflated_bytes }.to_string());
        for size in 1..=text.len() {
            assert_eq!(walked(text.as_bytes(), size).1.err(), fault, "{text}");
        }
    }
}

/// CloudWatch Logs names the subscription filter there, which may be named after the policy.
#[test]
fn a_needle_next_to_a_list_is_a_record_that_was_not_judged_unless_it_is_the_name_of_a_filter() {
    for (frame, is_judged) in [
        (r#""a":"thread""#, true),
        (r#""a":"needle""#, false),
        (r#""a":{"b":"needle"}"#, false),
        (r#""subscriptionFilters":["needle"]"#, true),
        (r#""subscriptionFilters":["a"],"b":{"c":"needle"}"#, false),
    ] {
        for text in [format!(r#"{{{frame},"logEvents":[{{"a":"needle"}}]}}"#), format!(r#"{{"logEvents":[],{frame}}}"#)]
        {
            for size in 1..=text.len() {
                assert_eq!(walked(text.as_bytes(), size).1.is_ok(), is_judged, "{text} {size}");
            }
        }
    }
}
