//! Alert → what SNS gets: a text for each kind of subscriber, the subject and the attributes, within SNS's size limit.
//!
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

mod chat;
mod email;

use serde::Serialize;

use crate::{
    alert::Alert,
    config::HttpsFormat,
    untrusted::{acts, push_escaped},
};

/// A message for the topic: one body per protocol.
#[derive(Debug)]
pub struct Message {
    /// 1 to 99 printable ASCII characters.
    pub subject: String,
    /// For `MessageStructure=json`.
    pub body: String,
    /// Strings, none of them empty. AWS documents that they may be dropped with `MessageStructure=json`, so the body contains
    /// all of them.
    pub attributes: [(&'static str, String); 6],
}

/// SNS takes 256 KiB: the UTF-8 of the body and of the names, types and values of the attributes.
pub const MAX_BYTES: usize = 262_144;
const MAX_SUBJECT_CHARS: usize = 99;
/// One SMS: <https://docs.aws.amazon.com/sns/latest/dg/sms_sending-overview.html>
const MAX_SMS_CHARS: usize = 140;

/// A text for each protocol. All others get the JSON alert.
#[derive(Serialize)]
struct Bodies {
    default: String,
    email: String,
    sms: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    https: Option<String>,
}

/// Trims the alert, in the order of [`Alert::trim`], until the message fits.
pub fn render(mut alert: Alert, https_format: HttpsFormat) -> Message {
    loop {
        let default = json(&alert);
        // A record may have megabytes, and nothing else is made of them.
        if default.len() > MAX_BYTES && alert.trim() {
            continue;
        }
        let message = Message {
            subject: subject(&alert),
            body: json(&Bodies {
                default: inert(default),
                email: email::text(&alert),
                sms: sms(&alert),
                https: match https_format {
                    HttpsFormat::Default => None,
                    HttpsFormat::Chat => Some(chat::card(&alert)),
                },
            }),
            attributes: attributes(&alert),
        };
        if message.bytes() <= MAX_BYTES || !alert.trim() {
            return message;
        }
    }
}

impl Message {
    /// As SNS counts them.
    fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len());
        self.body.len() + attributes.sum::<usize>()
    }
}

fn subject(alert: &Alert) -> String {
    let severity = format!("{}: ", alert.severity);
    let title = alert.ascii_title(MAX_SUBJECT_CHARS - severity.len());
    severity + &title
}

/// One line of ASCII.
fn sms(alert: &Alert) -> String {
    let severity = format!("{}: ", alert.severity);
    let time = alert.event_time.as_ref().map_or(String::new(), |time| format!(", {time}"));
    let title = alert.ascii_title(MAX_SMS_CHARS.saturating_sub(severity.len() + time.len()));
    format!("{severity}{title}{time}")
}

fn attributes(alert: &Alert) -> [(&'static str, String); 6] {
    [
        ("severity", alert.severity.to_string()),
        ("ruleId", alert.id.to_owned()),
        ("accountId", alert.account_id.clone()),
        ("region", alert.region.ascii(64)),
        ("entityType", alert.entity.kind.to_string()),
        ("outcome", alert.outcome.to_string()),
    ]
}

/// All values here have a JSON form. SNS would refuse an empty text, and the item would fail.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The same JSON, with characters that move or hide text as escapes: people read it in terminals and browsers, too. Outside of
/// strings, JSON has none of them.
fn inert(json: String) -> String {
    let hides = |c: char| !c.is_ascii() && acts(c) || c == '\u{7f}';
    if !json.contains(hides) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if !hides(c) {
            escaped.push(c);
            continue;
        }
        push_escaped(&mut escaped, c);
    }
    escaped
}

#[cfg(test)]
pub(crate) mod tests;
