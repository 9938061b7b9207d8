//! A strip of bars: how many calls there were in each part of the time, and how they ended.

use std::{fmt::Write as _, io};

use maud::{Markup, PreEscaped, html};
use quarantine_alert::{
    trace::{
        call::Outcome,
        calls::Timeline,
        report::{Summary, Time},
    },
    trail::time::rfc3339,
};
use time::{Duration, OffsetDateTime};

use super::super::verdict::period;
use crate::progress::plural;

const BARS: usize = 80;
/// The width of one bar and the gap after it, in units of the drawing.
const WIDTH: usize = 10;
const HEIGHT: u64 = 120;

/// In the order in which they are stacked, from the ground.
const KINDS: [(&str, &str); 3] = [("succeeded", "succeeded"), ("denied", "denied"), ("failed", "failed or dry run")];

pub struct Strip {
    first: Option<Time>,
    last: Option<Time>,
    /// How many calls of each kind.
    bars: Vec<[u64; KINDS.len()]>,
    without_time: u64,
    quarantined: Option<OffsetDateTime>,
}

impl Strip {
    /// # Errors
    /// The temporary file of the timeline cannot be read.
    pub fn of(timeline: &Timeline, summary: &Summary, quarantined: Option<OffsetDateTime>) -> io::Result<Strip> {
        let (first, last) = (summary.first_event_time, summary.last_event_time);
        let mut strip = Strip { first, last, bars: vec![[0; KINDS.len()]; BARS], without_time: 0, quarantined };
        timeline.each(|row| {
            match row.event_time.and_then(|time| strip.place(time)) {
                None => strip.without_time += 1,
                Some(bar) => {
                    strip.bars[bar][match row.outcome {
                        Outcome::Succeeded => 0,
                        Outcome::Denied => 1,
                        Outcome::Failed | Outcome::DryRun => 2,
                    }] += 1;
                }
            }
            Ok::<_, io::Error>(())
        })?;
        Ok(strip)
    }

    fn length(&self) -> Option<Duration> {
        self.first.zip(self.last).map(|(first, last)| last.0 - first.0)
    }

    /// The bar of a time.
    fn place(&self, time: OffsetDateTime) -> Option<usize> {
        let length = self.length()?.whole_nanoseconds().max(1);
        let since = (time - self.first?.0).whole_nanoseconds();
        usize::try_from(since * BARS as i128 / length).ok().map(|bar| bar.min(BARS - 1))
    }

    /// When a bar begins.
    fn begin(&self, bar: usize) -> Option<OffsetDateTime> {
        Some(self.first?.0 + self.length()? * (bar as f64 / BARS as f64))
    }

    pub fn draw(&self) -> Markup {
        let highest = self.bars.iter().map(|bar| bar.iter().sum::<u64>()).max().unwrap_or(0);
        let mark = self.quarantined.filter(|&moment| {
            self.first.zip(self.last).is_some_and(|(first, last)| (first.0..=last.0).contains(&moment))
        });
        html! {
            @if highest == 0 {
                p { "No call has a time." }
            } @else {
                figure {
                    svg viewBox=(format!("0 0 {} {HEIGHT}", BARS * WIDTH)) preserveAspectRatio="none" role="img"
                        aria-label=(format!("Calls {}, at most {highest} in one bar", period(self.first, self.last))) {
                        (PreEscaped(PATTERNS))
                        (PreEscaped(self.bars(highest)))
                        @if let Some(bar) = mark.and_then(|moment| self.place(moment)) {
                            line.mark x1=(bar * WIDTH) x2=(bar * WIDTH) y1="0" y2=(HEIGHT) {}
                        }
                    }
                    div.axis {
                        @for time in [self.first, self.last].into_iter().flatten() { span { (time) } }
                    }
                    figcaption {
                        @for (class, name) in KINDS {
                            span.legend {
                                svg width="14" height="14" aria-hidden="true" { rect class=(class) width="14" height="14" {} }
                                " " (name)
                            }
                        }
                        span.legend { "The highest bar: " (plural(highest, "call")) "." }
                        @if let Some(moment) = self.quarantined {
                            span.legend {
                                @if mark.is_some() { "The dashed line is the quarantine, " } @else { "The quarantine came " }
                                (rfc3339(moment)) "."
                            }
                        }
                        @if self.without_time > 0 { span.legend { (plural(self.without_time, "call")) " without a time." } }
                    }
                }
                details {
                    summary { "Show as a table" }
                    (self.numbers())
                }
            }
        }
    }

    fn bars(&self, highest: u64) -> String {
        let mut svg = String::new();
        for (place, bar) in self.bars.iter().enumerate() {
            let mut ground = HEIGHT;
            for (number, (class, _)) in bar.iter().zip(KINDS).filter(|(number, _)| **number > 0) {
                // One call among many is still seen.
                let height = (number * HEIGHT / highest).max(2).min(ground);
                ground -= height;
                let (x, width) = (place * WIDTH, WIDTH - 1);
                let _ =
                    write!(svg, r#"<rect class="{class}" x="{x}" y="{ground}" width="{width}" height="{height}"/>"#);
            }
        }
        svg
    }

    fn numbers(&self) -> Markup {
        let bars = self.bars.iter().enumerate().filter(|(_, bar)| bar.iter().any(|&number| number > 0));
        let rows: Vec<Markup> = bars
            .map(|(place, bar)| {
                html! {
                    td.time { (self.begin(place).map_or(String::new(), rfc3339)) }
                    @for number in bar { td.number { (number) } }
                }
            })
            .collect();
        super::table("Calls in each bar", &["From", "Succeeded", "Denied", "Failed or dry run"], &rows, rows.len())
    }
}

/// Without colour, denied calls are striped and failed ones dotted. The base of each has the class's colour.
const PATTERNS: &str = r#"<defs><pattern id="stripes" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="denied-ground" width="4" height="4"/><path class="denied-ink" d="M0 4L4 0M-1 1L1 -1M3 5L5 3"/></pattern><pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="failed-ground" width="4" height="4"/><circle class="failed-ink" cx="2" cy="2" r="1"/></pattern></defs>"#;
