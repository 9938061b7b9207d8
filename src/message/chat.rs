//! The alert as a custom notification of Amazon Q Developer in chat applications, which silently drops everything that does
//! not match its schema.
//!
//! <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>

use std::fmt::Write;

use serde::Serialize;

use crate::{alert::Alert, rule::Outcome, untrusted::Untrusted};

/// Longer values are cut here. The JSON alert has them whole.
const MAX_CHARS: usize = 200;

#[derive(Serialize)]
struct Card<'a> {
    version: &'static str,
    source: &'static str,
    content: CardContent<'a>,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CardContent<'a> {
    text_type: &'static str,
    title: String,
    description: String,
    next_steps: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    /// All alerts about one entity go to one thread, whichever channel they come from.
    thread_id: &'a str,
    summary: String,
}

pub(super) fn card(alert: &Alert) -> String {
    let shown = |text: &Option<Untrusted>| text.as_ref().map_or("unknown".into(), code);
    let title = alert.title_with(&code(&alert.entity.name));
    let mut description = format!(
        "{} {} in account {}, {}\n*Event time:* {}\n",
        alert.entity.kind,
        code(&alert.entity.name),
        alert.account_id,
        code(&alert.region),
        alert.event_time.as_deref().unwrap_or("unknown"),
    );
    let _ = match &alert.reported {
        Some(reported) => {
            let place = alert.leak.as_ref().map(|leak| as_code(&leak.url.defanged_url(MAX_CHARS)));
            write!(
                description,
                "*Access key:* {}\n*Leaked at:* {}\n*Reported by:* AWS Health, {}",
                shown(&alert.actor.access_key_id),
                place.as_deref().unwrap_or("unknown"),
                code(&reported.event_type_code),
            )
        }
        None => write!(
            description,
            "*Actor:* {} from {}\n*Called by:* {}",
            shown(&alert.actor.arn),
            shown(&alert.actor.source_ip_address),
            alert.caller(),
        ),
    };
    if alert.outcome == Outcome::Enforced {
        let _ = write!(description, "\n*Tried:* {} {}", shown(&alert.call.event_source), shown(&alert.call.event_name));
    }
    if let Some(sentence) = alert.other_channel() {
        let _ = write!(description, "\n*See also:* {sentence}");
    }
    let _ = write!(description, "\n<{}|Open in the console>", alert.link);
    super::json(&Card {
        version: "1.0",
        source: "custom",
        content: CardContent {
            text_type: "client-markdown",
            title: format!("{}: {title}", alert.severity),
            description,
            next_steps: alert.steps.iter().map(|step| step.text.as_str()).collect(),
        },
        metadata: Metadata { thread_id: &alert.incident_key, summary: title },
    })
}

/// As code, in which nothing is markup. Characters that would end the code, or make a mention or a link in it, are replaced.
fn code(text: &Untrusted) -> String {
    as_code(&text.unlinked_text(MAX_CHARS))
}

/// The same for a text without links.
fn as_code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace(['<', '>', '&'], "?"))
}
