//! The partition of a Region, the second part of every ARN.

use crate::untrusted::Untrusted;

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
pub fn partition(region: Option<&Untrusted>) -> &'static str {
    let is_in = |prefix: &str| region.is_some_and(|region| region.test(|region| region.starts_with(prefix)));
    let partitions = [("us-gov-", "aws-us-gov"), ("cn-", "aws-cn"), ("eusc-", "aws-eusc")];
    partitions.into_iter().find(|(prefix, _)| is_in(prefix)).map_or("aws", |(_, partition)| partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_in_one_partition() {
        let of = |region: &str| partition(Some(&region.into()));
        assert_eq!([of("us-gov-west-1"), of("cn-north-1"), of("eusc-de-east-1")], ["aws-us-gov", "aws-cn", "aws-eusc"]);
        assert_eq!([of("us-east-1"), of("eu-central-1"), of(""), partition(None)], ["aws"; 4]);
    }
}
