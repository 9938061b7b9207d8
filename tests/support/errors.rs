//! The bodies of errors, as S3, SNS and DynamoDB answer them.

pub const XML_500: &str = "<Error><Code>InternalError</Code><Message>We made a mistake</Message></Error>";
pub const XML_503: &str = "<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>";
pub const SNS_500: &str =
    "<ErrorResponse><Error><Code>InternalError</Code><Message>x</Message></Error></ErrorResponse>";
pub const SNS_503: &str =
    "<ErrorResponse><Error><Code>ServiceUnavailable</Code><Message>x</Message></Error></ErrorResponse>";
pub const SNS_400: &str =
    "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
pub const DYNAMODB_500: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"x"}"#;
pub const DYNAMODB_503: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ServiceUnavailable","message":"x"}"#;
pub const DYNAMODB_400: &str =
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"x"}"#;
