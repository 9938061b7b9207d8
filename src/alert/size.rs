//! What an alert can do without, if its message would be too large.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::Alert;
use crate::untrusted::Untrusted;

/// Strings are cut to this length as the last resort against a message that is too large.
const SHORT_BYTES: usize = 256;

impl Alert {
    /// Omits the next part that the alert can do without. `false` if there is none left.
    pub fn trim(&mut self) -> bool {
        self.truncated = true;
        if self.related.take().is_some() {
            return true;
        }
        let record = &mut self.alert_context.record;
        if let Some(trimmed) = without(record, "responseElements").or_else(|| without(record, "requestParameters")) {
            *record = trimmed;
        } else if record.get() != "null" {
            *record = RawValue::NULL.to_owned();
        } else if self.strings().iter().any(|text| text.is_longer_than(SHORT_BYTES)) {
            self.strings().into_iter().for_each(|text| text.cut(SHORT_BYTES));
        } else {
            return false;
        }
        true
    }

    /// Every string that comes from a log or an event, except the record or event itself.
    pub(super) fn strings(&mut self) -> Vec<&mut Untrusted> {
        let actor = &mut self.actor;
        let source = &mut self.source;
        let call = &mut self.call;
        let optional = [
            &mut actor.kind,
            &mut actor.arn,
            &mut actor.principal_id,
            &mut actor.access_key_id,
            &mut actor.source_ip_address,
            &mut actor.user_agent,
            &mut source.bucket,
            &mut source.key,
            &mut source.version_id,
            &mut source.event_id,
            &mut source.request_id,
            &mut source.event_arn,
            &mut source.communication_id,
            &mut call.event_source,
            &mut call.event_name,
            &mut call.error_code,
        ];
        let reported = self.reported.iter_mut().flat_map(|reported| {
            [Some(&mut reported.event_type_code), reported.affected.as_mut()].into_iter().flatten()
        });
        let policy = self.policy.iter_mut().flat_map(|policy| [Some(&mut policy.name), policy.arn.as_mut()]).flatten();
        let entity = [&mut self.entity.name, &mut self.entity.arn, &mut self.alert_context.user_name];
        let mut strings: Vec<&mut Untrusted> = optional.into_iter().flatten().collect();
        strings.extend(policy);
        strings.extend(reported);
        strings.extend(self.leak.iter_mut().map(|leak| &mut leak.url));
        strings.extend(entity);
        strings.extend([&mut self.region, &mut self.partition]);
        strings
    }
}

/// The record with this field set to `null`. `None` if it has no such field, or it is `null` already.
fn without(record: &RawValue, field: &str) -> Option<Box<RawValue>> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(record.get()).ok()?;
    let value = fields.get_mut(field).filter(|value| value.get() != "null")?;
    *value = RawValue::NULL;
    serde_json::value::to_raw_value(&fields).ok()
}
