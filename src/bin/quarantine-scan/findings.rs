//! What a run has found so far, what of it could not be read, and how that is told.

use std::sync::Arc;

use indicatif::{HumanBytes, HumanCount};
use quarantine_alert::{
    handler::{
        Failure,
        read::{End, Found, Reader},
        turn::Turn,
    },
    log_file::LogFile,
    record::Record,
    related::Related,
    rule::Rules,
    scan::ScanError,
};
use time::OffsetDateTime;

use crate::{
    filter::Filter,
    progress::{Step, say},
    source::{Tally, disk},
};

/// Matches are held in memory until all are found: so many bytes of them are an attack, or too wide a search.
const MOST_BYTES: usize = 1024 * 1024 * 1024;

/// So many of the files that could not be read are named.
const MOST_NAMED: usize = 1000;

/// What the paths hold.
#[derive(Default)]
pub struct Findings {
    pub turns: Vec<Turn>,
    /// Of each path, if it is in S3.
    pub readers: Vec<Option<Reader>>,
    /// Whether a path has led to a log file, or it was told why not.
    pub is_told: Vec<bool>,
    scanned: u64,
    bytes: u64,
    inflated_bytes: u64,
    pub skipped: u64,
    /// Each with its reason; the first ones.
    unread: Vec<String>,
    unread_count: usize,
    /// Why the run ended before its end.
    pub stopped: Option<String>,
    pub seconds: f64,
    held_bytes: usize,
}

impl Findings {
    /// Nothing yet, of so many paths.
    pub fn of(paths: usize) -> Findings {
        Findings { readers: vec![None; paths], is_told: vec![false; paths], ..Findings::default() }
    }

    /// Whether all that was asked for has been read.
    pub fn is_complete(&self) -> bool {
        self.unread_count == 0 && self.stopped.is_none()
    }

    /// What else the identity of a match did in its log file; `None` where that cannot be told.
    pub async fn related(&self, turn: &Turn) -> Option<Related> {
        match &self.readers[turn.item] {
            Some(reader) => reader.related(turn).await,
            None => disk::related(turn),
        }
    }

    /// Tells the person what was found in what, and what could not be read.
    pub fn report(&self, what: &str) {
        let files = plural(self.scanned, "log file");
        let bytes = format!("{}, {} inflated", HumanBytes(self.bytes), HumanBytes(self.inflated_bytes));
        say(&format!("{what} in {files} ({bytes}), {:.1} s.", self.seconds));
        if self.skipped > 0 {
            say(&format!(
                "{} passed over: no CloudTrail log files, or of other dates.",
                plural(self.skipped, "other file")
            ));
        }
        for line in &self.unread {
            say(&format!("not read: {line}."));
        }
        if self.unread_count > self.unread.len() {
            say(&format!("not read: {} more.", HumanCount((self.unread_count - self.unread.len()) as u64)));
        }
        if let Some(reason) = &self.stopped {
            say(&format!("PARTIAL: {reason}; what was not yet read is not in this result."));
        }
    }

    /// What a reader sends.
    pub fn take(&mut self, found: Found, rules: &Rules, filter: &Filter) {
        match found {
            Found::Candidate { scan, log_file, record } => self.candidate(scan, log_file, *record, rules, filter),
            Found::End { scan, end } => self.end(scan, end),
        }
    }

    /// A record that holds a needle.
    fn candidate(&mut self, scan: usize, log_file: Arc<LogFile>, record: Record, rules: &Rules, filter: &Filter) {
        if let Some(reason) = unjudged(&record) {
            return self.unread(scan, format!("{log_file} {reason}; give the records as CloudTrail writes them"));
        }
        if let Some(matched) = rules.judge(record).filter(|matched| filter.wants(matched)) {
            let is_timeless = matched.record.event_time.is_none();
            let mut turn = Turn::new(scan, matched, Some(log_file));
            if is_timeless {
                // The time of this run would make a new incident of it in each.
                turn.event_time = OffsetDateTime::UNIX_EPOCH;
            }
            self.hold(turn);
        }
    }

    fn hold(&mut self, turn: Turn) {
        self.held_bytes += turn.bytes();
        self.turns.push(turn);
        if self.held_bytes > MOST_BYTES {
            let most = HumanBytes(MOST_BYTES as u64);
            self.stopped = Some(format!("more than {most} of matches; narrow it by --since, --until or --account"));
        }
    }

    fn end(&mut self, scan: usize, end: Result<End, Failure>) {
        match end {
            Ok(End::Scanned(scanned)) => {
                self.is_told[scan] = true;
                self.scanned += 1;
                self.bytes += scanned.bytes;
                self.inflated_bytes += scanned.inflated_bytes;
            }
            Ok(End::Skipped(_)) => self.skipped += 1,
            Err(failure) => self.unread(scan, reason(&failure)),
        }
    }

    pub fn unread(&mut self, scan: usize, line: String) {
        self.is_told[scan] = true;
        self.unread_count += 1;
        if self.unread.len() < MOST_NAMED {
            self.unread.push(line);
        }
    }

    pub fn step(&self, tally: &Tally) -> Step {
        Step {
            done: self.scanned + self.skipped + self.unread_count as u64,
            listed: tally.listed(),
            is_listing: tally.is_listing(),
            bytes: self.bytes,
            note: plural(self.turns.len(), "match"),
        }
    }
}

/// Why the rules can say nothing of what holds a needle.
fn unjudged(record: &Record) -> Option<&'static str> {
    let (Some(source), Some(name)) = (&record.event_source, &record.event_name) else {
        // Such as what `aws cloudtrail lookup-events` prints, or a list of whole log files.
        return Some("holds what the rules look for in a document that is no CloudTrail record");
    };
    let is_policy_call = source.test(|text| text == "iam.amazonaws.com") && name.test(|text| text.ends_with("Policy"));
    // CloudTrail leaves them out only where a call failed; an export may have made text or columns of them.
    (is_policy_call && record.request_parameters.is_none() && record.error_code.is_none())
        .then_some("holds a policy call without its parameters (requestParameters)")
}

/// Why a file is not read. On a disk, the trail's own validation has nothing to say.
fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Scan { log_file, problem: problem @ ScanError::MalformedJson { .. } } => {
            format!("{log_file} {problem}; what follows is not read")
        }
        Failure::Scan { log_file, problem } if log_file.bucket.is_none() => format!("{log_file} {problem}"),
        Failure::Record { log_file, problem } if log_file.bucket.is_none() => {
            format!("{log_file} is broken: {problem}")
        }
        failure => failure.to_string(),
    }
}

/// A number with its noun.
pub fn plural<N: TryInto<u64>>(number: N, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let ending = match noun {
        _ if number == 1 => "",
        "match" => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", HumanCount(number))
}
