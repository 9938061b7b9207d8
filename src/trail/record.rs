//! One CloudTrail record: the few fields that are matched or shown, and the raw text.
//!
//! A field of a wrong type counts as missing, so that it hides no other field.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::time::parse as parse_time;
use crate::{
    json::{Fields, JsonError, repaired},
    untrusted::Untrusted,
};

/// A CloudTrail record. Each field has CloudTrail's own name.
#[derive(Debug)]
pub struct Record {
    /// The record as logged, as valid UTF-8 without lone surrogates (see [`repaired`]).
    pub raw: Box<str>,
    /// When the call was made, in UTC. `None` if missing or unreadable (see [`super::time::parse`]).
    pub event_time: Option<OffsetDateTime>,
    pub event_source: Option<Untrusted>,
    pub event_name: Option<Untrusted>,
    pub aws_region: Option<Untrusted>,
    pub source_ip_address: Option<Untrusted>,
    pub user_agent: Option<Untrusted>,
    /// `None` if missing or empty: the call succeeded.
    pub error_code: Option<Untrusted>,
    pub error_message: Option<Untrusted>,
    pub event_id: Option<Untrusted>,
    pub request_id: Option<Untrusted>,
    pub recipient_account_id: Option<Untrusted>,
    pub user_identity: UserIdentity,
    /// CloudTrail omits them from a call that was denied.
    pub request_parameters: Option<RequestParameters>,
    /// As logged. `None` if missing or null.
    response_elements: Option<Box<RawValue>>,
}

/// Who made the call.
#[derive(Debug)]
pub struct UserIdentity {
    pub kind: Option<Untrusted>,
    pub arn: Option<Untrusted>,
    pub principal_id: Option<Untrusted>,
    pub account_id: Option<Untrusted>,
    pub access_key_id: Option<Untrusted>,
    pub user_name: Option<Untrusted>,
    /// The user or role behind the caller's session.
    pub session_issuer: Option<SessionIssuer>,
}

/// Whose session it is (`sessionContext.sessionIssuer`).
#[derive(Debug)]
pub struct SessionIssuer {
    pub kind: Option<Untrusted>,
    pub user_name: Option<Untrusted>,
    pub arn: Option<Untrusted>,
}

/// The parameters of IAM's policy calls.
#[derive(Debug)]
pub struct RequestParameters {
    pub user_name: Option<Untrusted>,
    pub group_name: Option<Untrusted>,
    pub role_name: Option<Untrusted>,
    pub policy_arn: Option<Untrusted>,
    pub policy_name: Option<Untrusted>,
}

impl Record {
    /// Reads one record.
    ///
    /// # Errors
    /// The text is not a JSON object.
    pub fn parse(text: &[u8]) -> Result<Record, JsonError> {
        let text = repaired(text);
        let fields = Fields::of(&text)?;
        Ok(Record::of(&fields, &text))
    }

    /// The record of an object. `text` is all of it.
    pub fn of(fields: &Fields<'_>, text: &str) -> Record {
        let user_identity = fields.object("userIdentity").unwrap_or_default();
        let session = user_identity.object("sessionContext");
        let session_issuer = session.and_then(|session| session.object("sessionIssuer"));
        Record {
            event_time: time_field(fields).and_then(parse_time),
            event_source: untrusted(fields, "eventSource"),
            event_name: untrusted(fields, "eventName"),
            aws_region: untrusted(fields, "awsRegion"),
            source_ip_address: untrusted(fields, "sourceIPAddress"),
            user_agent: untrusted(fields, "userAgent"),
            error_code: not_empty(fields, "errorCode"),
            error_message: untrusted(fields, "errorMessage"),
            event_id: not_empty(fields, "eventID"),
            request_id: not_empty(fields, "requestID"),
            recipient_account_id: untrusted(fields, "recipientAccountId"),
            user_identity: UserIdentity {
                kind: untrusted(&user_identity, "type"),
                arn: untrusted(&user_identity, "arn"),
                principal_id: untrusted(&user_identity, "principalId"),
                account_id: untrusted(&user_identity, "accountId"),
                access_key_id: untrusted(&user_identity, "accessKeyId"),
                user_name: not_empty(&user_identity, "userName"),
                session_issuer: session_issuer.map(|issuer| SessionIssuer {
                    kind: untrusted(&issuer, "type"),
                    user_name: untrusted(&issuer, "userName"),
                    arn: untrusted(&issuer, "arn"),
                }),
            },
            request_parameters: fields.object("requestParameters").map(|parameters| RequestParameters {
                user_name: untrusted(&parameters, "userName"),
                group_name: untrusted(&parameters, "groupName"),
                role_name: untrusted(&parameters, "roleName"),
                policy_arn: untrusted(&parameters, "policyArn"),
                policy_name: untrusted(&parameters, "policyName"),
            }),
            response_elements: fields
                .raw("responseElements")
                .filter(|value| value.get() != "null")
                .map(ToOwned::to_owned),
            raw: text.into(),
        }
    }

