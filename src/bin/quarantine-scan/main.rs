//! `quarantine-scan`: has it already happened? The function's own scan, rules and deduplication, for log files on
//! disk and in S3.
//!
//! [`args`] is what the command line says. [`find`] reads what a [`source`] holds into [`findings`], groups the
//! matches into [`incidents`], and [`output`] prints them; [`replay`] publishes them, [`enqueue`] has the function do it all.
//! [`explain`] tells what the rules make of a record.

mod args;
mod enqueue;
mod explain;
mod filter;
mod find;
mod findings;
mod incidents;
mod output;
mod progress;
mod replay;
mod source;
mod stop;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use progress::say;

/// How a run ended, as its exit status tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Of `replay` and `enqueue`: all is done.
    NothingFound = 0,
    Found = 1,
    /// Something could not be read, or was not reached.
    Incomplete = 2,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(status) => ExitCode::from(status as u8),
        Err(error) => {
            say(&format!("error: {error:#}."));
            ExitCode::from(Status::Incomplete as u8)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<Status> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        match arguments.command.unwrap_or(Command::Find(arguments.find)) {
            Command::Find(find) => find::run(find).await,
            Command::Replay(replay) => replay::run(replay).await,
            Command::Enqueue(enqueue) => enqueue::run(enqueue).await,
            Command::Explain(explain) => explain::explain(&explain),
            Command::Rules(rules) => explain::rules(&rules),
        }
    });
    // A read of standard input cannot be cut short: it is left behind.
    runtime.shutdown_background();
    status
}
