//! Environment → checked values, once, at init: a bad value stops it with one line that says what it wants.

use std::{ops::RangeInclusive, time::Duration};

/// The function's configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Config {
    /// `ALERT_TOPIC_ARN`
    pub alert_topic_arn: String,
    /// The region in the topic's ARN.
    pub alert_topic_region: String,
    /// `DEDUP_TABLE`
    pub dedup_table: String,
    /// `DEDUP_PERIOD_MINUTES`
    pub dedup_period: Duration,
    /// `MAX_INFLATED_MIB`
    pub max_inflated_mib: u64,
    /// `HTTPS_FORMAT`
    pub https_format: HttpsFormat,
    /// `DENIED_ATTEMPTS`
    pub denied_attempts: bool,
    /// `AWS_LAMBDA_FUNCTION_NAME`, which Lambda sets
    pub function_name: String,
}

/// What https subscribers of the topic get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpsFormat {
    /// The JSON alert, as everybody.
    Default,
    /// A custom notification of Amazon Q Developer in chat applications.
    Chat,
}

/// A variable that is missing or bad. A value is shown with `{:?}`, which escapes what could act on a terminal.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{variable} is not set; set it to {wants}")]
    Missing { variable: &'static str, wants: &'static str },
    #[error("{variable} is {value:?}; set it to {wants}")]
    Bad { variable: &'static str, value: String, wants: String },
}

impl Config {
    /// Reads and checks all variables; `get` is the environment.
    ///
    /// # Errors
    /// The first variable that is missing or bad.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        // An empty variable is one that a template left out.
        let get = |variable: &str| get(variable).filter(|value| !value.is_empty());
        let required = |variable, wants: &'static str, is_good: fn(&str) -> bool| match get(variable) {
            None => Err(ConfigError::Missing { variable, wants }),
            Some(value) if is_good(&value) => Ok(value),
            Some(value) => Err(ConfigError::Bad { variable, value, wants: wants.into() }),
        };
        let number = |variable, default: u64, unit: &str, range: RangeInclusive<u64>| {
            let Some(value) = get(variable) else { return Ok(default) };
            let wants = || format!("{unit} from {} to {}", range.start(), range.end());
            let number = value.parse().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| ConfigError::Bad { variable, value, wants: wants() })
        };
        let choice = |variable, default, other: &'static str| match get(variable) {
            None => Ok(false),
            Some(value) if value == default => Ok(false),
            Some(value) if value == other => Ok(true),
            Some(value) => Err(ConfigError::Bad { variable, value, wants: format!("{default:?} or {other:?}") }),
        };

        let alert_topic_arn = required(
            "ALERT_TOPIC_ARN",
            "the ARN of the SNS topic for alerts, such as arn:aws:sns:us-east-1:123456789012:alerts (a FIFO topic cannot mail)",
            is_topic_arn,
        )?;
        let region = alert_topic_arn.split(':').nth(3).unwrap_or_default().to_owned();
        Ok(Config {
            alert_topic_region: region,
            alert_topic_arn,
            dedup_table: required("DEDUP_TABLE", "the name of the DynamoDB table for deduplication", is_table_name)?,
            dedup_period: Duration::from_secs(60 * number("DEDUP_PERIOD_MINUTES", 60, "minutes", 1..=43_200)?),
            max_inflated_mib: number("MAX_INFLATED_MIB", 4096, "MiB", 1..=1024 * 1024)?,
            https_format: if choice("HTTPS_FORMAT", "default", "chat")? {
                HttpsFormat::Chat
            } else {
                HttpsFormat::Default
            },
            denied_attempts: !choice("DENIED_ATTEMPTS", "on", "off")?,
            function_name: get("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "unknown".into()),
        })
    }
}

/// `arn:partition:sns:region:account:name`
fn is_topic_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let [arn, partition, service, region, account, name] = parts[..] else { return false };
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    arn == "arn" && service == "sns" && [partition, region, account, name].into_iter().all(is_word)
}

fn is_table_name(name: &str) -> bool {
    (3..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: (&str, &str) = ("ALERT_TOPIC_ARN", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:alerts");
    const TABLE: (&str, &str) = ("DEDUP_TABLE", "dedup");

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_env(|name| Some(variables.iter().find(|(key, _)| *key == name)?.1.to_owned()))
    }

    fn error(variables: &[(&str, &str)]) -> String {
        config(variables).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_set_has_the_defaults_of_the_contract() {
        let expected = Config {
            alert_topic_arn: TOPIC.1.into(),
            alert_topic_region: "us-gov-west-1".into(),
            dedup_table: "dedup".into(),
            dedup_period: Duration::from_secs(3600),
            max_inflated_mib: 4096,
            https_format: HttpsFormat::Default,
            denied_attempts: true,
            function_name: "unknown".into(),
        };
        assert_eq!(config(&[TOPIC, TABLE]).unwrap(), expected);
        let empty =
            [("DEDUP_PERIOD_MINUTES", ""), ("MAX_INFLATED_MIB", ""), ("HTTPS_FORMAT", ""), ("DENIED_ATTEMPTS", "")];
        assert_eq!(config(&[&[TOPIC, TABLE][..], &empty].concat()).unwrap(), expected);
    }

    #[test]
    fn every_variable_can_be_set() {
        let all = [
            ("DEDUP_PERIOD_MINUTES", "43200"),
            ("MAX_INFLATED_MIB", "1"),
            ("HTTPS_FORMAT", "chat"),
            ("DENIED_ATTEMPTS", "off"),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ];
        let config = config(&[&[TOPIC, TABLE][..], &all].concat()).unwrap();
        assert_eq!((config.dedup_period.as_secs(), config.max_inflated_mib), (2_592_000, 1));
        assert_eq!((config.https_format, config.denied_attempts), (HttpsFormat::Chat, false));
        assert_eq!(config.function_name, "f");
    }

    #[test]
    fn a_missing_variable_is_named_with_what_it_wants() {
        assert!(error(&[TABLE]).starts_with("ALERT_TOPIC_ARN is not set; set it to the ARN of the SNS topic"));
        assert_eq!(
            error(&[TOPIC]),
            "DEDUP_TABLE is not set; set it to the name of the DynamoDB table for deduplication"
        );
    }

    #[test]
    fn a_bad_variable_is_named_with_what_it_wants() {
        for arn in [
            "x",
            "arn:aws:sqs:us-east-1:123456789012:q",
            "arn:aws:sns:us-east-1:123456789012:alerts.fifo",
            "arn:aws:sns::1:a",
        ] {
            assert!(
                error(&[("ALERT_TOPIC_ARN", arn), TABLE])
                    .starts_with(&format!("ALERT_TOPIC_ARN is {arn:?}; set it to")),
                "{arn}"
            );
        }
        for (variable, value, wants) in [
            ("DEDUP_TABLE", "a/b", "the name of the DynamoDB table for deduplication"),
            ("DEDUP_PERIOD_MINUTES", "0", "minutes from 1 to 43200"),
            ("DEDUP_PERIOD_MINUTES", "43201", "minutes from 1 to 43200"),
            ("DEDUP_PERIOD_MINUTES", "1h", "minutes from 1 to 43200"),
            ("MAX_INFLATED_MIB", "-1", "MiB from 1 to 1048576"),
            ("HTTPS_FORMAT", "Chat", "\"default\" or \"chat\""),
            ("DENIED_ATTEMPTS", "no", "\"on\" or \"off\""),
        ] {
            let error = error(&[(variable, value), TOPIC, TABLE]);
            assert_eq!(error, format!("{variable} is {value:?}; set it to {wants}"));
        }
    }
}
