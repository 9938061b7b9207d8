//! The result, in the requested format: the only module that writes it.

mod csv;
pub mod json;
mod table;
pub mod trace;

use std::{
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use quarantine_alert::{alert::Alert, untrusted::visible};

pub use json::array;
pub use table::{Look, rows};

use crate::args::{Color, Format};

/// Where the result is written, and how it looks there.
pub struct Output {
    to: Box<dyn Write>,
    name: String,
    replaced: Option<Replaced>,
    look: Look,
}

/// A file that is replaced once the result is complete: it may be one that is read, or an earlier result.
struct Replaced {
    file: PathBuf,
    /// Removed if the result is never completed.
    new: PathBuf,
}

impl Output {
    /// # Errors
    /// The file cannot be written. This is checked before the search, which may take hours.
    pub fn open(file: Option<&Path>, color: Color) -> anyhow::Result<Output> {
        let Some(file) = file else { return Ok(Output::stdout(color)) };
        let name = visible(&file.to_string_lossy(), 1024);
        // A pipe or a device is written to directly.
        let is_replaced = !file.exists() || file.is_file();
        let replaced = is_replaced.then(|| Replaced { new: replacement(file), file: file.to_owned() });
        let path = replaced.as_ref().map_or(file, |replaced| replaced.new.as_path());
        let to = Box::new(File::create(path).with_context(|| format!("cannot write {name}"))?);
        Ok(Output { to, name, replaced, look: Look::of(false, color) })
    }

    pub fn stdout(color: Color) -> Output {
        let look = Look::of(io::stdout().is_terminal(), color);
        Output { to: Box::new(io::stdout()), name: "standard output".into(), replaced: None, look }
    }

    pub fn look(&self) -> Look {
        self.look
    }

    /// # Errors
    /// The result cannot be written. A reader that closes the pipe early is not an error.
    pub fn write_alerts(self, alerts: &[Alert], format: Format) -> anyhow::Result<()> {
        let text = match format {
            Format::Table if alerts.is_empty() => String::new(),
            Format::Table => table::text(alerts, self.look),
            Format::Json => json::array(alerts)?,
            Format::Ndjson => json::lines(alerts)?,
            Format::Csv => csv::text(alerts)?,
        };
        self.write_text(&text)
    }

    /// # Errors
    /// As [`Output::write_alerts`].
    pub fn write_text(self, text: &str) -> anyhow::Result<()> {
        self.write(|to| Ok(to.write_all(text.as_bytes())?))
    }

    /// # Errors
    /// As [`Output::write_alerts`], or that of `result`.
    pub fn write(mut self, result: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut to = BufWriter::new(&mut self.to);
        let written = result(&mut to).and_then(|()| Ok(to.flush()?));
        drop(to.into_parts());
        let is_closed = |error: &anyhow::Error| {
            error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
        };
        match written {
            Err(error) if is_closed(&error) => Ok(()),
            written => written
                .and_then(|()| Ok(self.replaced.map_or(Ok(()), Replaced::complete)?))
                .with_context(|| format!("cannot write {}", self.name)),
        }
    }
}

impl Replaced {
    fn complete(self) -> io::Result<()> {
        fs::rename(&self.new, &self.file)
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        // Once it is renamed, there is nothing to remove.
        let _ = fs::remove_file(&self.new);
    }
}

/// The file that is written first and then renamed, so that `file` is replaced in one step.
pub fn replacement(file: &Path) -> PathBuf {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    new.into()
}
