//! CSV for spreadsheets, which execute a cell that begins like a formula.
//!
//! <https://owasp.org/www-community/attacks/CSV_Injection>

use ::csv::Writer;
use quarantine_alert::{alert::Alert, untrusted::Untrusted};

const HEADER: [&str; 21] = [
    "eventTime",
    "outcome",
    "severity",
    "accountId",
    "region",
    "entityType",
    "entityName",
    "policy",
    "actorType",
    "actorArn",
    "accessKeyId",
    "sourceIPAddress",
    "userAgent",
    "calledByAWS",
    "bucket",
    "key",
    "eventID",
    "alertId",
    "ruleId",
    "count",
    "lastEventTime",
];

pub fn text(alerts: &[Alert]) -> anyhow::Result<String> {
    let mut csv = Writer::from_writer(Vec::new());
    csv.write_record(HEADER)?;
    for alert in alerts {
        let actor = &alert.actor;
        let source = &alert.source;
        let shown = |text: &Option<Untrusted>| text.as_ref().map_or(String::new(), cell);
        let last = alert.occurrences.as_ref().map_or(&alert.event_time, |seen| &seen.last_event_time);
        csv.write_record([
            alert.event_time.clone().unwrap_or_default(),
            alert.outcome.to_string(),
            alert.severity.to_string(),
            alert.account_id.clone(),
            cell(&alert.region),
            alert.entity.kind.to_string(),
            cell(&alert.entity.name),
            alert.policy.as_ref().map_or(String::new(), |policy| cell(&policy.name)),
            shown(&actor.kind),
            shown(&actor.arn),
            shown(&actor.access_key_id),
            shown(&actor.source_ip_address),
            shown(&actor.user_agent),
            actor.aws_internal.map_or(String::new(), |is_aws| is_aws.to_string()),
            shown(&source.bucket),
            shown(&source.key),
            shown(&source.event_id),
            alert.alert_id.clone(),
            alert.id.to_owned(),
            alert.occurrences.as_ref().map_or("1".into(), |seen| seen.count.to_string()),
            last.clone().unwrap_or_default(),
        ])?;
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}

/// One line that is not a formula: a text that begins like one gets an apostrophe. IAM allows such names. In some languages
/// a semicolon separates cells, and in some a wide character begins a formula.
pub fn cell(text: &Untrusted) -> String {
    let is_formula = |part: &str| part.trim_start().starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠']);
    let text = text.visible(4096);
    let parts = text.split(';').map(|part| if is_formula(part) { format!("'{part}") } else { part.to_owned() });
    parts.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+x", "-x", "@SUM(1)", " =x", "|x", "＝x"] {
            assert!(cell(&text.into()).starts_with('\''), "{text}");
        }
        assert_eq!(cell(&"\t=x\r\n".into()), r"\u{9}=x\u{d}\u{a}");
        assert_eq!(cell(&"ci-deploy@x".into()), "ci-deploy@x");
    }
}
