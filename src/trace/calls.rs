//! All calls of a trace. Each text is in memory once; the calls are too, as long as they are few.

mod texts;

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashSet},
    fs::File,
    io,
};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    call::{Call, Outcome},
    left_behind::Left,
    sorted::{Sorted, Sorter},
};
use crate::untrusted::Untrusted;
use texts::Texts;

pub use texts::{EventId, TextId};

/// A call, with the numbers of its texts.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub event_id: Option<EventId>,
    #[serde(with = "nanoseconds")]
    pub event_time: Option<OffsetDateTime>,
    /// The number of the identity.
    pub identity: u32,
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
    /// The number of what it left behind, see [`Timeline::left`].
    left: Option<u32>,
    pub log_file: TextId,
}

/// The calls of the traced identities, as they are found.
pub struct Calls {
    rows: Sorter<Row>,
    texts: Texts,
    left: Vec<Box<[Left]>>,
    left_bytes: usize,
    most: usize,
    spill: fn() -> io::Result<File>,
    /// With copies.
    pub found: usize,
}

/// The most calls kept in memory, about 40 MB.
pub const IN_MEMORY: usize = 250_000;

impl Calls {
    /// Beyond [`IN_MEMORY`] calls, they are in files that `spill` makes, and that are gone when they are closed.
    pub fn new(spill: fn() -> io::Result<File>) -> Calls {
        Calls::holding(IN_MEMORY, spill)
    }

    fn holding(most: usize, spill: fn() -> io::Result<File>) -> Calls {
        Calls {
            rows: Sorter::new(most, spill),
            most,
            texts: Texts::default(),
            left: Vec::new(),
            left_bytes: 0,
            spill,
            found: 0,
        }
    }

    /// # Errors
    /// The temporary folder has no room.
    pub fn add(&mut self, call: Call, log_file: &str) -> io::Result<()> {
        let texts = &mut self.texts;
        let mut id = |text: Option<Untrusted>| text.map(|text| texts.id(text));
        let bytes = |left: &Left| left.id.bytes() + left.undo.as_ref().map_or(0, String::len) + 48;
        self.left_bytes += call.left.iter().map(bytes).sum::<usize>();
        let left = (!call.left.is_empty()).then(|| {
            self.left.push(call.left.into());
            number(self.left.len() - 1)
        });
        let row = Row {
            event_time: call.event_time,
            identity: number(call.identity),
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
            left,
            event_id: call.event_id.map(|id| texts.event_id(id)),
        };
        self.found += 1;
        self.rows.push(row, by_id(&self.texts))
    }

    /// About how much memory the texts take, and what was left behind. The calls take a fixed size.
    pub fn bytes(&self) -> usize {
        self.left_bytes + self.texts.bytes()
    }

    /// Keeps one call for each event id, in the order of time. The order of the log files makes no difference.
    ///
    /// # Errors
    /// The temporary folder has no room.
    pub fn finish(self) -> io::Result<Timeline> {
        let Calls { rows, texts, left, most, spill, .. } = self;
        let mut kept = Sorter::new(most, spill);
        let (mut duplicates, mut calls, mut last) = (0, 0, None);
        let mut behind = HashSet::new();
        rows.finish(by_id(&texts))?.into_each(by_id(&texts), |row| {
            if row.event_id.is_some() && row.event_id == last {
                duplicates += 1;
                return Ok(());
            }
            last = row.event_id;
            calls += 1;
            behind.extend(row.caller_account_id.zip(row.behind));
            kept.push(row, by_time(&texts))
        })?;
        let behind =
            behind.into_iter().map(|(account, name)| (texts.get(account).clone(), texts.get(name).clone())).collect();
        let rows = kept.finish(by_time(&texts))?;
        Ok(Timeline { rows, calls, duplicates, behind, texts, left })
    }
}

/// Four billion do not fit into the memory that a trace may take. Beyond that, all are the last one.
fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The calls of the traced identities, each once, in the order of time.
pub struct Timeline {
    rows: Sorted<Row>,
    pub calls: u64,
    /// Copies of calls.
    pub duplicates: u64,
    /// The users and roles behind the calls, each with its account.
    pub behind: BTreeSet<(Untrusted, Untrusted)>,
    texts: Texts,
    left: Vec<Box<[Left]>>,
}

impl Timeline {
    /// Visits all calls.
    ///
    /// # Errors
    /// Those of `visit`, or the temporary file cannot be read.
    pub fn each<E: From<io::Error>>(&self, visit: impl FnMut(&Row) -> Result<(), E>) -> Result<(), E> {
        self.rows.each(by_time(&self.texts), visit)
    }

    pub fn text(&self, id: TextId) -> &Untrusted {
        self.texts.get(id)
    }

    /// What the call left behind.
    pub fn left(&self, row: &Row) -> &[Left] {
        row.left.and_then(|left| self.left.get(left as usize)).map_or(&[], |left| left)
    }

    /// As CloudTrail writes it.
    pub fn event_id(&self, id: EventId) -> Untrusted {
        self.texts.of_event(id)
    }
}

/// By event id, the earliest copy first.
fn by_id(texts: &Texts) -> impl Fn(&Row, &Row) -> Ordering {
    |a, b| ids(texts, a, b).then_with(|| a.event_time.cmp(&b.event_time)).then_with(|| files(texts, a, b))
}

fn by_time(texts: &Texts) -> impl Fn(&Row, &Row) -> Ordering {
    |a, b| a.event_time.cmp(&b.event_time).then_with(|| ids(texts, a, b)).then_with(|| files(texts, a, b))
}

/// The numbers of texts depend on the order of the log files, so that the texts themselves are compared.
fn ids(texts: &Texts, a: &Row, b: &Row) -> Ordering {
    let text = |row: &Row| match row.event_id {
        Some(EventId::Text(id)) => Some(texts.get(id)),
        _ => None,
    };
    let number = |row: &Row| match row.event_id {
        Some(EventId::Uuid(number)) => Some(number),
        _ => None,
    };
    number(a).cmp(&number(b)).then_with(|| text(a).cmp(&text(b)))
}

fn files(texts: &Texts, a: &Row, b: &Row) -> Ordering {
    texts.get(a.log_file).cmp(texts.get(b.log_file))
}

/// A time in temporary files.
mod nanoseconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use time::OffsetDateTime;

    #[expect(clippy::ref_option, reason = "serde asks for it")]
    pub fn serialize<S: Serializer>(time: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(OffsetDateTime::unix_timestamp_nanos).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
        let number = Option::<i128>::deserialize(deserializer)?;
        number.map(OffsetDateTime::from_unix_timestamp_nanos).transpose().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
