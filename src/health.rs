//! AWS Health's events: those that EventBridge delivers, reduced to what they contain about exposed credentials.
//!
//! A field of a wrong type counts as missing, so that it hides no other field.
//!
//! <https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html>

use serde_json::value::RawValue;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc2822};

use crate::{json::Fields, trail::time::parse as parse_time, untrusted::Untrusted};

/// An event of AWS Health: the fields that the rule and the alert use.
#[derive(Debug)]
pub struct HealthEvent {
    /// As it was delivered.
    pub raw: Box<str>,
    /// EventBridge's id. A copy in the backup Region has another one.
    pub id: Option<Untrusted>,
    pub service: Untrusted,
    pub event_type_code: Untrusted,
    pub event_arn: Option<Untrusted>,
    /// Backup copies and pages of one communication share it.
    pub communication_id: Option<Untrusted>,
    pub status_code: Option<Untrusted>,
    /// `global` if the event is of no Region.
    pub region: Option<Untrusted>,
    /// When the event began, else when AWS last changed or sent it.
    pub time: Option<OffsetDateTime>,
    /// `affectedEntities`. An element without a readable value is `None`.
    pub affected: Vec<Option<Untrusted>>,
    pub user_name: Option<Untrusted>,
    pub public_key: Option<Untrusted>,
    pub exposed_url: Option<Untrusted>,
    affected_account: Option<Untrusted>,
    metadata_account: Option<Untrusted>,
    /// With the organization view, this is the account that received the event.
    receiver: Option<Untrusted>,
}

impl HealthEvent {
    /// Reads an event whose `source` is `aws.health`. `text` is all of it.
    ///
    /// # Errors
    /// The name of a field that is missing, without which the event cannot be understood.
    pub fn of(fields: &Fields<'_>, text: &str) -> Result<HealthEvent, &'static str> {
        let detail = fields.object("detail").ok_or("detail")?;
        let metadata = detail.object("eventMetadata").unwrap_or_default();
        Ok(HealthEvent {
            raw: text.into(),
            id: not_empty(fields, "id"),
            service: not_empty(&detail, "service").ok_or("detail.service")?,
            event_type_code: not_empty(&detail, "eventTypeCode").ok_or("detail.eventTypeCode")?,
            event_arn: not_empty(&detail, "eventArn"),
            communication_id: not_empty(&detail, "communicationId"),
            status_code: not_empty(&detail, "statusCode"),
            region: not_empty(&detail, "eventRegion").or_else(|| not_empty(fields, "region")),
            time: time(fields, &detail),
            affected: affected(&detail),
            user_name: not_empty(&metadata, "userName"),
            public_key: not_empty(&metadata, "publicKey"),
            exposed_url: not_empty(&metadata, "exposedUrl"),
            affected_account: not_empty(&detail, "affectedAccount"),
            metadata_account: not_empty(&metadata, "accountId"),
            receiver: not_empty(fields, "account"),
        })
    }

    /// The affected account. AWS redacts `affectedAccount` in some events.
    pub fn account_id(&self) -> &str {
        let accounts = [&self.affected_account, &self.metadata_account, &self.receiver];
        accounts.into_iter().find_map(|id| id.as_ref()?.account_id()).unwrap_or("unknown")
    }

    /// Whether the event names a user other than root. AWS leaves out the name for root, or so it seems: no complete event of a
    /// root key is public.
    pub fn names_a_user(&self) -> bool {
        self.user_name.is_some() && !self.names_root()
    }

    pub fn names_root(&self) -> bool {
        self.user_name.as_ref().is_some_and(|name| name.test(|name| name.trim().eq_ignore_ascii_case("root")))
    }
}

/// `detail` has HTTP dates, the event itself RFC 3339.
fn time(event: &Fields<'_>, detail: &Fields<'_>) -> Option<OffsetDateTime> {
    let of_detail = |name| {
        let text = detail.text(name)?;
        OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?.checked_to_offset(UtcOffset::UTC)
    };
    let is_likely = |time: &OffsetDateTime| crate::trail::time::is_likely(*time);
    let of_event = || event.raw("time").and_then(parse_time);
    ["startTime", "lastUpdatedTime"].into_iter().find_map(|name| of_detail(name).filter(is_likely)).or_else(of_event)
}

fn affected(detail: &Fields<'_>) -> Vec<Option<Untrusted>> {
    let elements = detail.list("affectedEntities").unwrap_or_default();
    let value = |element: &&RawValue| not_empty(&Fields::of(element.get()).ok()?, "entityValue");
    elements.iter().map(value).collect()
}

/// A blank text is a missing value.
fn not_empty(fields: &Fields<'_>, name: &str) -> Option<Untrusted> {
    fields.text(name).filter(|text| !text.trim().is_empty()).map(Untrusted::new)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::trail::time::rfc3339;

    fn event(value: &Value) -> Result<HealthEvent, &'static str> {
        let text = value.to_string();
        HealthEvent::of(&Fields::of(&text).unwrap(), &text)
    }

