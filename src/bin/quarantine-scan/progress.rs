//! How far a run is, and what else is said to the person in front of it: standard error. Nothing here is a result.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where standard error is no terminal, a line each.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A terminal is drawn anew so often.
pub const TICK: Duration = Duration::from_millis(100);

/// One line for a person.
pub fn say(line: &str) {
    // Whoever has closed standard error does not want to be told.
    let _ = writeln!(io::stderr(), "{line}");
}

/// A bar on a terminal, plain lines elsewhere.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    said: Instant,
    is_terminal: bool,
}

/// How far a run is.
pub struct Step {
    pub done: u64,
    pub listed: u64,
    /// Whether more may be listed, so that the end is not known.
    pub is_listing: bool,
    /// How many bytes were read.
    pub bytes: u64,
    /// What was found, or what is left to say.
    pub note: String,
}

impl Progress {
    pub fn new() -> Progress {
        let is_terminal = io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        // The template is a constant: a bar without a style shows as much.
        bar.set_style(
            ProgressStyle::with_template("{spinner} {bar:20} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let now = Instant::now();
        Progress { bar, started: now, said: now, is_terminal }
    }

    pub fn show(&mut self, step: &Step) {
        if self.is_terminal {
            self.bar.set_length(step.listed);
            self.bar.set_position(step.done);
            self.bar.set_message(self.line(step));
        } else if self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            say(&self.line(step));
        }
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn line(&self, step: &Step) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rate = HumanBytes((step.bytes as f64 / seconds) as u64);
        let left = step.listed.saturating_sub(step.done);
        let end = if step.is_listing || step.done == 0 {
            "still listing".into()
        } else {
            format!("{} left", HumanDuration(Duration::from_secs_f64(seconds * left as f64 / step.done as f64)))
        };
        format!(
            "{} of {} log files, {}, {rate}/s, {}, {end}",
            HumanCount(step.done),
            HumanCount(step.listed),
            HumanBytes(step.bytes),
            step.note
        )
    }
}
