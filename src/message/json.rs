//! The alert as JSON, for programs: what every subscriber gets that has no format of its own. Its keys and their order
//! are those of [`Alert`]; `schema/alert.schema.json` describes them.
//!
//! [`Alert`]: crate::alert::Alert

use serde::Serialize;

/// None of our values lacks a JSON form. Did one, SNS would refuse the empty text, and the item would fail.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
