//! Alert → what SNS gets: one text for each kind of subscriber, the subject and the attributes, within SNS's limit.
//!
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

mod chat;
mod email;
mod json;
mod sms;

use serde::Serialize;

use crate::{alert::Alert, config::HttpsFormat};

/// What is published.
#[derive(Debug)]
pub struct Message {
    /// 1 to 99 printable ASCII characters.
    pub subject: String,
    /// For `MessageStructure=json`.
    pub body: String,
    /// Strings, none of them empty. AWS documents that they may be dropped with `MessageStructure=json`, so all
    /// of it stands in the body too.
    pub attributes: [(&'static str, String); 6],
}

/// SNS takes 256 KiB: the UTF-8 of the body and of the names, types and values of the attributes.
pub const MOST_BYTES: usize = 262_144;
const MOST_SUBJECT_CHARS: usize = 99;

/// A text for each protocol; the others get the JSON alert.
#[derive(Serialize)]
struct Bodies {
    default: String,
    email: String,
    sms: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    https: Option<String>,
}

/// Trims the alert, in the order of [`Alert::trim`], until it fits.
pub fn render(mut alert: Alert, https_format: HttpsFormat) -> Message {
    loop {
        let message = Message {
            subject: subject(&alert),
            body: json::text(&Bodies {
                default: json::text(&alert),
                email: email::text(&alert),
                sms: sms::text(&alert),
                https: match https_format {
                    HttpsFormat::Default => None,
                    HttpsFormat::Chat => Some(chat::card(&alert)),
                },
            }),
            attributes: attributes(&alert),
        };
        if message.bytes() <= MOST_BYTES || !alert.trim() {
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
    let title = alert.ascii_title(MOST_SUBJECT_CHARS - severity.len());
    severity + &title
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

#[cfg(test)]
pub(crate) mod tests;
