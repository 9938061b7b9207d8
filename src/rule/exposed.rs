//! AWS Health reports exposed credentials. It is the only channel for root, for which no quarantine exists.
//!
//! AWS documents none of the codes. Public reports show several, so any code with the prefix alerts, with the code in the alert.
//! No complete event of a root key is public: that its user name is missing, empty or `root` is inferred.
//!
//! <https://docs.aws.amazon.com/health/latest/ug/cloudwatch-events-health.html>,
//! <https://github.com/aws/aws-health-tools/issues/93>

use super::{
    Alternative, Check, EXPOSED_KEY_REPORTS, EXPOSED_KEY_TAGS, EntityType, Facts, Grade, Match, Outcome, Rule,
    Severity, Subject, facts::MAX_KEPT_BYTES,
};
use crate::{health::HealthEvent, untrusted::Untrusted};

/// The rule on events of AWS Health. It has no conditions on records: [`ALTERNATIVES`] are its conditions.
pub static RULE: Rule = Rule {
    id: "AWS.Health.CredentialsExposed",
    name: "AWS Health Credentials Exposed",
    description: "AWS Health reports that credentials of the account are exposed, or may be, for example in a public \
                  repository. AWS quarantines only IAM users, and that denies only some actions. Nothing contains a key of \
                  root. The credentials work until they are deactivated.",
    tags: EXPOSED_KEY_TAGS,
    reports: EXPOSED_KEY_REPORTS,
    reference: "https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html",
    needles: &[],
    period_hours: None,
    alternatives: &[],
};

/// The alternative conditions of [`RULE`]. No event passes two of them.
pub const ALTERNATIVES: [&Alternative<HealthEvent>; 2] = [&OF_A_USER, &OF_ROOT];

static OF_A_USER: Alternative<HealthEvent> = Alternative {
    outcome: Outcome::Exposed,
    severity: Grade::Always(Severity::High),
    note: None,
    checks: &[&RISK, &CODE, &NOT_CLOSED, &USER],
    subject: |event| Some(of_user(EntityType::User, event.user_name.as_ref()?.shortened(MAX_KEPT_BYTES))),
};

static OF_ROOT: Alternative<HealthEvent> = Alternative {
    outcome: Outcome::Exposed,
    severity: Grade::Always(Severity::Critical),
    note: Some("root, or an unknown user"),
    checks: &[&RISK, &CODE, &NOT_CLOSED, &NO_USER],
    subject: |event| {
        Some(if event.names_root() {
            of_user(EntityType::Root, "root".into())
        } else {
            of_user(EntityType::Unknown, "unknown".into())
        })
    },
};

fn of_user(kind: EntityType, name: Untrusted) -> Subject {
    Subject { kind, name, policy: None, account_id: None }
}

static RISK: Check<HealthEvent> = Check {
    field: "detail.service",
    operator: "is",
    values: "RISK",
    passes: |event| event.service.test(|service| service == "RISK"),
};

static CODE: Check<HealthEvent> = Check {
    field: "detail.eventTypeCode",
    operator: "starts with",
    values: "AWS_RISK_",
    passes: |event| event.event_type_code.test(|code| code.starts_with("AWS_RISK_")),
};

static NOT_CLOSED: Check<HealthEvent> = Check {
    field: "detail.statusCode",
    operator: "is not",
    values: "closed",
    passes: |event| event.status_code.as_ref().is_none_or(|status| status.test(|status| status != "closed")),
};

static USER: Check<HealthEvent> = Check {
    field: "detail.eventMetadata.userName",
    operator: "is",
    values: "present, and not root",
    passes: HealthEvent::names_a_user,
};

static NO_USER: Check<HealthEvent> = Check {
    field: "detail.eventMetadata.userName",
    operator: "is",
    values: "absent, empty or root",
    passes: |event| !event.names_a_user(),
};

/// The matches of one event, one for each affected entity. Each has a copy of the event, so they are made one at a time.
pub struct Exposures {
    event: HealthEvent,
    alternative: &'static Alternative<HealthEvent>,
    next: usize,
}

impl Exposures {
    /// `None` if the rule does not accept the event.
    pub fn of(event: HealthEvent) -> Option<Exposures> {
        let alternative = ALTERNATIVES.into_iter().find(|alternative| alternative.accepts(&event))?;
        Some(Exposures { event, alternative, next: 0 })
    }
}

impl Iterator for Exposures {
    type Item = Match;