    /// `responseElements`. `None` if they are not an object.
    pub fn response_elements(&self) -> Option<Fields<'_>> {
        Fields::of(self.response_elements.as_ref()?.get()).ok()
    }

    /// The account that the record is about: `recipientAccountId`, else `userIdentity.accountId`, else `unknown`.
    pub fn account_id(&self) -> &str {
        let known = |id: &'_ Option<Untrusted>| id.as_ref().is_some_and(|id| id.account_id().is_some());
        let id = [&self.recipient_account_id, &self.user_identity.account_id].into_iter().find(|id| known(id));
        id.and_then(|id| id.as_ref()?.account_id()).unwrap_or("unknown")
    }

    /// The account of the caller: `userIdentity.accountId`, else `recipientAccountId`.
    pub fn caller_account_id(&self) -> Option<&str> {
        let id = self.user_identity.account_id.as_ref().and_then(Untrusted::account_id);
        id.or_else(|| self.recipient_account_id.as_ref()?.account_id())
    }

    /// Whether it is a call to IAM.
    pub fn is_of_iam(&self) -> bool {
        self.event_source.as_ref().is_some_and(|source| source.test(|text| text == "iam.amazonaws.com"))
    }

    /// Whether AWS itself made the call. This is a label, never a filter.
    pub fn is_aws_internal(&self) -> bool {
        self.source_ip_address.as_ref().is_some_and(|address| address.test(|text| text.starts_with("AWS Internal")))
    }
}

/// Programs that index logs move the time to `@timestamp`, and some remove `eventTime`. Next to an `eventTime`, it is when the
/// record was copied.
fn time_field<'a>(fields: &Fields<'a>) -> Option<&'a RawValue> {
    fields.raw("eventTime").filter(|time| time.get() != "null").or_else(|| fields.raw("@timestamp"))
}

fn untrusted(fields: &Fields<'_>, name: &str) -> Option<Untrusted> {
    fields.text(name).map(Untrusted::new)
}

/// Some exports write an empty text for a missing value.
fn not_empty(fields: &Fields<'_>, name: &str) -> Option<Untrusted> {
    untrusted(fields, name).filter(|text| text.test(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(field: &Option<Untrusted>, text: &str) -> bool {
        field.as_ref().is_some_and(|field| field.test(|found| found == text))
    }

    #[test]
    fn missing_null_and_wrongly_typed_fields_hide_no_others() {
        let record = Record::parse(
            br#"{"eventName":"AttachUserPolicy","userIdentity":7,"requestParameters":null,"errorCode":"",
                "eventTime":"yesterday","userAgent":{"a":[]},"unknown":{"deep":[[[1]]]}}"#,
        )
        .unwrap();
        assert!(is(&record.event_name, "AttachUserPolicy"));
        assert!(record.user_identity.arn.is_none() && record.request_parameters.is_none());
        assert!(record.error_code.is_none() && record.event_time.is_none() && record.user_agent.is_none());
        assert_eq!(record.account_id(), "unknown");
    }

    #[test]
    fn the_last_of_duplicate_keys_counts() {
        let record = Record::parse(br#"{"eventName":"A","eventName":"B"}"#).unwrap();
        assert!(is(&record.event_name, "B"));
    }

    #[test]
    fn escaped_field_names_are_read() {
        let record = Record::parse(br#"{"event\u004eame":"\u0041ttachUserPolicy"}"#).unwrap();
        assert!(is(&record.event_name, "AttachUserPolicy"));
    }

    #[test]
    fn nesting_of_any_depth_is_read() {
        let text =
            format!(r#"{{"requestParameters":{{"x":{}{}}},"eventName":"A"}}"#, "[".repeat(9999), "]".repeat(9999));
        assert!(is(&Record::parse(text.as_bytes()).unwrap().event_name, "A"));
    }

    #[test]
    fn a_timestamp_counts_only_without_an_event_time() {
        let time = |text: &str| Record::parse(text.as_bytes()).unwrap().event_time.map(crate::trail::time::rfc3339);
        let shipped = "2026-05-06T07:08:09Z";
        assert_eq!(time(r#"{"@timestamp":"2026-05-06T07:08:09.000Z"}"#).as_deref(), Some(shipped));
        assert_eq!(time(r#"{"eventTime":null,"@timestamp":"2026-05-06T07:08:09Z"}"#).as_deref(), Some(shipped));
        assert_eq!(time(r#"{"eventTime":"not a time","@timestamp":"2026-05-06T07:08:09Z"}"#), None);
    }

    #[test]
    fn anything_but_an_object_is_an_error() {
        for text in ["", "7", "[]", "{\"a\":", "\\"] {
            assert!(Record::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_account_is_the_recipient_else_the_caller() {
        let account = |text: &str| Record::parse(text.as_bytes()).unwrap().account_id().to_owned();
        assert_eq!(
            account(r#"{"recipientAccountId":"111111111111","userIdentity":{"accountId":"222222222222"}}"#),
            "111111111111"
        );
        assert_eq!(
            account(r#"{"recipientAccountId":"<b>","userIdentity":{"accountId":"222222222222"}}"#),
            "222222222222"
        );
    }
}
