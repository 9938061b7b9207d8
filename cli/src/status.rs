//! How a run ended, as its exit status.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `find` read everything and found nothing.
    NothingFound,
    /// `find` read everything and found incidents.
    Found,
    /// `explain`: no rule matches.
    NoMatch,
    /// `explain`: a rule matches.
    Match,
    /// `replay`, `enqueue` and `rules` did everything that was asked.
    Done,
    /// Something could not be read or sent, or was not reached.
    Incomplete,
}

impl Status {
    pub fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Status::NothingFound | Status::NoMatch | Status::Done => 0,
            Status::Found | Status::Match => 1,
            Status::Incomplete => 2,
        })
    }
}