    fn with_detail(detail: Value) -> HealthEvent {
        let mut whole = json!({ "service": "RISK", "eventTypeCode": "AWS_RISK_X" });
        whole.as_object_mut().unwrap().extend(detail.as_object().unwrap().clone());
        event(&json!({ "account": "999999999999", "time": "2026-11-24T03:02:05Z", "detail": whole })).unwrap()
    }

    #[test]
    fn the_account_is_the_first_that_has_twelve_digits() {
        for (detail, expected) in [
            (
                json!({ "affectedAccount": "111122223333", "eventMetadata": { "accountId": "444455556666" } }),
                "111122223333",
            ),
            (
                json!({ "affectedAccount": "<redacted>", "eventMetadata": { "accountId": "444455556666" } }),
                "444455556666",
            ),
            (json!({ "affectedAccount": null, "eventMetadata": { "accountId": "4" } }), "999999999999"),
        ] {
            assert_eq!(with_detail(detail).account_id(), expected);
        }
        let nowhere = json!({ "detail": { "service": "RISK", "eventTypeCode": "AWS_RISK_X" } });
        assert_eq!(event(&nowhere).unwrap().account_id(), "unknown");
    }

    #[test]
    fn root_is_a_name_and_a_missing_or_blank_one_is_none() {
        let names = |name: Value| {
            let event = with_detail(json!({ "eventMetadata": { "userName": name } }));
            (event.names_a_user(), event.names_root())
        };
        assert_eq!((names(json!("ci-deploy")), names(json!("rooter"))), ((true, false), (true, false)));
        assert_eq!((names(json!("root")), names(json!(" Root "))), ((false, true), (false, true)));
        for blank in [json!(null), json!(""), json!(" "), json!(7)] {
            assert_eq!(names(blank), (false, false));
        }
    }

    #[test]
    fn the_time_is_that_of_the_beginning_else_of_the_last_change_else_of_the_delivery() {
        let time = |detail: Value| with_detail(detail).time.map(rfc3339).unwrap();
        let start = "Tue, 24 Nov 2026 03:01:40 GMT";
        let changed = "Tue, 24 Nov 2026 03:01:58 GMT";
        assert_eq!(time(json!({ "startTime": start, "lastUpdatedTime": changed })), "2026-11-24T03:01:40Z");
        assert_eq!(time(json!({ "startTime": "soon", "lastUpdatedTime": changed })), "2026-11-24T03:01:58Z");
        for unlikely in ["Thu, 1 Jan 1970 00:00:00 GMT", "Tue, 24 Nov 2099 03:01:40 GMT", ""] {
            assert_eq!(time(json!({ "startTime": unlikely })), "2026-11-24T03:02:05Z");
        }
    }

    #[test]
    fn an_event_that_cannot_be_understood_names_the_missing_field() {
        for (value, field) in [
            (json!({ "detail": null }), "detail"),
            (json!({ "detail": { "eventTypeCode": "AWS_RISK_X" } }), "detail.service"),
            (json!({ "detail": { "service": "RISK", "eventTypeCode": ["AWS_RISK_X"] } }), "detail.eventTypeCode"),
        ] {
            assert_eq!(event(&value).err(), Some(field));
        }
    }

    #[test]
    fn an_affected_entity_that_cannot_be_read_still_counts() {
        let event = with_detail(json!({ "affectedEntities": [{ "entityValue": "a" }, 7, { "entityValue": null }] }));
        assert_eq!(event.affected.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
        assert!(with_detail(json!({ "affectedEntities": "a" })).affected.is_empty());
    }
}
