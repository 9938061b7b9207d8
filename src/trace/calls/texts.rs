//! The texts of the calls, each once, and the ids of their events.

use std::{collections::HashMap, num::NonZeroU32};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::number;
use crate::untrusted::Untrusted;

/// Texts, each held once.
#[derive(Default)]
pub struct Texts {
    ids: HashMap<Untrusted, TextId>,
    list: Vec<Untrusted>,
    bytes: usize,
}

/// The number of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TextId(NonZeroU32);

impl Texts {
    pub fn id(&mut self, text: Untrusted) -> TextId {
        if let Some(id) = self.ids.get(&text) {
            return *id;
        }
        let id = TextId(NonZeroU32::new(number(self.list.len() + 1)).unwrap_or(NonZeroU32::MAX));
        self.bytes += 2 * text.bytes() + 48;
        self.list.push(text.clone());
        self.ids.insert(text, id);
        id
    }

    pub fn get(&self, id: TextId) -> &Untrusted {
        &self.list[id.0.get() as usize - 1]
    }

    /// About how much memory they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn event_id(&mut self, id: Untrusted) -> EventId {
        let mut number = None;
        id.test(|id| {
            number = uuid(id);
            number.is_some()
        });
        number.map_or_else(|| EventId::Text(self.id(id)), EventId::Uuid)
    }

    /// An event id as CloudTrail writes it.
    pub fn of_event(&self, id: EventId) -> Untrusted {
        match id {
            EventId::Uuid(number) => Untrusted::new(Uuid::from_u128(number).hyphenated().to_string()),
            EventId::Text(id) => self.get(id).clone(),
        }
    }
}

/// CloudTrail's ids are UUIDs. Others may be any text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventId {
    Uuid(u128),
    Text(TextId),
}

/// The number of a UUID as CloudTrail writes it: with hyphens, and in lower case.
fn uuid(text: &str) -> Option<u128> {
    let number = Uuid::try_parse(text).ok()?;
    (number.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then(|| number.as_u128())
}
