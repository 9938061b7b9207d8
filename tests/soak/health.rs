//! The cases that AWS Health reports.

use serde_json::json;

use crate::{
    author::{Author, BY_AWS},
    incidents::{Case, Evidence, Incident},
};

impl Author<'_> {
    /// An event of AWS Health about this number of keys. Each is an incident.
    pub fn exposed(&mut self, kind: &'static str, entity: &'static str, keys: usize) -> Case {
        let is_root = entity == "root";
        let mut event = self.health[usize::from(is_root)].clone();
        let (user, account) = (if is_root { "root" } else { &self.user }, &self.account);
        let keys: Vec<String> = (0..keys).map(|_| self.random.access_key()).collect();
        let communication = self.random.id();
        event["id"] = json!(self.random.id());
        event["account"] = json!(account);
        event["resources"] = json!(keys);
        event["detail"]["communicationId"] = json!(communication);
        event["detail"]["affectedAccount"] = json!(account);
        event["detail"]["affectedEntities"] = keys.iter().map(|key| json!({ "entityValue": key })).collect();
        event["detail"]["eventMetadata"] = json!({ "accountId": account, "userName": user });
        let incident = |key: &String| {
            let key = format!("AWS.Health.CredentialsExposed:{account}:communication:{communication}:exposed:{key}");
            Incident {
                dedup_key: key.clone(),
                document: key,
                outcome: "exposed",
                severity: if is_root { "CRITICAL" } else { "HIGH" },
                entity: (entity, user.to_owned()),
                account: account.clone(),
                times: None,
            }
        };
        let incidents = keys.iter().map(incident).collect();
        Case { kind, evidence: vec![Evidence::Health(event)], incidents }
    }

    /// AWS Health reports the leak, and AWS quarantines the user. Neither suppresses the other.
    pub fn both_channels(&mut self) -> Case {
        let mut case = self.exposed("user exposed and quarantined", "user", 1);
        let quarantined = self.quarantined("", "user", BY_AWS);
        case.evidence.extend(quarantined.evidence);
        case.incidents.extend(quarantined.incidents);
        case
    }
}
