//! The faults of a run: which request has one, and which alerts they may duplicate.
//!
//! Every so many requests of an operation, the next episode begins. Most episodes are one request, which the SDK retries.
//! The longer ones outlast its retries.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use serde_json::Value;

use crate::support::{
    errors::{DYNAMODB_400, DYNAMODB_500, DYNAMODB_503, SNS_400, SNS_500, SNS_503, XML_500, XML_503},
    wire::{Fault, Seen, Wire},
};

struct Episode {
    what: &'static str,
    fault: Fault,
    requests: usize,
}

const fn episode(what: &'static str, fault: Fault, requests: usize) -> Episode {
    Episode { what, fault, requests }
}

/// After the head of an answer, in its body.
const MIDDLE: usize = 700;

const OF_S3: [Episode; 8] = [
    episode("reset", Fault::Cut, 1),
    episode("503 SlowDown", Fault::Answer(503, XML_503), 1),
    episode("body truncated", Fault::CutAnswer(MIDDLE), 1),
    episode("body stalls", Fault::StallAnswer(MIDDLE), 1),
    episode("answer lost", Fault::CutAnswer(0), 1),
    episode("500", Fault::Answer(500, XML_500), 1),
    episode("too slow", Fault::Hang, 1),
    episode("503 for 20 requests", Fault::Answer(503, XML_503), 20),
];

const OF_DYNAMODB: [Episode; 8] = [
    episode("reset", Fault::Cut, 1),
    episode("500", Fault::Answer(500, DYNAMODB_500), 1),
    episode("throttled", Fault::Answer(400, DYNAMODB_400), 1),
    episode("answer lost", Fault::CutAnswer(0), 1),
    episode("answer truncated", Fault::CutAnswer(30), 1),
    episode("too slow", Fault::Hang, 1),
    episode("answer lost 3 times", Fault::CutAnswer(0), 3),
    episode("503 for 12 requests", Fault::Answer(503, DYNAMODB_503), 12),
];

const OF_SNS: [Episode; 8] = [
    episode("reset", Fault::Cut, 1),
    episode("500", Fault::Answer(500, SNS_500), 1),
    episode("throttled", Fault::Answer(400, SNS_400), 1),
    episode("answer lost", Fault::CutAnswer(0), 1),
    episode("answer truncated", Fault::CutAnswer(30), 1),
    episode("too slow", Fault::Hang, 1),
    episode("503 for 3 requests", Fault::Answer(503, SNS_503), 3),
    episode("answer lost 3 times", Fault::CutAnswer(0), 3),
];

/// An operation, the number of requests from one episode to the next, and from one kill to the next.
struct Operation {
    name: &'static str,
    episodes: &'static [Episode],
    every: usize,
    kill_every: usize,
}

const OPERATIONS: [Operation; 5] = [
    Operation { name: "GetObject", episodes: &OF_S3, every: 250, kill_every: 600 },
    Operation { name: "GetItem", episodes: &OF_DYNAMODB, every: 45, kill_every: 100 },
    Operation { name: "PutItem", episodes: &OF_DYNAMODB, every: 25, kill_every: 40 },
    Operation { name: "Publish", episodes: &OF_SNS, every: 10, kill_every: 25 },
    Operation { name: "Answer", episodes: &[], every: 1, kill_every: 200 },
];

/// The faults so far.
#[derive(Default)]
pub struct Injected {
    requests: BTreeMap<&'static str, usize>,
    /// The requests of the function that is killed.
    mortal: BTreeMap<&'static str, usize>,
    /// By operation and fault.
    pub faults: BTreeMap<(&'static str, &'static str), usize>,
    /// By operation, and whether the server had handled the request.
    pub kills: BTreeMap<(&'static str, bool), usize>,
    /// The faults that may duplicate an alert, by the dedup key of the alert, or the key of its entity's document.
    pub may_duplicate: HashMap<String, usize>,
}

#[derive(Default)]
pub struct Faults(Mutex<Injected>);

/// All faults that a run can have.
pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPERATIONS.iter().flat_map(|operation| operation.episodes.iter().map(|episode| (operation.name, episode.what)))
}

