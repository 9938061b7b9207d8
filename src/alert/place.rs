//! Where an entity is: its partition, its ARN, and its page in that partition's console.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    record::Record,
    rule::{EntityType, Match},
    untrusted::Untrusted,
};

/// All that RFC 3986 does not call unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// From the policy's ARN, else the actor's, else the region.
pub(super) fn partition(matched: &Match) -> Untrusted {
    let of_arn = |arn: &Untrusted| arn.part(|arn| arn.split(':').nth(1).filter(|partition| !partition.is_empty()));
    let policy = matched.policy.as_ref().and_then(|policy| policy.arn.as_ref());
    let actor = matched.record.user_identity.arn.as_ref();
    let region = matched.record.aws_region.as_ref();
    let of_region = || {
        let is_in = |prefix: &str| region.is_some_and(|region| region.test(|region| region.starts_with(prefix)));
        let partitions = [("us-gov-", "aws-us-gov"), ("cn-", "aws-cn"), ("eusc-", "aws-eusc")];
        partitions.into_iter().find(|(prefix, _)| is_in(prefix)).map_or("aws", |(_, partition)| partition)
    };
    policy.and_then(of_arn).or_else(|| actor.and_then(of_arn)).unwrap_or_else(|| of_region().into())
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns>
pub(super) fn entity_arn(record: &Record, kind: EntityType, name: &Untrusted, partition: &Untrusted) -> Untrusted {
    let actor = record.user_identity.arn.as_ref();
    let tail = name.iam_name().map(|name| format!("/{name}"));
    let is_entity = |arn: &str| {
        arn.splitn(6, ':').nth(5).is_some_and(|resource| {
            resource.starts_with(&format!("{kind}/")) && tail.as_ref().is_some_and(|tail| resource.ends_with(tail))
        })
    };
    match actor.filter(|arn| arn.test(is_entity)) {
        Some(arn) => arn.clone(),
        None => {
            let partition = partition.identifier().unwrap_or("aws");
            name.prefixed(&format!("arn:{partition}:iam::{}:{kind}/", record.account_id()))
        }
    }
}

/// The console's host differs by partition; its paths do not.
pub(super) fn link(kind: EntityType, name: &Untrusted, partition: &Untrusted) -> String {
    let host = match partition.identifier() {
        Some("aws-us-gov") => "console.amazonaws-us-gov.com",
        Some("aws-cn") => "console.amazonaws.cn",
        Some("aws-eusc") => "console.amazonaws-eusc.eu",
        _ => "console.aws.amazon.com",
    };
    let page = match kind {
        EntityType::User => "users",
        EntityType::Group => "groups",
        EntityType::Role => "roles",
    };
    let name = name.iam_name().map(|name| utf8_percent_encode(name, ENCODED).to_string());
    format!("https://{host}/iam/home#/{page}{}", name.map(|name| format!("/details/{name}")).unwrap_or_default())
}

/// Where support cases are.
pub(super) fn support(partition: &Untrusted) -> &'static str {
    match partition.identifier() {
        Some("aws-us-gov") => "https://console.amazonaws-us-gov.com/support/home",
        Some("aws-cn") => "https://console.amazonaws.cn/support/home",
        _ => "https://support.console.aws.amazon.com/support/home",
    }
}
