//! The alert as a custom notification of Amazon Q Developer in chat applications, which silently drops everything that does
//! not match its schema.
//!
//! <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>

use serde::Serialize;

use crate::{alert::Alert, rule::Outcome, untrusted::Untrusted};

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
    /// Duplicates of an alert go to one thread.
    thread_id: &'a str,
    summary: String,
}

pub(super) fn card(alert: &Alert) -> String {
    let shown = |text: &Option<Untrusted>| text.as_ref().map_or("unknown".into(), code);
    let title = alert.title_with(&code(&alert.entity.name));
    let tried = match alert.outcome {
        Outcome::Enforced => {
            format!("\n*Tried:* {} {}", shown(&alert.call.event_source), shown(&alert.call.event_name))
        }
        _ => String::new(),
    };
    let description = format!(
        "{} {} in account {}, {}\n*Event time:* {}\n*Actor:* {} from {}\n*Called by:* {}{tried}\n<{}|Open in the console>",
        alert.entity.kind,
        code(&alert.entity.name),
        alert.account_id,
        code(&alert.region),
        alert.event_time.as_deref().unwrap_or("unknown"),
        shown(&alert.actor.arn),
        shown(&alert.actor.source_ip_address),
        alert.caller(),
        alert.link,
    );
    super::json(&Card {
        version: "1.0",
        source: "custom",
        content: CardContent {
            text_type: "client-markdown",
            title: format!("{}: {title}", alert.severity),
            description,
            next_steps: alert.steps.iter().map(|step| step.text.as_str()).collect(),
        },
        metadata: Metadata { thread_id: &alert.alert_id, summary: title },
    })
}

/// As code, in which nothing is markup. Characters that would end the code, or make a mention or a link in it, are replaced.
fn code(text: &Untrusted) -> String {
    format!("`{}`", text.unlinked_text(200).replace('`', "'").replace(['<', '>', '&'], "?"))
}
