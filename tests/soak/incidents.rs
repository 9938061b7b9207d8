//! The known set: which incidents the deliveries contain, and the alert that each must have.
//!
//! Nothing here asks the function's code what an incident is. The keys are those of the documentation.

use std::ops::RangeInclusive;

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::{
    author::{Author, KINDS},
    random::Random,
    support::{log_file, path},
};

/// An incident, with the facts that its alert must show.
pub struct Incident {
    pub dedup_key: String,
    /// The key of the document that has the incidents of its entity.
    pub document: String,
    pub outcome: &'static str,
    pub severity: &'static str,
    /// Type and name.
    pub entity: (&'static str, String),
    pub account: String,
    /// The event times of its records, in seconds since 1970. `None` if the key alone identifies the incident.
    pub times: Option<RangeInclusive<i64>>,
}

/// What a delivery can contain of an incident.
#[derive(Clone)]
pub enum Evidence {
    Record(Value),
    Health(Value),
}

impl Evidence {
    pub fn record(&self) -> Option<&Value> {
        match self {
            Evidence::Record(record) => Some(record),
            Evidence::Health(_) => None,
        }
    }
}

/// What happens to one user, group or role: one or more incidents.
pub struct Case {
    pub kind: &'static str,
    pub evidence: Vec<Evidence>,
    pub incidents: Vec<Incident>,
}

pub const ACCOUNTS: [&str; 3] = ["123456789012", "210987654321", "111122223333"];

/// The cases of a run, of all kinds in turn.
pub fn cases(random: &mut Random, count: usize) -> Vec<Case> {
    let record = log_file("quarantined")["Records"][1].clone();
    let health = |name: &str| {
        let text = std::fs::read_to_string(path(&format!("tests/cases/health/{name}.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let health = [health("exposed-user"), health("exposed-root")];
    let tell = |number: usize| {
        let mut author = Author {
            user: format!("user-{number}"),
            account: (*random.pick(&ACCOUNTS)).to_owned(),
            // In the last month, and at least two hours ago.
            time: OffsetDateTime::now_utc() - Duration::seconds(7200 + random.below(30 * 24 * 3600) as i64),
            random,
            record: &record,
            health: &health,
        };
        KINDS[number % KINDS.len()](&mut author)
    };
    (0..count).map(tell).collect()
}
