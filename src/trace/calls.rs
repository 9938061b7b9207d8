//! All calls of a trace, in little memory: each text is held once, and a call takes about 150 bytes.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap, HashSet},
    num::NonZeroU32,
};

use time::OffsetDateTime;

use super::{
    call::{Call, Outcome},
    left_behind::Left,
};
use crate::untrusted::Untrusted;

/// Texts, each held once.
#[derive(Default)]
pub struct Texts {
    ids: HashMap<Untrusted, TextId>,
    list: Vec<Untrusted>,
    bytes: usize,
}

/// The number of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TextId(NonZeroU32);

impl Texts {
    fn id(&mut self, text: Untrusted) -> TextId {
        if let Some(id) = self.ids.get(&text) {
            return *id;
        }
        // Four billion texts do not fit into the memory that a trace may take. Beyond that, all are the last one.
        let number = u32::try_from(self.list.len() + 1).unwrap_or(u32::MAX);
        let id = TextId(NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX));
        self.bytes += 2 * text.bytes() + 48;
        self.list.push(text.clone());
        self.ids.insert(text, id);
        id
    }

    pub fn get(&self, id: TextId) -> &Untrusted {
        &self.list[id.0.get() as usize - 1]
    }
}

/// CloudTrail's ids are UUIDs. Others may be any text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventId {
    Uuid(u128),
    Text(TextId),
}

/// A call, with the numbers of its texts.
pub struct Row {
    pub event_id: Option<EventId>,
    pub event_time: Option<OffsetDateTime>,
    /// The number of the identity.
    pub identity: usize,
    pub outcome: Outcome,
    pub is_on_behalf: bool,
    pub is_data_event: bool,
    /// Whether it read the resources.
    pub is_access: bool,
    pub account_id: TextId,
    pub event_source: TextId,
    pub event_name: TextId,
    pub region: Option<TextId>,
    pub error_code: Option<TextId>,
    pub source_ip_address: Option<TextId>,
    pub user_agent: Option<TextId>,
    pub caller_arn: Option<TextId>,
    pub caller_account_id: Option<TextId>,
    /// The user or role behind the call, in the caller's account.
    pub behind: Option<TextId>,
    pub resources: Box<[TextId]>,
    pub left: Box<[Left]>,
    pub log_file: TextId,
}

/// The calls of the traced identities.
#[derive(Default)]
pub struct Calls {
    pub rows: Vec<Row>,
    /// Copies of calls.
    pub duplicates: u64,
    texts: Texts,
    /// The ids of the calls that an addendum replaces.
    replaced: HashSet<EventId>,
    bytes: usize,
}

impl Calls {
    pub fn add(&mut self, call: Call, log_file: &str) {
        let texts = &mut self.texts;
        let mut id = |text: Option<Untrusted>| text.map(|text| texts.id(text));
        let row = Row {
            event_time: call.event_time,
            identity: call.identity,
            outcome: call.outcome,
            is_on_behalf: call.is_on_behalf,
            is_data_event: call.is_data_event,
            is_access: call.is_access,
            region: id(call.region),
            error_code: id(call.error_code),
            source_ip_address: id(call.source_ip_address),
            user_agent: id(call.user_agent),
            caller_arn: id(call.caller_arn),
            caller_account_id: id(call.caller_account_id.map(Untrusted::new)),
            behind: id(call.behind),
            account_id: texts.id(Untrusted::new(call.account_id)),
            event_source: texts.id(call.event_source),
            event_name: texts.id(call.event_name),
            resources: call.resources.into_iter().map(|resource| texts.id(resource)).collect(),
            log_file: texts.id(log_file.into()),
            left: call.left.into(),
            event_id: call.event_id.map(|id| event_id(texts, id)),
        };
        let left: usize =
            row.left.iter().map(|left| left.id.bytes() + left.undo.as_ref().map_or(0, String::len) + 48).sum();
        self.bytes += size_of::<Row>() + row.resources.len() * size_of::<TextId>() + left;
        self.rows.push(row);
    }

    /// The call or undoing of this event id does not count: an addendum replaces its record.
    pub fn replace(&mut self, id: Untrusted) {
        let id = event_id(&mut self.texts, id);
        self.replaced.insert(id);
    }

    pub fn is_replaced(&mut self, id: Untrusted) -> bool {
        self.replaced.contains(&event_id(&mut self.texts, id))
    }

    /// About how much memory the calls take.
    pub fn bytes(&self) -> usize {
        self.bytes + self.texts.bytes
    }

    pub fn text(&self, id: TextId) -> &Untrusted {
        self.texts.get(id)
    }

    /// As CloudTrail writes it.
    pub fn event_id(&self, id: EventId) -> Untrusted {
        match id {
            EventId::Uuid(number) => {
                let digits = format!("{number:032x}");
                let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].map(|(start, end)| &digits[start..end]);
                Untrusted::new(parts.join("-"))
            }
            EventId::Text(id) => self.text(id).clone(),
        }
    }

    /// Keeps one call for each event id, in the order of time, without those that an addendum replaces. The order of the log files
    /// makes no difference.
    pub fn finish(&mut self) {
        let Calls { rows, texts, replaced, .. } = self;
        rows.retain(|row| row.event_id.is_none_or(|id| !replaced.contains(&id)));
        let text = |id: Option<EventId>| match id {
            Some(EventId::Text(id)) => Some(texts.get(id)),
            _ => None,
        };
        let number = |id: Option<EventId>| match id {
            Some(EventId::Uuid(number)) => Some(number),
            _ => None,
        };
        rows.sort_by(|a, b| {
            let ids =
                || number(a.event_id).cmp(&number(b.event_id)).then_with(|| text(a.event_id).cmp(&text(b.event_id)));
            let files = || texts.get(a.log_file).cmp(texts.get(b.log_file));
            let order: Ordering = a.event_time.cmp(&b.event_time);
            order.then_with(ids).then_with(files)
        });
        let all = rows.len();
        let mut seen = HashSet::new();
        rows.retain(|row| row.event_id.is_none_or(|id| seen.insert(id)));
        self.duplicates += (all - rows.len()) as u64;
    }

    /// The users and roles behind the calls, each with its account.
    pub fn behind(&self) -> BTreeSet<(Untrusted, Untrusted)> {
        let ids: HashSet<_> = self.rows.iter().filter_map(|row| row.caller_account_id.zip(row.behind)).collect();
        ids.into_iter().map(|(account, name)| (self.text(account).clone(), self.text(name).clone())).collect()
    }
}

fn event_id(texts: &mut Texts, id: Untrusted) -> EventId {
    let mut number = None;
    id.test(|id| {
        number = uuid(id);
        number.is_some()
    });
    number.map_or_else(|| EventId::Text(texts.id(id)), EventId::Uuid)
}

/// The number of a UUID as CloudTrail writes it, in lower case.
fn uuid(text: &str) -> Option<u128> {
    let is_uuid = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    if is_uuid { u128::from_str_radix(&text.replace('-', ""), 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_shown_as_it_was_logged() {
        let mut calls = Calls::default();
        for id in [
            "a1c3e5f7-0b2d-4f68-8a9c-7e5d3c1b0a99",
            "00000000-0000-0000-0000-000000000000",
            "A1C3E5F7-0B2D-4F68-8A9C-7E5D3C1B0A99",
            "1",
            "",
        ] {
            let number = event_id(&mut calls.texts, id.into());
            assert_eq!(calls.event_id(number).visible(99), id);
        }
        assert!(size_of::<Row>() <= 160, "{}", size_of::<Row>());
    }
}
