//! The deliveries of a run, in order: the evidence of the cases at random places among ordinary log files.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::json;

use crate::{
    incidents::{Case, Evidence},
    log_files::{BREAKS, LogFiles, READABLE_BREAKS},
    random::Random,
    shapes::{DIRECT, IDLE, Payload, QUEUED, REFUSED, Shapes},
    support::local_aws::Account,
};

/// A delivery, which the queue may hand out several times.
#[derive(Clone)]
pub struct Delivery {
    pub number: usize,
    /// What it delivers, for the table.
    pub content: &'static str,
    pub payload: Payload,
    /// Whether it must end in the dead-letter queue, whatever happens.
    pub is_bad: bool,
}

impl Delivery {
    pub fn id(&self) -> String {
        format!("delivery-{}", self.number)
    }
}

/// The objects that a delivery announces, which must be in the bucket before it is sent.
pub type Objects = Vec<(String, Vec<u8>)>;

pub struct Deliveries<'a> {
    shapes: Shapes<'a>,
    log_files: LogFiles,
    random: Random,
    count: usize,
    next: usize,
    /// The evidence that a delivery contains, by its number.
    planned: BTreeMap<usize, Vec<Evidence>>,
    recent: VecDeque<Arc<Delivery>>,
}

/// A copy of a message comes at most this many deliveries later.
const RECENT: usize = 200;

impl Deliveries<'_> {
    pub fn new<'a>(account: &'a Account, cases: &[Case], count: usize, mut random: Random) -> Deliveries<'a> {
        let mut planned: BTreeMap<usize, Vec<Evidence>> = BTreeMap::new();
        for evidence in cases.iter().flat_map(|case| &case.evidence) {
            let first = random.below(count);
            planned.entry(first).or_default().push(evidence.clone());
            // Copies come from the second trail, another region or a replay. Most come much later: a copy that follows soon
            // waits for the lease if the function was killed.
            for _ in 0..random.below(5) {
                let distance = if random.percent(20) { 1 + random.below(30) } else { random.below(count) };
                planned.entry((first + distance) % count).or_default().push(evidence.clone());
            }
        }
        let log_files = LogFiles::new(&mut random);
        Deliveries { shapes: Shapes(account), log_files, random, count, next: 0, planned, recent: VecDeque::new() }
    }

    /// Records share a log file. What does not fit into this delivery comes with the next one.
    fn evidence(&mut self, evidence: Vec<Evidence>) -> (&'static str, Payload, Objects) {
        let (mut records, mut rest): (Vec<_>, Vec<_>) = evidence.into_iter().partition(|each| each.record().is_some());
        let alone = match records.len() {
            0 => rest.pop(),
            1 if self.random.percent(25) => records.pop(),
            _ => None,
        };
        if !rest.is_empty() {
            self.planned.entry(self.next).or_default().append(&mut rest);
        }
        if let Some(alone) = alone {
            return ("evidence alone", self.shapes.containing(&alone, &mut self.random), Vec::new());
        }
        let records: Vec<_> = records.iter().filter_map(Evidence::record).cloned().collect();
        let bytes = self.log_files.with(&records, &mut self.random);
        let (payload, objects) = self.announced(bytes);
        ("log file with matches", payload, objects)
    }

    /// Announces a log file, mostly through the queue. A notification of CloudTrail announces an ordinary one as well.
    fn announced(&mut self, bytes: Vec<u8>) -> (Payload, Objects) {
        let shapes = if self.random.percent(90) { &QUEUED[..] } else { &DIRECT };
        let shape = *self.random.pick(shapes);
        let mut objects = vec![(self.log_files.key(&mut self.random), bytes)];
        if shape == "sqs-cloudtrail-raw" {
            let ordinary = self.log_files.with(&[], &mut self.random);
            objects.push((self.log_files.key(&mut self.random), ordinary));
        }
        let sizes: Vec<_> = objects.iter().map(|(key, bytes)| (key.clone(), bytes.len())).collect();
        (self.shapes.announcing(shape, &sizes), objects)
    }

    /// A delivery that can never be handled. A broken log file may have readable records.
    fn bad(&mut self, evidence: &[Evidence]) -> (&'static str, Payload, Objects) {
        let records: Vec<_> = evidence.iter().filter_map(Evidence::record).cloned().collect();
        if !records.is_empty() {
            let bytes = self.log_files.broken(BREAKS[self.random.below(READABLE_BREAKS)], &records, &mut self.random);
            let (payload, objects) = self.announced(bytes);
            return ("broken log file with matches", payload, objects);
        }
        match self.random.below(4) {
            0 => ("refused shape", self.shapes.plain(REFUSED[self.random.below(2)]), Vec::new()),
            1 => {
                let mut payload = self.shapes.plain(QUEUED[0]);
                payload.event["Records"][0]["body"] = json!("not JSON");
                ("refused shape", payload, Vec::new())
            }
            2 => {
                let (payload, mut objects) = self.announced(vec![0; 1000]);
                objects.remove(0);
                ("missing log file", payload, objects)
            }
            _ => {
                let kind = BREAKS[self.random.below(BREAKS.len())];
                let bytes = self.log_files.broken(kind, &[], &mut self.random);
                let (payload, objects) = self.announced(bytes);
                ("broken log file", payload, objects)
            }
        }
    }

    fn ordinary(&mut self) -> (&'static str, Payload, Objects) {
        let (content, bytes) = match self.random.below(100) {
            0..10 => {
                let shape = *self.random.pick(&IDLE);
                return ("nothing to do", self.shapes.plain(shape), Vec::new());
            }
            10..20 => ("log file without records", LogFiles::without_records()),
            20..25 => ("near misses", self.log_files.near_misses(&mut self.random)),
            25 => ("large log file", self.log_files.large()),
            _ => ("ordinary log file", self.log_files.with(&[], &mut self.random)),
        };
        let (payload, objects) = self.announced(bytes);
        (content, payload, objects)
    }

    /// Gives the message its id, and keeps it to be copied.
    fn sent(&mut self, mut delivery: Delivery, objects: Objects) -> (Arc<Delivery>, Objects) {
        let id = delivery.id();
        if delivery.payload.is_queued {
            delivery.payload.event["Records"][0]["messageId"] = json!(id);
        }
        let delivery = Arc::new(delivery);
        self.recent.push_back(delivery.clone());
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        (delivery, objects)
    }
}

impl Iterator for Deliveries<'_> {
    type Item = (Arc<Delivery>, Objects);

    fn next(&mut self) -> Option<(Arc<Delivery>, Objects)> {
        // Evidence that did not fit into the last delivery makes a few more.
        if self.next >= self.count && self.planned.is_empty() {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let evidence = self.planned.remove(&number).unwrap_or_default();
        // The last quarter has time for the five receives of the others. A log file has no event of AWS Health.
        let may_be_bad = number < self.count * 3 / 4 && evidence.iter().all(|evidence| evidence.record().is_some());
        let is_bad = may_be_bad && self.random.percent(2);
        if !is_bad && evidence.is_empty() && self.random.percent(3) && !self.recent.is_empty() {
            let original = &self.recent[self.random.below(self.recent.len())];
            let copy = Delivery { number, content: "copy of a delivery", ..original.as_ref().clone() };
            return Some(self.sent(copy, Vec::new()));
        }
        let (content, payload, objects) = match () {
            () if is_bad => self.bad(&evidence),
            () if evidence.is_empty() => self.ordinary(),
            () => self.evidence(evidence),
        };
        Some(self.sent(Delivery { number, content, payload, is_bad }, objects))
    }
}
