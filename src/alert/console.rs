//! Links into the AWS console of an entity's partition.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{rule::EntityType, untrusted::Untrusted};

/// Every character that RFC 3986 does not call unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The entity's page. The host differs by partition, the path does not.
pub(super) fn link(kind: EntityType, name: &Untrusted, partition: &Untrusted) -> String {
    let host = host(partition);
    let page = match kind {
        EntityType::User => "users",
        EntityType::Group => "groups",
        EntityType::Role => "roles",
        EntityType::Root => return security_credentials(partition),
        EntityType::Unknown => return format!("https://{host}/iam/home#/home"),
    };
    let name = name.iam_name().map(|name| utf8_percent_encode(name, ENCODED).to_string());
    format!("https://{host}/iam/home#/{page}{}", name.map(|name| format!("/details/{name}")).unwrap_or_default())
}

/// The page of root's access keys, password and MFA devices, after signing in as root.
pub(super) fn security_credentials(partition: &Untrusted) -> String {
    format!("https://{}/iam/home#/security_credentials", host(partition))
}

/// Where a sign-in begins.
pub(super) fn home(partition: &Untrusted) -> String {
    format!("https://{}/", host(partition))
}

fn host(partition: &Untrusted) -> &'static str {
    match partition.identifier() {
        Some("aws-us-gov") => "console.amazonaws-us-gov.com",
        Some("aws-cn") => "console.amazonaws.cn",
        Some("aws-eusc") => "console.amazonaws-eusc.eu",
        _ => "console.aws.amazon.com",
    }
}

/// The page of support cases.
pub(super) fn support(partition: &Untrusted) -> &'static str {
    match partition.identifier() {
        Some("aws-us-gov") => "https://console.amazonaws-us-gov.com/support/home",
        Some("aws-cn") => "https://console.amazonaws.cn/support/home",
        _ => "https://support.console.aws.amazon.com/support/home",
    }
}