/// All requests at which the function can be killed, before or after the server handles them.
pub fn kill_points() -> impl Iterator<Item = (&'static str, bool)> {
    OPERATIONS.iter().flat_map(|operation| [(operation.name, false), (operation.name, true)])
}

impl Faults {
    /// The wire of a function. Only a mortal one is killed.
    pub fn wire(self: &Arc<Faults>, server: &str, is_mortal: bool) -> Wire {
        let faults = self.clone();
        // A function publishes one alert at a time, so a kill can only duplicate its last one.
        let last_alert = Mutex::new(None);
        Wire::new(server, move |seen| faults.next(seen, is_mortal, &mut last_alert.lock().unwrap()))
    }

    fn next(&self, seen: &Seen, is_mortal: bool, last_alert: &mut Option<String>) -> Fault {
        let Some(Operation { name, episodes, every, kill_every }) =
            OPERATIONS.iter().find(|operation| operation.name == seen.operation)
        else {
            return Fault::None;
        };
        let injected = &mut *self.0.lock().unwrap();
        let subject = subject(seen);
        let mut fault = injected.kill(name, *kill_every, is_mortal);
        if let Fault::None = fault {
            fault = injected.begin(name, episodes, *every);
        }
        let handled = matches!(fault, Fault::None | Fault::CutAnswer(_) | Fault::StallAnswer(_) | Fault::KillAfter);
        if *name == "Publish" && handled {
            last_alert.clone_from(&subject);
        }
        let duplicates = match (fault, *name) {
            (Fault::None, _) => None,
            (Fault::KillBefore | Fault::KillAfter, _) => last_alert.clone(),
            (Fault::CutAnswer(_) | Fault::StallAnswer(_), "Publish") => subject,
            // The alert may be published without the table, or its publishing may not be recorded.
            (_, "GetItem" | "PutItem") => subject,
            _ => None,
        };
        if let Some(key) = duplicates {
            *injected.may_duplicate.entry(key).or_default() += 1;
        }
        fault
    }

    pub fn into_injected(self: Arc<Faults>) -> Injected {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Injected {
    fn kill(&mut self, name: &'static str, every: usize, is_mortal: bool) -> Fault {
        if !is_mortal {
            return Fault::None;
        }
        let number = self.mortal.entry(name).or_default();
        *number += 1;
        if !number.is_multiple_of(every) {
            return Fault::None;
        }
        let is_after = (*number / every).is_multiple_of(2);
        *self.kills.entry((name, is_after)).or_default() += 1;
        if is_after { Fault::KillAfter } else { Fault::KillBefore }
    }

    fn begin(&mut self, name: &'static str, episodes: &[Episode], every: usize) -> Fault {
        let number = self.requests.entry(name).or_default();
        *number += 1;
        let Some(episode) = episodes.get((*number / every) % episodes.len().max(1)) else { return Fault::None };
        if *number < every || *number % every >= episode.requests {
            return Fault::None;
        }
        *self.faults.entry((name, episode.what)).or_default() += 1;
        episode.fault
    }
}

/// The dedup key of the alert in the request, or the key of the document.
fn subject(seen: &Seen) -> Option<String> {
    if seen.operation == "Publish" {
        let message: Value = serde_json::from_str(&seen.request.form_field("Message")?).ok()?;
        let alert: Value = serde_json::from_str(message["default"].as_str()?).ok()?;
        return Some(alert["dedupKey"].as_str()?.to_owned());
    }
    let body: Value = serde_json::from_slice(&seen.request.body).ok()?;
    let key = if seen.operation == "GetItem" { &body["Key"] } else { &body["Item"] };
    Some(key["dedup_key"]["S"].as_str()?.to_owned())
}
