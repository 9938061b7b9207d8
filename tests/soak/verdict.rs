//! The alerts that a subscriber received, compared with the known set.

use std::collections::HashMap;

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::incidents::{Case, Incident};

/// The alerts of one dedup key.
struct OfKey<'a> {
    incidents: Vec<(&'a Incident, usize)>,
    degraded: usize,
}

#[derive(Default)]
pub struct Verdict {
    pub known: usize,
    /// Incidents of the known set that have an alert.
    pub alerted: usize,
    pub received: usize,
    /// Alerts beyond the first one of each incident.
    pub duplicates: usize,
    /// Alerts that were published without the table, as they show.
    pub degraded: usize,
    /// What is wrong. Empty if the function kept its promises.
    pub wrong: Vec<String>,
}

impl Verdict {
    /// `faults` that may duplicate an alert, by dedup key or document.
    pub fn of(cases: &[Case], alerts: &[Value], faults: &HashMap<String, usize>) -> Verdict {
        let mut keys: HashMap<&str, OfKey> = HashMap::new();
        for incident in cases.iter().flat_map(|case| &case.incidents) {
            let of_key = keys.entry(&incident.dedup_key);
            let of_key = of_key.or_insert_with(|| OfKey { incidents: Vec::new(), degraded: 0 });
            of_key.incidents.push((incident, 0));
        }
        let mut verdict = Verdict { received: alerts.len(), ..Verdict::default() };
        for alert in alerts {
            let key = alert["dedupKey"].as_str().unwrap_or_default();
            let known = keys.get_mut(key).and_then(|of_key| {
                of_key.degraded += usize::from(alert["dedupDegraded"] == true);
                of_key.incidents.iter_mut().find(|(incident, _)| is_of(alert, incident))
            });
            match known {
                Some((_, alerts)) => *alerts += 1,
                None => verdict.wrong.push(format!("an alert of no known incident: {key}, {}", alert["eventTime"])),
            }
        }
        for (key, OfKey { incidents, degraded }) in &keys {
            verdict.known += incidents.len();
            verdict.degraded += degraded;
            for (incident, alerts) in incidents {
                verdict.alerted += usize::from(*alerts > 0);
                if *alerts == 0 {
                    verdict.wrong.push(format!("no alert of {key}, {:?}", incident.times));
                }
            }
            let duplicates: usize = incidents.iter().map(|(_, alerts)| alerts.saturating_sub(1)).sum();
            verdict.duplicates += duplicates;
            // An entity whose key is that of its document is counted once.
            let mut subjects = vec![*key, incidents[0].0.document.as_str()];
            subjects.dedup();
            let faults = subjects.into_iter().filter_map(|subject| faults.get(subject)).sum::<usize>() + degraded;
            if duplicates > faults {
                verdict.wrong.push(format!("{key} has {duplicates} duplicates, and {faults} faults"));
            }
        }
        verdict
    }
}

/// Whether the alert shows the incident as it is.
fn is_of(alert: &Value, incident: &Incident) -> bool {
    let time = || {
        let text = alert["eventTime"].as_str()?;
        Some(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp())
    };
    let (entity, name) = &incident.entity;
    alert["outcome"] == incident.outcome
        && alert["severity"] == incident.severity
        && alert["entity"]["type"] == *entity
        && alert["entity"]["name"] == *name
        && alert["accountId"] == incident.account
        && incident.times.as_ref().is_none_or(|times| time().is_some_and(|time| times.contains(&time)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        incidents::{Evidence, cases},
        random::Random,
    };

    /// Two incidents with one dedup key, and an alert of each.
    fn twice() -> (Vec<Case>, Vec<Value>) {
        let mut cases = cases(&mut Random::new(1), 9);
        let case = cases.pop().unwrap();
        assert_eq!(case.kind, "quarantined twice, hours apart");
        let alert = |(incident, evidence): (&Incident, &Evidence)| {
            let (entity, name) = &incident.entity;
            json!({
                "dedupKey": incident.dedup_key, "outcome": "quarantined", "severity": "HIGH", "accountId": incident.account,
                "entity": { "type": entity, "name": name }, "eventTime": evidence.record().unwrap()["eventTime"],
                "dedupDegraded": false,
            })
        };
        let alerts = case.incidents.iter().zip(&case.evidence).map(alert).collect();
        (vec![case], alerts)
    }

    fn wrong(cases: &[Case], alerts: &[Value], faults: &HashMap<String, usize>) -> Vec<String> {
        Verdict::of(cases, alerts, faults).wrong
    }

    #[test]
    fn the_known_set_is_right_and_anything_else_is_wrong() {
        let (cases, alerts) = twice();
        let none = HashMap::new();
        assert!(wrong(&cases, &alerts, &none).is_empty());
        assert!(wrong(&cases, &alerts[1..], &none)[0].starts_with("no alert of"));
        for (field, value) in [("severity", "LOW"), ("eventTime", "2001-01-01T00:00:00Z"), ("dedupKey", "another")] {
            let mut changed = alerts.clone();
            changed[0][field] = json!(value);
            assert!(wrong(&cases, &changed, &none)[0].starts_with("an alert of no known incident"), "{field}");
        }
    }

    #[test]
    fn each_duplicate_needs_a_fault_of_its_own_incident() {
        let (cases, mut alerts) = twice();
        alerts.push(alerts[0].clone());
        assert!(wrong(&cases, &alerts, &HashMap::new())[0].contains("has 1 duplicates"));
        let fault = |key: &str| HashMap::from([(key.to_owned(), 1)]);
        assert!(wrong(&cases, &alerts, &fault("another")).len() == 1);
        for key in [&cases[0].incidents[0].dedup_key, &cases[0].incidents[0].document] {
            assert!(wrong(&cases, &alerts, &fault(key)).is_empty());
        }
        alerts[2]["dedupDegraded"] = json!(true);
        assert!(wrong(&cases, &alerts, &HashMap::new()).is_empty());
    }
}
