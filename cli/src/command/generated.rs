//! Shell completions and man pages, which clap generates from the arguments.

use std::{fs, io};

use anyhow::Context;
use clap::CommandFactory;

use crate::{
    args::{Arguments, Color, CompletionsArgs, ManArgs},
    output::Output,
    status::Status,
};

/// Prints a shell's completions.
///
/// # Errors
/// They cannot be written.
pub fn completions(arguments: &CompletionsArgs) -> anyhow::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "quarantine-scan", &mut script);
    Output::stdout(Color::Auto).write_text(&String::from_utf8(script)?)?;
    Ok(Status::Done)
}

/// Writes a man page for the program and one for each command.
///
/// # Errors
/// A page cannot be written.
pub fn man(arguments: &ManArgs) -> anyhow::Result<Status> {
    let folder = &arguments.folder;
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        clap_mangen::generate_to(Arguments::command(), folder)
    };
    write().with_context(|| format!("cannot write the man pages into {}", folder.display()))?;
    Ok(Status::Done)
}
