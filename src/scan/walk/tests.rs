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
