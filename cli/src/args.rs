//! The command line → values that can be used.

mod search;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, builder::OsStringValueParser, builder::TypedValueParser};
use quarantine_alert::{
    config::{DedupPeriod, HttpsFormat, TableName, TopicArn},
    trace::identity::{Identity, IdentityError},
};

use crate::source::Target;

pub use search::{PeriodArgs, SearchArgs};

const EXAMPLES: &str = "\
Examples:
  Search a folder and everything below it:
    quarantine-scan ~/old-logs
  Search the last 90 days of a trail's bucket, for a spreadsheet:
    quarantine-scan s3://example-trail-logs --since 90d --format csv --output found.csv
  Search a pipe, and print the alerts that the function would have sent:
    zcat *.gz | quarantine-scan - --format json

Exit status: 0 nothing found, 1 incidents found, 2 something could not be read (incidents or not).
AWS credentials come from the same places as the AWS CLI's: AWS_PROFILE, the environment, `aws sso login`.";

// Log files are sent unread, so their keys decide.
const SEND_SINCE: &str =
    "Only send log files from this day on, by the date in their keys (2026-11-24, 2026-11-24T03:02:11Z, 7d)";
const SEND_UNTIL: &str = "Only send log files up to a day after this one, since CloudTrail delivers late";
const SEND_ACCOUNT: &str = "Only send log files of this account; may be repeated";

/// Find quarantines of exposed IAM access keys in CloudTrail log files, on disk and in S3
///
/// AWS attaches the policy AWSCompromisedKeyQuarantine to an IAM user whose access key has leaked. This program shows whether
/// that has already happened. It finds the same matches as the Lambda function quarantine-alert and groups them into the
/// same incidents.
#[derive(Parser)]
#[command(
    name = "quarantine-scan",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub find: FindArgs,
}

#[derive(Subcommand)]
pub enum Command {
    /// Print the incidents in log files (the default command)
    #[command(after_help = EXAMPLES)]
    Find(FindArgs),
    /// Send the alerts of old log files, with the deployed function's dedup table and topic
    ///
    /// An incident is never alerted both here and by the function: each suppresses what the other has alerted. Nothing is
    /// sent without --yes.
    #[command(after_help = "\
Example:
  quarantine-scan replay s3://example-trail-logs --since 90d \\
    --topic-arn arn:aws:sns:us-east-1:123456789012:alerts --table quarantine-alert-dedup

The stack's outputs AlertTopicArn and DedupTableName show the topic and the table. At most two alerts per second are sent.
Exit status: 0 every alert is sent (or, without --yes, shown), 2 something could not be read or sent.")]
    Replay(ReplayArgs),
    /// Send old log files in S3 to the deployed function, through its delivery queue
    ///
    /// Use it for more log files than one machine should read. Lambda scans them, with the stack's own alarms, dead-letter
    /// queue and deduplication.
    #[command(after_help = "\
Example:
  quarantine-scan enqueue s3://example-trail-logs/AWSLogs/ --since 2025-01-01 --resume run.json \\
    --queue https://sqs.us-east-1.amazonaws.com/123456789012/quarantine-alert-delivery

The stack's output DeliveryQueueUrl shows the queue.
Exit status: 0 every log file is in the queue, 2 something is not.",
        mut_arg("since", |arg| arg.help(SEND_SINCE)),
        mut_arg("until", |arg| arg.help(SEND_UNTIL).long_help(None)),
        mut_arg("account", |arg| arg.help(SEND_ACCOUNT)))]
    Enqueue(EnqueueArgs),
    /// Show what a key did: its calls, what came from it, and what it left behind
    ///
    /// Follows the credentials and users that it got or made, to any depth and across accounts. Reads everything at most twice.
    #[command(after_help = "\
Examples:
  quarantine-scan trace AKIAIOSFODNN7EXAMPLE s3://example-trail-logs --since 7d
  quarantine-scan trace AKIAIOSFODNN7EXAMPLE s3://example-trail-logs --since 7d --format html --output report.html
  quarantine-scan trace arn:aws:iam::123456789012:user/ci-deploy ~/logs --format json --output trace.json

