//! Environment → checked values, once, at init. Each value is a type that the command line parses too.

use std::{fmt, str::FromStr, time::Duration};

/// The function's configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Config {
    /// `ALERT_TOPIC_ARN`
    pub alert_topic: TopicArn,
    /// `DEDUP_TABLE`
    pub dedup_table: TableName,
    /// `DEDUP_PERIOD_MINUTES`
    pub dedup_period: DedupPeriod,
    /// `MAX_INFLATED_MIB`
    pub max_inflated: MaxInflated,
    /// `HTTPS_FORMAT`
    pub https_format: HttpsFormat,
    /// `DENIED_ATTEMPTS`
    pub denied_attempts: Switch,
    /// `ENFORCED_DENIALS`
    pub enforced_denials: Switch,
    /// `AWS_LAMBDA_FUNCTION_NAME`, which Lambda sets
    pub function_name: String,
}

/// A variable that is missing or invalid. The value is shown with `{:?}`, which escapes control characters.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{variable} is not set; {reason}")]
    Missing { variable: &'static str, reason: Invalid },
    #[error("{variable} is {value:?}; {reason}")]
    Invalid { variable: &'static str, value: String, reason: Invalid },
}

/// A value that cannot be used. The text says what to use instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use {0}")]
pub struct Invalid(&'static str);

impl Config {
    /// Reads and checks all variables. `get` is the environment.
    ///
    /// # Errors
    /// The first variable that is missing or invalid.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let environment = Environment(get);
        Ok(Config {
            alert_topic: environment.required("ALERT_TOPIC_ARN")?,
            dedup_table: environment.required("DEDUP_TABLE")?,
            dedup_period: environment.optional("DEDUP_PERIOD_MINUTES")?.unwrap_or_default(),
            max_inflated: environment.optional("MAX_INFLATED_MIB")?.unwrap_or_default(),
            https_format: environment.optional("HTTPS_FORMAT")?.unwrap_or_default(),
            denied_attempts: environment.optional("DENIED_ATTEMPTS")?.unwrap_or_default(),
            enforced_denials: environment.optional("ENFORCED_DENIALS")?.unwrap_or_default(),
            function_name: environment.get("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "unknown".into()),
        })
    }
}

struct Environment<G>(G);

impl<G: Fn(&str) -> Option<String>> Environment<G> {
    /// An empty variable counts as not set: a template cannot leave one out.
    fn get(&self, variable: &str) -> Option<String> {
        (self.0)(variable).filter(|value| !value.is_empty())
    }

    fn optional<T: FromStr<Err = Invalid>>(&self, variable: &'static str) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.get(variable) else { return Ok(None) };
        value.parse().map(Some).map_err(|reason| ConfigError::Invalid { variable, value, reason })
    }

    fn required<T: FromStr<Err = Invalid> + Required>(&self, variable: &'static str) -> Result<T, ConfigError> {
        self.optional(variable)?.ok_or(ConfigError::Missing { variable, reason: Invalid(T::USE) })
    }
}

/// A value without a default.
trait Required {
    /// The accepted values, for the error sentence.
    const USE: &'static str;
}

/// The ARN of a standard SNS topic, `arn:partition:sns:region:account:name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicArn(String);

impl TopicArn {
    /// The topic's region, which may differ from the function's.
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

impl Required for TopicArn {
    const USE: &'static str = "the ARN of a standard SNS topic, such as arn:aws:sns:us-east-1:123456789012:alerts (a FIFO \
                               topic cannot send email)";
}

impl FromStr for TopicArn {
    type Err = Invalid;

    fn from_str(arn: &str) -> Result<TopicArn, Invalid> {
        let parts: Vec<&str> = arn.split(':').collect();
        let is_word =
            |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        match parts[..] {
            ["arn", partition, "sns", region, account, name]
                if [partition, region, account, name].iter().all(is_word) =>
            {
                Ok(TopicArn(arn.to_owned()))
            }
            _ => Err(Invalid(TopicArn::USE)),
        }
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of the DynamoDB table for deduplication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName(String);

impl Required for TableName {
    const USE: &'static str = "the name of the DynamoDB table for deduplication";
}

impl FromStr for TableName {
    type Err = Invalid;

    fn from_str(name: &str) -> Result<TableName, Invalid> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = (3..=255).contains(&name.len()) && name.bytes().all(allowed);
        if is_name { Ok(TableName(name.to_owned())) } else { Err(Invalid(TableName::USE)) }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far apart two matches of one incident may be. 60 minutes by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupPeriod(Duration);

impl DedupPeriod {
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl Default for DedupPeriod {
    fn default() -> Self {
        DedupPeriod(Duration::from_secs(60 * 60))
    }
}

impl FromStr for DedupPeriod {
    type Err = Invalid;

    fn from_str(minutes: &str) -> Result<DedupPeriod, Invalid> {
        let minutes = minutes.parse().ok().filter(|minutes| (1..=43_200).contains(minutes));
        minutes
            .map(|minutes: u64| DedupPeriod(Duration::from_secs(60 * minutes)))
            .ok_or(Invalid("minutes from 1 to 43200"))
    }
}

/// A log file that inflates past it fails. 4096 MiB by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxInflated {
    pub mib: u64,
}

impl Default for MaxInflated {
    fn default() -> Self {
        MaxInflated { mib: 4096 }
    }
}

impl FromStr for MaxInflated {
    type Err = Invalid;

    fn from_str(mib: &str) -> Result<MaxInflated, Invalid> {
        let mib = mib.parse().ok().filter(|mib| (1..=1024 * 1024).contains(mib));
        mib.map(|mib| MaxInflated { mib }).ok_or(Invalid("MiB from 1 to 1048576"))
    }
}

/// The format for https subscribers of the alert topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpsFormat {
    /// The JSON alert, as SQS and Lambda subscribers get it.
    #[default]
    Default,
    /// A custom notification of Amazon Q Developer in chat applications.
    Chat,
}

impl FromStr for HttpsFormat {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<HttpsFormat, Invalid> {
        match text {
            "default" => Ok(HttpsFormat::Default),
            "chat" => Ok(HttpsFormat::Chat),
            _ => Err(Invalid("\"default\" or \"chat\"")),
        }
    }
}

/// `on` by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    #[default]
    On,
    Off,
}

impl Switch {
    pub fn is_on(self) -> bool {
        self == Switch::On
    }
}

impl FromStr for Switch {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Switch, Invalid> {
        match text {
            "on" => Ok(Switch::On),
            "off" => Ok(Switch::Off),
            _ => Err(Invalid("\"on\" or \"off\"")),
        }
    }
}

#[cfg(test)]
mod tests;
