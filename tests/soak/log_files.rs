//! The log files of a run: their keys, and their bytes.

use serde_json::{Value, json};

use crate::{
    incidents::ACCOUNTS,
    random::Random,
    support::{gzip, large_log_file, log_file},
};

/// Makes the objects of a run. No two have the same key.
pub struct LogFiles {
    /// Records without a needle, as text.
    ordinary: Vec<String>,
    near_misses: Vec<Value>,
    large: Vec<u8>,
    next: usize,
}

/// How a log file is broken. Only the first ones have readable records.
pub const BREAKS: [&str; 6] = ["truncated", "malformed", "not gzip", "not JSON", "no records", "empty"];
pub const READABLE_BREAKS: usize = 2;

impl LogFiles {
    pub fn new(random: &mut Random) -> LogFiles {
        let clean = log_file("clean")["Records"].as_array().unwrap().clone();
        let ordinary = (0..400).map(|number| {
            let mut record = clean[number % clean.len()].clone();
            for field in ["eventID", "requestID"] {
                record[field] = json!(random.id());
            }
            record["userAgent"] = json!(format!("aws-cli/2.31.4 {}", random.id()));
            record.to_string()
        });
        LogFiles {
            ordinary: ordinary.collect(),
            near_misses: log_file("near-misses")["Records"].as_array().unwrap().clone(),
            large: large_log_file(4, &clean[0]),
            next: 0,
        }
    }

    /// The key of the next log file, of any account and of one of two trails.
    pub fn key(&mut self, random: &mut Random) -> String {
        self.next += 1;
        let account = random.pick(&ACCOUNTS);
        let region = random.pick(&["us-east-1", "eu-west-1", "ap-south-1"]);
        // The space is encoded in notifications of S3.
        let trail = random.pick(&["", "second trail/"]);
        let file = format!("{account}_CloudTrail_{region}_20261124T0305Z_soak{:08}.json.gz", self.next);
        format!("{trail}AWSLogs/{account}/CloudTrail/{region}/2026/11/24/{file}")
    }

    /// A log file with these records among others. It is long enough for each fault of a download to hit its body.
    pub fn with(&self, records: &[Value], random: &mut Random) -> Vec<u8> {
        let before = 12 + random.below(40);
        let mut texts: Vec<String> = (0..before).map(|_| random.pick(&self.ordinary).clone()).collect();
        for record in records {
            let place = random.below(texts.len());
            texts.insert(place, record.to_string());
        }
        let half = texts.len() / 2;
        match random.below(10) {
            // Several members, plain text, and a record per line are log files as well.
            0 => {
                let [head, tail] = [&texts[..half], &texts[half..]].map(|part| part.join(","));
                [gzip(format!("{{\"Records\":[{head},").as_bytes()), gzip(format!("{tail}]}}").as_bytes())].concat()
            }
            1 => format!("{{\"Records\":[{}]}}", texts.join(",")).into_bytes(),
            2 => gzip(texts.join("\n").as_bytes()),
            _ => gzip(format!("{{\"Records\":[{}]}}", texts.join(",")).as_bytes()),
        }
    }

    pub fn near_misses(&self, random: &mut Random) -> Vec<u8> {
        self.with(&self.near_misses, random)
    }

    pub fn without_records() -> Vec<u8> {
        gzip(br#"{"Records":[]}"#)
    }

    /// Several MiB when it is inflated.
    pub fn large(&self) -> Vec<u8> {
        self.large.clone()
    }

    /// A log file that cannot be read to its end.
    pub fn broken(&self, kind: &str, records: &[Value], random: &mut Random) -> Vec<u8> {
        let join = |texts: &[String]| texts.join(",");
        let readable: Vec<String> = records.iter().map(Value::to_string).chain([self.ordinary[0].clone()]).collect();
        match kind {
            "truncated" => {
                let rest: Vec<String> = (0..200).map(|_| random.pick(&self.ordinary).clone()).collect();
                let whole = gzip(format!("{{\"Records\":[{},{}]}}", join(&readable), join(&rest)).as_bytes());
                whole[..whole.len() * 3 / 4].to_vec()
            }
            "malformed" => {
                gzip(format!("{{\"Records\":[{},{{\"x\":CompromisedKeyQuarantine}}]}}", join(&readable)).as_bytes())
            }
            "not gzip" => b"hello".to_vec(),
            "not JSON" => gzip(b"hello"),
            "no records" => gzip(b"{\"a\":[1]}"),
            _ => Vec::new(),
        }
    }
}
