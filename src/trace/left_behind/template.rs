//! Templates that take values out of a record.

use crate::{json::Fields, untrusted::Untrusted};

/// The texts of a template: literal text with holes such as `{requestParameters.userName}`. A hole may have alternatives
/// (`{responseElements.user.userName|requestParameters.userName}`), the first that is present counts; `[]` after a name goes
/// through a list, and then there is a text for each element. A text with a hole that the record does not fill is left out.
pub fn texts(template: &str, fields: &Fields<'_>) -> Vec<Untrusted> {
    templates(template, fields, Holes::AsTheyAre).into_iter().flatten().map(Untrusted::new).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holes {
    AsTheyAre,
    /// Quoted for a shell. A value that a shell or a person could misread becomes a placeholder.
    Shell,
}

/// A text for each element of the list, or one.
pub(super) fn templates(template: &str, fields: &Fields<'_>, holes: Holes) -> Vec<Option<String>> {
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
    use serde_json::json;

    use super::*;

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
