//! The names of calls, as needles.

use std::collections::HashSet;

use super::values::{Value, Values};

/// Names of calls, each a needle that is found only as the value of `eventName`.
pub struct Names {
    values: Values,
    names: HashSet<&'static str>,
}

impl Names {
    pub fn new(names: HashSet<&'static str>) -> Option<Names> {
        let longest = names.iter().map(|name| name.len()).max()?;
        Some(Names { values: Values::new("eventName", longest), names })
    }

    pub fn have_digit(&self) -> bool {
        self.names.iter().any(|name| name.bytes().any(|byte| byte.is_ascii_digit()))
    }

    /// See [`Values::span`].
    pub fn span(&self) -> usize {
        self.values.span()
    }

    /// The ends of all names in a text. A value that may be anything counts as a name.
    pub fn ends<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = usize> + use<'_, 't> {
        self.values.find(text).filter_map(|value| match value {
            Value::Word { word, end } => self.names.contains(word).then_some(end),
            Value::Unknown { end } => Some(end),
        })
    }
}
