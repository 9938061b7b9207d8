//! The cases: what the records of each kind of incident look like, and which alert the documentation promises for them.

use quarantine_alert::trail::time::rfc3339;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::{
    incidents::{Case, Evidence, Incident},
    random::Random,
};

const RULE: &str = "AWS.CloudTrail.IAMCompromisedKeyQuarantine";
pub const BY_AWS: &str = "AWS Internal";
const BY_HAND: &str = "192.0.2.44";

/// Writes one kind of case.
type Kind = fn(&mut Author) -> Case;

/// No case depends on the order of arrival: records of one incident are close together in time, and those of different
/// incidents of one user are hours apart.
pub const KINDS: [Kind; 17] = [
    |author| author.quarantined("user quarantined", "user", BY_AWS),
    |author| author.quarantined("group quarantined", "group", BY_AWS),
    |author| author.quarantined("role quarantined", "role", BY_AWS),
    |author| author.quarantined("user quarantined by hand", "user", BY_HAND),
    |author| author.failed("quarantine failed", BY_AWS),
    |author| author.failed("quarantine by hand failed", BY_HAND),
    |author| author.inline(),
    |author| author.two_versions(),
    |author| author.twice(),
    |author| author.removed(),
    |author| author.denied(),
    |author| author.enforced(),
    |author| author.undated(),
    |author| author.exposed("Health: user exposed", "user", 1),
    |author| author.exposed("Health: root exposed", "root", 1),
    |author| author.exposed("Health: two keys exposed", "user", 2),
    |author| author.both_channels(),
];

/// Writes a case about one user, group or role.
pub struct Author<'r> {
    pub random: &'r mut Random,
    /// The record of a quarantine, and the events of AWS Health of a user and of root, to be changed.
    pub record: &'r Value,
    pub health: &'r [Value; 2],
    pub user: String,
    pub account: String,
    /// The event time of the next record.
    pub time: OffsetDateTime,
}

