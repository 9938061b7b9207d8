//! The progress of a run and other messages for people, on standard error. Nothing here is part of the result.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a line is printed if standard error is not a terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How often a terminal is redrawn.
pub const TICK: Duration = Duration::from_millis(100);

/// Prints one line for people.
pub fn say(line: &str) {
    // A closed standard error has no reader to inform.
    let _ = writeln!(io::stderr(), "{line}");
}

/// A number with its noun.
pub fn plural<N: TryInto<u64>>(number: N, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let number_of = HumanCount(number);
    match noun {
        _ if number == 1 => format!("{number_of} {noun}"),
        "identity" | "other identity" => format!("{number_of} {}ies", &noun[..noun.len() - 1]),
        _ if noun.ends_with(['s', 'h']) => format!("{number_of} {noun}es"),
        _ => format!("{number_of} {noun}s"),
    }
}

/// A bar on a terminal, plain lines elsewhere.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    printed: Instant,
    is_terminal: bool,
}

/// The state of a run.
pub struct Snapshot {
    pub done: u64,
    pub listed: u64,
    /// Whether more may be listed, so that the end is unknown.
    pub is_listing: bool,
    pub bytes: u64,
    /// The result so far.
    pub note: String,
}

impl Progress {
    pub fn new() -> Progress {
        let is_terminal = io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        // The template is a constant. A bar without a style shows the same.
        bar.set_style(
            ProgressStyle::with_template("{spinner} {bar:20} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let now = Instant::now();
        Progress { bar, started: now, printed: now, is_terminal }
    }

    pub fn show(&mut self, snapshot: &Snapshot) {
        if self.is_terminal {
            self.bar.set_length(snapshot.listed);
            self.bar.set_position(snapshot.done);
            self.bar.set_message(self.line(snapshot));
        } else if self.printed.elapsed() >= LINE_EVERY {
            self.printed = Instant::now();
            say(&self.line(snapshot));
        }
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn line(&self, snapshot: &Snapshot) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rate = HumanBytes((snapshot.bytes as f64 / seconds) as u64);
        let left = snapshot.listed.saturating_sub(snapshot.done);
        let end = if snapshot.is_listing || snapshot.done == 0 {
            "still listing".into()
        } else {
            let left = Duration::from_secs_f64(seconds * left as f64 / snapshot.done as f64);
            format!("{} left", HumanDuration(left))
        };
        format!(
            "{} of {} log files, {}, {rate}/s, {}, {end}",
            HumanCount(snapshot.done),
            HumanCount(snapshot.listed),
            HumanBytes(snapshot.bytes),
            snapshot.note
        )
    }
}
