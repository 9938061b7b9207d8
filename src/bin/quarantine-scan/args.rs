//! What the command line says, as values that can be used.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Parser, Subcommand, ValueEnum, builder::OsStringValueParser, builder::TypedValueParser};
use time::OffsetDateTime;

use crate::{
    filter::{Filter, When},
    source::Target,
};

const EXAMPLES: &str = "\
Examples:
  A folder, and all below it:
    quarantine-scan ~/old-logs
  The last 90 days of a trail's bucket, for a spreadsheet:
    quarantine-scan s3://example-trail-logs --since 90d --format csv --output found.csv
  What comes by a pipe, as the alerts that the function would have sent:
    zcat *.gz | quarantine-scan - --format json

Exit status: 0 nothing found, 1 found, 2 something could not be read, found or not.
AWS is reached as by the AWS CLI: AWS_PROFILE, AWS_REGION, aws sso login.";

/// Finds quarantines of exposed IAM access keys in CloudTrail log files, on disk and in S3
///
/// AWS attaches the policy AWSCompromisedKeyQuarantine to an IAM user whose access key has leaked. This tells whether
/// it has already happened: the matches are those of the Lambda function quarantine-alert, grouped into its incidents.
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
    pub find: Find,
}

#[derive(Subcommand)]
pub enum Command {
    /// Prints the incidents in log files; what is done where no command is given
    #[command(after_help = EXAMPLES)]
    Find(Find),
    /// Sends the alerts of old log files, by the deployed function's own claims and topic
    ///
    /// History and the running function never alert twice: what the function has alerted is suppressed here, and what
    /// is alerted here is suppressed there. Nothing is sent without --yes.
    #[command(after_help = "\
Example:
  quarantine-scan replay s3://example-trail-logs --since 90d \\
    --topic-arn arn:aws:sns:us-east-1:123456789012:alerts --table quarantine-alert-dedup

The stack's outputs name topic and table. Two alerts a second go out, as from the function.
Exit status: 0 all is alerted, 2 something could not be read or sent.")]
    Replay(Replay),
    /// Hands old log files in S3 to the deployed function, by its delivery queue
    ///
    /// For more log files than one machine wants to read: Lambda's concurrency scans them, under the stack's own
    /// alarms, failure queue and deduplication.
    #[command(after_help = "\
Example:
  quarantine-scan enqueue s3://example-trail-logs/AWSLogs/ --since 2025-01-01 --resume enqueue.json \\
    --queue https://sqs.us-east-1.amazonaws.com/123456789012/quarantine-alert-delivery

Exit status: 0 all is handed over, 2 something was not.")]
    Enqueue(Enqueue),
    /// Tells for one record which rule matches, or why none does, condition by condition
    #[command(after_help = "Exit status: 0 no rule matches, 1 one does, 2 the record could not be read.")]
    Explain(Explain),
    /// Prints the rules
    Rules(Rules),
}

#[derive(Args)]
pub struct Find {
    #[command(flatten)]
    pub search: Search,
    /// `json` and `ndjson` are the function's own alerts
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Writes the result into FILE in place of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Of the table; `auto` is on a terminal that wants it (NO_COLOR)
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// What is read, and what of it is wanted.
#[derive(Args)]
pub struct Search {
    /// A log file or a folder, s3://bucket/prefix, or - for standard input; gzip or plain
    ///
    /// Each file may hold `{"Records":[…]}`, a list of records, or one record or one `{"Records":…}` a line.
    #[arg(required = true, value_name = "PATH", value_parser = OsStringValueParser::new().try_map(Target::parse))]
    pub paths: Vec<Target>,
    #[command(flatten)]
    pub period: Period,
    /// Only what was recorded in REGION; may be given more than once
    ///
    /// IAM is recorded in us-east-1 (us-gov-west-1, cn-north-1), wherever the attacker works.
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
    /// The function's DENIED_ATTEMPTS: `off` leaves the low-confidence rule out
    #[arg(long, value_enum, default_value_t, value_name = "SWITCH")]
    pub denied_attempts: Switch,
}

/// What also chooses the objects of a bucket.
#[derive(Args, Debug)]
pub struct Period {
    /// Only events from then on: a date, a time, or how long ago (2026-11-24, 2026-11-24T03:02:11Z, 7d)
    #[arg(long, value_name = "WHEN")]
    pub since: Option<When>,
    /// Only events up to then; a date includes its day
    ///
    /// In S3, log files that CloudTrail delivered more than a day later are not looked at.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<When>,
    /// Only this account; may be given more than once
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Vec<String>,
}

#[derive(Args)]
pub struct Replay {
    #[command(flatten)]
    pub search: Search,
    /// The alert topic
    #[arg(long, value_name = "ARN")]
    pub topic_arn: String,
    /// The dedup table
    #[arg(long, value_name = "NAME")]
    pub table: String,
    /// The function's DEDUP_PERIOD_MINUTES
    #[arg(long, value_name = "MINUTES", default_value = "60")]
    pub dedup_period_minutes: String,
    /// The function's HTTPS_FORMAT
    #[arg(long, value_name = "FORMAT", default_value = "default")]
    pub https_format: String,
    /// Sends; without it, only what would be sent is told
    #[arg(long)]
    pub yes: bool,
}

#[derive(Args)]
pub struct Enqueue {
    /// s3://bucket/prefix
    #[arg(value_name = "PATH", value_parser = OsStringValueParser::new().try_map(Target::parse))]
    pub path: Target,
    /// The stack's delivery queue
    #[arg(long, value_name = "URL")]
    pub queue: String,
    #[command(flatten)]
    pub period: Period,
    /// At most so many log files a second
    #[arg(long, value_name = "NUMBER", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// Keeps in FILE how far it came, and goes on from there
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
}

#[derive(Args)]
pub struct Explain {
    /// The record, or a log file of one record, as JSON; - for standard input
    #[arg(value_name = "RECORD.json")]
    pub path: PathBuf,
    /// Which record of a log file of several
    #[arg(long, value_name = "ID")]
    pub event_id: Option<String>,
}

#[derive(Args)]
pub struct Rules {
    #[arg(long, value_enum, default_value_t)]
    pub format: RulesFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    /// One array of alerts
    Json,
    /// One alert a line
    Ndjson,
    /// For a spreadsheet, in which no cell is a formula
    Csv,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    #[default]
    On,
    Off,
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

impl Search {
    /// # Errors
    /// The period ends before it begins.
    pub fn filter(&self) -> anyhow::Result<Filter> {
        self.period.filter(self.region.clone())
    }
}

impl Period {
    /// # Errors
    /// The period ends before it begins.
    pub fn filter(&self, regions: Vec<String>) -> anyhow::Result<Filter> {
        let filter = Filter::new(self.since, self.until, self.account.clone(), regions, OffsetDateTime::now_utc());
        if filter.since.zip(filter.until).is_some_and(|(since, until)| since >= until) {
            bail!("the period ends before it begins; exchange --since and --until");
        }
        Ok(filter)
    }
}

fn account(text: &str) -> Result<String, &'static str> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_account { Ok(text.to_owned()) } else { Err("an account id has 12 digits") }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }
}