    /// An event without affected entities is about the account, and alerts once.
    fn next(&mut self) -> Option<Match> {
        let number = self.next;
        if number >= self.event.affected.len().max(1) {
            return None;
        }
        self.next += 1;
        let affected = self.event.affected.get(number).and_then(Option::as_ref);
        let Alternative { outcome, severity, subject, .. } = *self.alternative;
        let facts = Facts::of_health_event(&self.event, subject(&self.event)?, affected);
        Some(Match { rule: &RULE, outcome, severity: severity.of_call(true), policy: None, facts })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.event.affected.len().max(1) - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Exposures {}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{json::Fields, rule::cases::now, untrusted::EXACT_BYTES};

    fn event(detail: &Value) -> HealthEvent {
        let mut whole = json!({
            "service": "RISK", "eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED", "communicationId": "c-1",
            "startTime": "Tue, 24 Nov 2026 03:01:40 GMT", "affectedAccount": "123456789012",
            "eventMetadata": { "userName": "alice" }, "affectedEntities": [{ "entityValue": "AKIAIOSFODNN7EXAMPLE" }],
        });
        whole.as_object_mut().unwrap().extend(detail.as_object().unwrap().clone());
        let text = json!({ "source": "aws.health", "id": "e-1", "detail": whole }).to_string();
        HealthEvent::of(&Fields::of(&text).unwrap(), &text).unwrap()
    }

    fn judged(detail: &Value) -> Vec<Match> {
        Exposures::of(event(detail)).into_iter().flatten().collect()
    }

    fn title(found: &Match) -> String {
        found.title(&found.facts.entity.name.visible(99))
    }

    #[test]
    fn positive_cases() {
        let key = "Key AKIAIOSFODNN7EXAMPLE of";
        let user = format!("{key} IAM user alice EXPOSED in account 123456789012");
        let root = format!("{key} root EXPOSED in account 123456789012");
        let unknown = format!("{key} root or unknown user EXPOSED in account 123456789012");
        let without_key = "Credentials of root or unknown user EXPOSED in account 123456789012".to_owned();
        for (case, detail, severity, expected) in [
            ("a user", json!({}), Severity::High, &user),
            ("another code", json!({ "eventTypeCode": "AWS_RISK_OF_TOMORROW" }), Severity::High, &user),
            ("no status", json!({ "statusCode": null }), Severity::High, &user),
            ("root", json!({ "eventMetadata": { "userName": "root" } }), Severity::Critical, &root),
            ("no name", json!({ "eventMetadata": null }), Severity::Critical, &unknown),
            ("an empty name", json!({ "eventMetadata": { "userName": "" } }), Severity::Critical, &unknown),
            ("no entity", json!({ "eventMetadata": null, "affectedEntities": [] }), Severity::Critical, &without_key),
        ] {
            let [found] = &judged(&detail)[..] else { panic!("{case} does not make one match") };
            assert_eq!(
                (found.outcome, found.severity, &title(found)),
                (Outcome::Exposed, severity, expected),
                "{case}"
            );
            assert!(found.is_urgent() && found.is_by_aws() && !found.has_window(now()), "{case}");
            let accepting = ALTERNATIVES.iter().filter(|each| each.accepts(&event(&detail))).count();
            assert_eq!(accepting, 1, "{case} passes several conditions");
        }
    }

    #[test]
    fn negative_cases() {
        for (case, detail) in [
            ("another service", json!({ "service": "EC2" })),
            ("another code of the service", json!({ "eventTypeCode": "AWS_ABUSE_X" })),
            ("a code with the prefix inside", json!({ "eventTypeCode": "X_AWS_RISK_" })),
            ("closed", json!({ "statusCode": "closed" })),
        ] {
            assert!(judged(&detail).is_empty(), "{case} matches");
        }
    }

    fn keys(detail: &Value) -> Vec<String> {
        judged(detail).iter().map(|found| found.dedup_key(now())).collect()
    }

    #[test]
    fn the_dedup_key_is_of_the_communication_and_the_affected_entity_alone() {
        const KEY: &str = "AWS.Health.CredentialsExposed:123456789012:communication:c-1:exposed:AKIAIOSFODNN7EXAMPLE";
        let key = "AKIAIOSFODNN7EXAMPLE";
        for same in [
            json!({}),
            json!({ "eventMetadata": { "userName": "root" } }),
            json!({ "startTime": "Wed, 25 Nov 2026 03:01:40 GMT", "statusCode": "open" }),
            json!({ "affectedEntities": null, "eventMetadata": { "publicKey": key } }),
        ] {
            assert_eq!(keys(&same), [KEY], "{same}");
        }
        for other in [
            json!({ "communicationId": "c-2" }),
            json!({ "communicationId": null, "eventArn": "arn:aws:health:global::event/RISK/X/X_1" }),
            json!({ "affectedAccount": "111122223333" }),
            json!({ "affectedEntities": [{ "entityValue": "$(id):removed" }] }),
            json!({ "affectedEntities": [] }),
        ] {
            let [found] = &keys(&other)[..] else { panic!("{other}") };
            assert!(found != KEY && found.len() < 200 && !found.contains("$("), "{found}");
        }
    }

    #[test]
    fn the_incident_key_is_that_of_the_users_quarantine() {
        let exposed = judged(&json!({}));
        let quarantined =
            crate::rule::cases::judged(&crate::rule::cases::managed("AttachUserPolicy", crate::rule::cases::V2));
        assert_eq!(exposed[0].incident_key(), quarantined.unwrap().incident_key());
    }

    /// Each affected entity has a copy of the event's texts.
    #[test]
    fn a_text_that_is_too_long_for_an_alert_is_cut_and_known_to_be() {
        for (bytes, is_cut) in [(EXACT_BYTES, false), (EXACT_BYTES + 1, true), (1 << 20, true)] {
            let [found] = &judged(&json!({ "eventMetadata": { "userName": "x".repeat(bytes) } }))[..] else { panic!() };
            let name = &found.facts.entity.name;
            assert_eq!((name.is_longer_than(EXACT_BYTES), name.is_longer_than(2 * EXACT_BYTES)), (is_cut, false));
        }
    }

    #[test]
    fn matches_are_made_one_at_a_time() {
        let affected: Vec<Value> = (0..3).map(|number| json!({ "entityValue": format!("id-{number}") })).collect();
        let mut exposures = Exposures::of(event(&json!({ "affectedEntities": affected }))).unwrap();
        for left in [3, 2, 1] {
            assert_eq!(exposures.len(), left);
            assert!(exposures.next().is_some());
        }
        assert!(exposures.next().is_none());
    }
}
