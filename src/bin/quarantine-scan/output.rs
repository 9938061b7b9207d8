//! The result, in the form that was asked for: the one place that writes it.

mod csv;
mod json;
mod table;

use std::{
    fs::{self, File},
    io::{self, ErrorKind, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use quarantine_alert::{alert::Alert, untrusted::visible};

pub use json::one_line;
pub use table::{Look, rows};

use crate::args::{Color, Format};

/// Where the result goes, and how it looks there.
pub struct Output {
    to: Box<dyn Write>,
    name: String,
    /// What is written, and what it will replace.
    new: Option<(PathBuf, PathBuf)>,
    format: Format,
    look: Look,
}

impl Output {
    /// # Errors
    /// The file cannot be written: told before hours are spent on what is to go into it.
    pub fn open(file: Option<&Path>, format: Format, color: Color) -> anyhow::Result<Output> {
        let name = file.map_or("standard output".into(), |file| visible(&file.to_string_lossy(), 1024));
        // The file is replaced once the result is whole: it may be one that is read, or the last run's.
        let new = file.filter(|file| !file.exists() || file.is_file()).map(|file| {
            let mut new = file.as_os_str().to_owned();
            new.push(".new");
            (PathBuf::from(new), file.to_owned())
        });
        let to: Box<dyn Write> = match (&new, file) {
            (Some((new, _)), _) => Box::new(File::create(new).with_context(|| format!("{name} cannot be written"))?),
            // Such as a pipe.
            (None, Some(file)) => Box::new(File::create(file).with_context(|| format!("{name} cannot be written"))?),
            (None, None) => Box::new(io::stdout()),
        };
        Ok(Output { to, name, new, format, look: Look::of(file.is_none() && io::stdout().is_terminal(), color) })
    }

    /// On standard output.
    ///
    /// # Errors
    /// Never: standard output is open.
    pub fn of_text() -> anyhow::Result<Output> {
        Output::open(None, Format::Table, Color::Auto)
    }

    pub fn look(&self) -> Look {
        self.look
    }

    /// Whether related activity is part of the form.
    pub fn shows_related(&self) -> bool {
        matches!(self.format, Format::Json | Format::Ndjson)
    }

    /// # Errors
    /// It cannot be written. A reader that has closed the pipe has seen enough, and is no error.
    pub fn write(self, alerts: &[Alert]) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Table if alerts.is_empty() => String::new(),
            Format::Table => table::text(alerts, self.look),
            Format::Json => json::array(alerts)?,
            Format::Ndjson => json::lines(alerts)?,
            Format::Csv => csv::text(alerts)?,
        };
        self.write_text(&text)
    }

    /// # Errors
    /// As [`Output::write`].
    pub fn write_text(mut self, text: &str) -> anyhow::Result<()> {
        match self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result
                .and_then(|()| self.new.map_or(Ok(()), |(new, file)| fs::rename(new, file)))
                .with_context(|| format!("{} cannot be written", self.name)),
        }
    }
}
