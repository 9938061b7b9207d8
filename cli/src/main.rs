//! `quarantine-scan`: has it already happened? The function's own scan, rules and deduplication, for log files on disk, in
//! S3 and on standard input.
//!
//! [`args`] parses the command line, and each [`command`] has its own module. [`search`] reads what the targets contain
//! ([`source`]) and feeds a sink, such as that of [`matches`]; [`coverage`] records what was read and what was not.
//! [`incidents`] groups matches, and [`output`] prints the result.

mod args;
mod aws;
mod command;
mod coverage;
mod filter;
mod incidents;
mod matches;
mod output;
mod progress;
mod related;
mod search;
mod source;
mod status;
mod stop;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use args::{Arguments, Command};
use command::{enqueue, explain, find, generated, replay, rules, trace};
use progress::say;
use status::Status;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(status) => status.code(),
        Err(error) => {
            say(&format!("error: {error:#}."));
            Status::Incomplete.code()
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
            Command::Trace(trace) => trace::run(trace).await,
            Command::Explain(explain) => explain::run(&explain),
            Command::Rules(rules) => rules::run(&rules),
            Command::Completions(completions) => generated::completions(&completions),
            Command::Man(man) => generated::man(&man),
        }
    });
    // A blocked read of standard input cannot be interrupted. It is abandoned.
    runtime.shutdown_background();
    status
}
