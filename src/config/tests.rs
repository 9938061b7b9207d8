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
fn unset_variables_have_their_defaults() {
    let expected = Config {
        alert_topic: TopicArn(TOPIC.1.into()),
        dedup_table: TableName("dedup".into()),
        dedup_period: DedupPeriod(Duration::from_secs(3600)),
        max_inflated: MaxInflated { mib: 4096 },
        https_format: HttpsFormat::Default,
        denied_attempts: Switch::On,
        enforced_denials: Switch::On,
        function_name: "unknown".into(),
    };
    assert_eq!(config(&[TOPIC, TABLE]).unwrap(), expected);
    assert_eq!(expected.alert_topic.region(), "us-gov-west-1");
    let empty = [
        ("DEDUP_PERIOD_MINUTES", ""),
        ("MAX_INFLATED_MIB", ""),
        ("HTTPS_FORMAT", ""),
        ("DENIED_ATTEMPTS", ""),
        ("ENFORCED_DENIALS", ""),
    ];
    assert_eq!(config(&[&[TOPIC, TABLE][..], &empty].concat()).unwrap(), expected);
}

#[test]
fn every_variable_can_be_set() {
    let all = [
        ("DEDUP_PERIOD_MINUTES", "43200"),
        ("MAX_INFLATED_MIB", "1"),
        ("HTTPS_FORMAT", "chat"),
        ("DENIED_ATTEMPTS", "off"),
        ("ENFORCED_DENIALS", "off"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
    ];
    let config = config(&[&[TOPIC, TABLE][..], &all].concat()).unwrap();
    assert_eq!((config.dedup_period.duration().as_secs(), config.max_inflated.mib), (2_592_000, 1));
    assert_eq!(
        (config.https_format, config.denied_attempts, config.enforced_denials),
        (HttpsFormat::Chat, Switch::Off, Switch::Off)
    );
    assert_eq!(config.function_name, "f");
}

#[test]
fn a_missing_variable_is_named_with_what_to_use() {
    assert!(error(&[TABLE]).starts_with("ALERT_TOPIC_ARN is not set; use the ARN of a standard SNS topic"));
    assert_eq!(error(&[TOPIC]), "DEDUP_TABLE is not set; use the name of the DynamoDB table for deduplication");
}

#[test]
fn an_invalid_variable_is_named_with_what_to_use() {
    for arn in [
        "x",
        "arn:aws:sqs:us-east-1:123456789012:q",
        "arn:aws:sns:us-east-1:123456789012:alerts.fifo",
        "arn:aws:sns::1:a",
    ] {
        let error = error(&[("ALERT_TOPIC_ARN", arn), TABLE]);
        assert!(error.starts_with(&format!("ALERT_TOPIC_ARN is {arn:?}; use the ARN of")), "{error}");
    }
    for (variable, value, instead) in [
        ("DEDUP_TABLE", "a/b", "the name of the DynamoDB table for deduplication"),
        ("DEDUP_PERIOD_MINUTES", "0", "minutes from 1 to 43200"),
        ("DEDUP_PERIOD_MINUTES", "43201", "minutes from 1 to 43200"),
        ("DEDUP_PERIOD_MINUTES", "1h", "minutes from 1 to 43200"),
        ("MAX_INFLATED_MIB", "-1", "MiB from 1 to 1048576"),
        ("HTTPS_FORMAT", "Chat", "\"default\" or \"chat\""),
        ("DENIED_ATTEMPTS", "no", "\"on\" or \"off\""),
        ("ENFORCED_DENIALS", "1", "\"on\" or \"off\""),
    ] {
        let error = error(&[(variable, value), TOPIC, TABLE]);
        assert_eq!(error, format!("{variable} is {value:?}; use {instead}"));
    }
}