impl Author<'_> {
    /// A call on this entity with a managed policy of any version.
    fn call(&mut self, event_name: &str, entity: &str, address: &str) -> Value {
        let version = *self.random.pick(&["", "V2", "V3", "V4"]);
        let partition = *self.random.pick(&["aws", "aws", "aws", "aws-us-gov", "aws-cn"]);
        let policy = format!("arn:{partition}:iam::aws:policy/AWSCompromisedKeyQuarantine{version}");
        let mut record = self.record.clone();
        record["eventName"] = json!(event_name);
        record["requestParameters"] = json!({ format!("{entity}Name"): self.user, "policyArn": policy });
        record["sourceIPAddress"] = json!(address);
        record["eventTime"] = json!(rfc3339(self.time));
        for field in ["requestID", "eventID"] {
            record[field] = json!(self.random.id());
        }
        record["recipientAccountId"] = json!(self.account);
        record["userIdentity"] = json!({
            "type": "IAMUser", "principalId": "AIDACKCEVSQ6C2EXAMPLE", "accountId": self.account, "userName": self.user,
            "arn": format!("arn:{partition}:iam::{}:user/{}", self.account, self.user),
            "accessKeyId": self.random.access_key(),
        });
        record
    }

    /// The incident of a user at this time.
    fn incident(&self, rule: &str, end: &str, severity: &'static str) -> Incident {
        self.incident_of("user", rule, end, severity)
    }

    fn incident_of(&self, entity: &'static str, rule: &str, end: &str, severity: &'static str) -> Incident {
        let outcomes = ["quarantined", "failed", "removed", "denied", "enforced"];
        let outcome = outcomes.into_iter().find(|outcome| end.split(':').next() == Some(outcome)).unwrap();
        let at = self.time.unix_timestamp();
        let Author { account, user, .. } = self;
        Incident {
            dedup_key: format!("{RULE}{rule}:{account}:{entity}:{user}:{end}"),
            document: format!("{RULE}:{account}:{entity}:{user}"),
            outcome,
            severity,
            entity: (entity, user.clone()),
            account: account.clone(),
            times: Some(at..=at),
        }
    }

    pub fn quarantined(&mut self, kind: &'static str, entity: &'static str, address: &str) -> Case {
        let mut name = entity.to_owned();
        name[..1].make_ascii_uppercase();
        let record = self.call(&format!("Attach{name}Policy"), entity, address);
        let end = if address == BY_HAND { "quarantined:by-hand" } else { "quarantined" };
        of_record(kind, record, self.incident_of(entity, "", end, "HIGH"))
    }

    fn failed(&mut self, kind: &'static str, address: &str) -> Case {
        let mut record = self.call("AttachUserPolicy", "user", address);
        record["errorCode"] = json!("LimitExceededException");
        let by_aws = address != BY_HAND;
        let (end, severity) = if by_aws { ("failed", "CRITICAL") } else { ("failed:by-hand", "HIGH") };
        of_record(kind, record, self.incident("", end, severity))
    }

    /// AWS's form before 2020.
    fn inline(&mut self) -> Case {
        let mut record = self.call("PutUserPolicy", "user", BY_AWS);
        let name = *self.random.pick(&["AWSExposedCredentialPolicy_DO_NOT_REMOVE", "AWSCompromisedKeyQuarantineV2"]);
        record["requestParameters"] = json!({ "userName": self.user, "policyName": name, "policyDocument": "{}" });
        of_record("inline policy put", record, self.incident("", "quarantined", "HIGH"))
    }

    /// AWS attaches two versions within a minute.
    fn two_versions(&mut self) -> Case {
        let mut incident = self.incident("", "quarantined", "HIGH");
        let records = [0, 40].map(|seconds| {
            self.time += Duration::seconds(seconds);
            self.call("AttachUserPolicy", "user", BY_AWS)
        });
        incident.times = incident.times.map(|times| *times.start()..=self.time.unix_timestamp());
        of_records("two versions attached together", records.into(), vec![incident])
    }

    fn twice(&mut self) -> Case {
        let (records, incidents) = [0, -180]
            .map(|minutes| {
                self.time += Duration::minutes(minutes);
                (self.call("AttachUserPolicy", "user", BY_AWS), self.incident("", "quarantined", "HIGH"))
            })
            .into_iter()
            .unzip();
        of_records("quarantined twice, hours apart", records, incidents)
    }

    fn removed(&mut self) -> Case {
        let attach = self.call("AttachUserPolicy", "user", BY_AWS);
        let attached = self.incident("", "quarantined", "HIGH");
        self.time += Duration::minutes(5);
        let detach = self.call("DetachUserPolicy", "user", BY_HAND);
        let end = format!("removed:{}", detach["requestID"].as_str().unwrap());
        let removed = self.incident("Removed", &end, "HIGH");
        of_records("quarantined, then removed", vec![attach, detach], vec![attached, removed])
    }

    fn denied(&mut self) -> Case {
        let mut record = self.call("AttachUserPolicy", "user", BY_AWS);
        record["requestParameters"] = Value::Null;
        record["errorCode"] = json!("AccessDenied");
        let message = "is not authorized to perform: iam:AttachUserPolicy on resource: user";
        let arn = record["userIdentity"]["arn"].as_str().unwrap();
        record["errorMessage"] = json!(format!("User: {arn} {message} {} because no policy allows it", self.user));
        of_record("quarantine denied", record, self.incident("Denied", "denied", "MEDIUM"))
    }

    /// Calls of a few hours that the quarantine denied.
    fn enforced(&mut self) -> Case {
        let first = self.time.unix_timestamp();
        let records = (0..6).map(|_| {
            let mut record = self.call("RunInstances", "user", "203.0.113.77");
            record["eventSource"] = json!("ec2.amazonaws.com");
            record["requestParameters"] = json!({ "instanceType": "p4d.24xlarge" });
            record["errorCode"] = json!("Client.UnauthorizedOperation");
            let arn = record["userIdentity"]["arn"].as_str().unwrap();
            record["errorMessage"] = json!(format!(
                "You are not authorized to perform this operation. User: {arn} is not authorized to perform: \
                 ec2:RunInstances on resource: arn:aws:ec2:us-east-1:{}:instance/* with an explicit deny in an \
                 identity-based policy: arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3",
                self.account
            ));
            self.time += Duration::minutes(15);
            record
        });
        let records = records.collect();
        let mut incident = self.incident("Enforced", "enforced", "MEDIUM");
        incident.times = Some(first..=self.time.unix_timestamp());
        of_records("quarantine enforced", records, vec![incident])
    }

    fn undated(&mut self) -> Case {
        let mut record = self.call("AttachUserPolicy", "user", BY_AWS);
        record["eventTime"] = json!("yesterday");
        let end = format!("quarantined:{}", record["eventID"].as_str().unwrap());
        let incident = Incident { times: None, ..self.incident("", &end, "HIGH") };
        of_record("record without a time", record, incident)
    }
}

fn of_record(kind: &'static str, record: Value, incident: Incident) -> Case {
    of_records(kind, vec![record], vec![incident])
}

fn of_records(kind: &'static str, records: Vec<Value>, incidents: Vec<Incident>) -> Case {
    Case { kind, evidence: records.into_iter().map(Evidence::Record).collect(), incidents }
}