Exit status: 0 no calls found, 1 calls found, 2 something could not be read (calls or not).")]
    Trace(TraceArgs),
    /// Show for one record which rule matches, or why none does, condition by condition
    #[command(after_help = "Exit status: 0 no rule matches, 1 a rule matches, 2 the record could not be read.")]
    Explain(ExplainArgs),
    /// Print the rules
    #[command(after_help = "Exit status: 0 the rules are printed.")]
    Rules(RulesArgs),
    /// Print the completions of a shell
    #[command(after_help = "\
Example:
  quarantine-scan completions bash > ~/.local/share/bash-completion/completions/quarantine-scan

Exit status: 0 the completions are printed.")]
    Completions(CompletionsArgs),
    /// Write the man pages into a folder
    #[command(after_help = "Exit status: 0 the pages are written.")]
    Man(ManArgs),
}

#[derive(Args)]
pub struct FindArgs {
    #[command(flatten)]
    pub search: SearchArgs,
    /// The format of the result; json and ndjson are the function's own alerts
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Write the result to FILE instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// When to color the table; auto colors it on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

#[derive(Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub search: SearchArgs,
    /// The alert topic
    #[arg(long, value_name = "ARN")]
    pub topic_arn: TopicArn,
    /// The dedup table
    #[arg(long, value_name = "NAME")]
    pub table: TableName,
    /// The function's DEDUP_PERIOD_MINUTES
    #[arg(long, value_name = "MINUTES", default_value = "60")]
    pub dedup_period_minutes: DedupPeriod,
    /// The function's HTTPS_FORMAT: default or chat
    #[arg(long, value_name = "FORMAT", default_value = "default")]
    pub https_format: HttpsFormat,
    /// Send the alerts; without it, only show what would be sent
    #[arg(long)]
    pub yes: bool,
}

#[derive(Args)]
pub struct EnqueueArgs {
    /// s3://bucket/prefix
    #[arg(value_name = "PATH", value_parser = OsStringValueParser::new().try_map(Target::parse))]
    pub path: Target,
    /// The stack's delivery queue
    #[arg(long, value_name = "URL")]
    pub queue: String,
    #[command(flatten)]
    pub period: PeriodArgs,
    /// The most log files to send per second
    #[arg(long, value_name = "NUMBER", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// Keep the progress in FILE, and resume from there
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
}

#[derive(Args)]
pub struct TraceArgs {
    /// An access key id, or the ARN of a user, a role or a session; several with commas
    #[arg(value_name = "IDENTITY", value_parser = identities)]
    pub identities: Identities,
    #[command(flatten)]
    pub search: SearchArgs,
    /// Only follow what came from the identity by at most NUMBER steps; without it, to any depth
    #[arg(long, value_name = "NUMBER")]
    pub depth: Option<usize>,
    /// Do not follow what came from the identity; the same as --depth 0
    #[arg(long, conflicts_with = "depth")]
    pub no_follow: bool,
    /// The format of the result
    #[arg(long, value_enum, default_value_t)]
    pub format: TraceFormat,
    /// Write the result to FILE instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// One argument, so not a list for the command line.
#[derive(Clone, Debug)]
pub struct Identities(pub Vec<Identity>);

fn identities(text: &str) -> Result<Identities, IdentityError> {
    Identity::parse_list(text).map(Identities)
}

#[derive(Args)]
pub struct ExplainArgs {
    /// A record, or a log file of one record, as JSON; - for standard input
    #[arg(value_name = "RECORD.json")]
    pub path: PathBuf,
    /// The eventID of the record to explain, in a log file of several
    #[arg(long, value_name = "ID")]
    pub event_id: Option<String>,
}

#[derive(Args)]
pub struct RulesArgs {
    /// The format of the result
    #[arg(long, value_enum, default_value_t)]
    pub format: RulesFormat,
}

#[derive(Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[derive(Args)]
pub struct ManArgs {
    /// The folder, such as ~/.local/share/man/man1
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// One JSON document: an array of alerts
    Json,
    /// One alert per line, as JSON
    Ndjson,
    /// For a spreadsheet, which will evaluate no cell as a formula
    Csv,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// For people
    #[default]
    Table,
    /// A page for a browser, in one file; use it with --output
    Html,
    /// One JSON document
    Json,
    /// The timeline: one call per line, as JSON
    Ndjson,
    /// The timeline for a spreadsheet, which will evaluate no cell as a formula
    Csv,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RulesFormat {
    #[default]
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
