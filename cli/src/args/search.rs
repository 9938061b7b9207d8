//! The arguments of every command that searches.

use anyhow::bail;
use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};
use quarantine_alert::{config::Switch, trail::key::is_account_id};
use time::OffsetDateTime;

use crate::{
    filter::{Filter, When},
    source::Target,
};

/// Where to search, and for which records.
#[derive(Args)]
pub struct SearchArgs {
    /// A log file or a folder, s3://bucket/prefix, or - for standard input; gzip or plain
    ///
    /// A file may contain {"Records":[…]}, a list of records, or one document per line: a record or a {"Records":…}. Records may be
    /// in the envelopes of `aws cloudtrail lookup-events`, CloudWatch Logs, EventBridge or a log shipper.
    #[arg(required = true, value_name = "PATH", value_parser = OsStringValueParser::new().try_map(Target::parse))]
    pub paths: Vec<Target>,
    #[command(flatten)]
    pub period: PeriodArgs,
    /// Only include calls recorded in REGION; may be repeated
    ///
    /// IAM calls are recorded in us-east-1 (us-gov-west-1, cn-north-1), wherever the attacker works.
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
    /// Whether to include the low-confidence rule of denied attempts, like the function's DENIED_ATTEMPTS: on or off
    #[arg(long, default_value = "on", value_name = "SWITCH")]
    pub denied_attempts: Switch,
    /// Whether to include calls that a quarantine denied, like the function's ENFORCED_DENIALS: on or off
    #[arg(long, default_value = "on", value_name = "SWITCH")]
    pub enforced_denials: Switch,
}

/// Which records are wanted.
#[derive(Args)]
pub struct PeriodArgs {
    /// Only include calls from this time on: a date, a time, or how long ago (2026-11-24, 2026-11-24T03:02:11Z, 7d)
    #[arg(long, value_name = "WHEN")]
    pub since: Option<When>,
    /// Only include calls up to this time; a date includes its whole day
    ///
    /// In S3, log files that CloudTrail delivered more than a day later are not read.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<When>,
    /// Only include this account; may be repeated
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Vec<String>,
}

impl SearchArgs {
    /// # Errors
    /// The period ends before it begins.
    pub fn filter(&self) -> anyhow::Result<Filter> {
        Ok(Filter { regions: self.region.clone(), ..self.period.filter()? })
    }
}

impl PeriodArgs {
    /// # Errors
    /// The period ends before it begins.
    pub fn filter(&self) -> anyhow::Result<Filter> {
        let now = OffsetDateTime::now_utc();
        let since = self.since.map(|when| when.begin(now));
        let until = self.until.map(|when| when.end(now));
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            bail!("the period ends before it begins; exchange --since and --until");
        }
        Ok(Filter { since, until, accounts: self.account.clone(), regions: Vec::new() })
    }
}

fn account(text: &str) -> Result<String, &'static str> {
    if is_account_id(text) { Ok(text.to_owned()) } else { Err("an account id has 12 digits") }
}
