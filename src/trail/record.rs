//! One CloudTrail record: the few fields that are matched or shown, and the raw text.
//!
//! A field of a wrong type counts as missing, so that it hides no other field.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::untrusted::Untrusted;

/// A CloudTrail record. Each field has CloudTrail's own name.
#[derive(Debug)]
pub struct Record {
    /// The record as logged, except for lone surrogates (see [`Record::parse`]).
    pub raw: Box<RawValue>,
    /// When the call was made; `None` if missing or unreadable.
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

/// The record is not a JSON object.
#[derive(Debug, thiserror::Error)]
#[error("is broken: a record that contains a search term is not a JSON object ({0})")]
pub struct RecordError(#[from] serde_json::Error);

impl Record {
    /// Reads one record. Bytes that are not UTF-8 and lone surrogates become U+FFFD, so that every reader of the alert
    /// can parse it. The last of duplicate fields counts, as with most JSON parsers.
    ///
    /// # Errors
    /// The text is not a JSON object.
    pub fn parse(text: &[u8]) -> Result<Record, RecordError> {
        let text = without_lone_surrogates(&String::from_utf8_lossy(text));
        let fields: Fields = serde_json::from_str(&text)?;
        let user_identity = fields.object("userIdentity").unwrap_or_default();
        Ok(Record {
            event_time: fields.text("eventTime").and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok()),
            event_source: fields.untrusted("eventSource"),
            event_name: fields.untrusted("eventName"),
            aws_region: fields.untrusted("awsRegion"),
            source_ip_address: fields.untrusted("sourceIPAddress"),
            user_agent: fields.untrusted("userAgent"),
            error_code: fields.untrusted("errorCode").filter(|code| code.test(|text| !text.is_empty())),
            error_message: fields.untrusted("errorMessage"),
            event_id: fields.untrusted("eventID"),
            request_id: fields.untrusted("requestID"),
            recipient_account_id: fields.untrusted("recipientAccountId"),
            user_identity: UserIdentity {
                kind: user_identity.untrusted("type"),
                arn: user_identity.untrusted("arn"),
                principal_id: user_identity.untrusted("principalId"),
                account_id: user_identity.untrusted("accountId"),
                access_key_id: user_identity.untrusted("accessKeyId"),
                user_name: user_identity.untrusted("userName"),
            },
            request_parameters: fields.object("requestParameters").map(|parameters| RequestParameters {
                user_name: parameters.untrusted("userName"),
                group_name: parameters.untrusted("groupName"),
                role_name: parameters.untrusted("roleName"),
                policy_arn: parameters.untrusted("policyArn"),
                policy_name: parameters.untrusted("policyName"),
            }),
            raw: RawValue::from_string(text)?,
        })
    }

    /// The account that the record is about: `recipientAccountId`, else `userIdentity.accountId`, else `unknown`.
    pub fn account_id(&self) -> &str {
        let known = |id: &'_ Option<Untrusted>| id.as_ref().is_some_and(|id| id.account_id().is_some());
        let id = [&self.recipient_account_id, &self.user_identity.account_id].into_iter().find(|id| known(id));
        id.and_then(|id| id.as_ref()?.account_id()).unwrap_or("unknown")
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

/// A time as alerts and logs spell it, in whole seconds.
pub fn rfc3339(time: OffsetDateTime) -> String {
    // Formatting fails only for years after 9999.
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_else(|_| time.unix_timestamp().to_string())
}

/// An object, parsed one level deep. Values stay text, so that deep nesting cannot overflow the stack.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Fields<'a>(#[serde(borrow)] BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    fn untrusted(&self, name: &str) -> Option<Untrusted> {
        self.text(name).map(Untrusted::new)
    }

    fn object(&self, name: &str) -> Option<Fields<'a>> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }
}

/// JSON's grammar allows `"\ud800"`, but strict parsers refuse the whole document (RFC 8259, section 8.2).
fn without_lone_surrogates(json: &str) -> String {
    let mut repaired = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at(at);
        repaired.push_str(before);
        let taken = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(_), _) => {
                repaired.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            // In text that is not JSON, the escaped character may have several bytes.
            (None, _) => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        repaired.push_str(&escape[..taken]);
        rest = &escape[taken..];
    }
    repaired.push_str(rest);
    repaired
}

/// The surrogate whose escape the text begins with.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok().filter(|unit| (0xD800..=0xDFFF).contains(unit))
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
    fn lone_surrogates_and_invalid_utf8_are_replaced() {
        let record =
            Record::parse(b"{\"userAgent\":\"a\\ud800b\\uDC00\xff\\ud83d\\ude00\\\\ud800\",\"eventName\":\"A\"}")
                .unwrap();
        assert!(is(&record.event_name, "A"));
        assert!(is(&record.user_agent, "a\u{fffd}b\u{fffd}\u{fffd}😀\\ud800"));
        serde_json::from_str::<serde_json::Value>(record.raw.get()).unwrap();
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
