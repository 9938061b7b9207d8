//! The marks by which a delivery is recognized. A mark of another type is not a mark.

use crate::json::Fields;

/// The shape of a payload.
pub enum Shape {
    Queue,
    Topic,
    /// With its message.
    Notification(String),
    SubscriptionConfirmation,
    S3,
    ObjectCreated,
    CloudTrailRecord,
    CloudTrailNotification,
    Health,
    /// It has a known mark, and names no log file.
    NothingToDo,
}

/// The shape that the payload's marks show.
pub fn shape(fields: &Fields<'_>) -> Option<Shape> {
    let kind = fields.text("Type");
    let source = fields.text("source");
    let detail = fields.object("detail");
    let is_record = || detail.as_ref().is_some_and(|detail| has(detail, "eventSource") && has(detail, "eventName"));
    match (kind.as_deref(), source.as_deref()) {
        _ if has(fields, "Records") => of_records(fields),
        _ if fields.text("Event").as_deref() == Some("s3:TestEvent") => Some(Shape::NothingToDo),
        _ if fields.text("messageType").is_some_and(|kind| is_config(&kind)) => Some(Shape::NothingToDo),
        _ if has(fields, "s3Bucket") && has(fields, "s3ObjectKey") => Some(Shape::CloudTrailNotification),
        (Some("Notification"), _) => fields.text("Message").map(Shape::Notification),
        (Some("SubscriptionConfirmation"), _) => Some(Shape::SubscriptionConfirmation),
        _ if is_record() => Some(Shape::CloudTrailRecord),
        (_, Some("aws.s3")) => match fields.text("detail-type")?.as_str() {
            "Object Created" => Some(Shape::ObjectCreated),
            "" => None,
            _ => Some(Shape::NothingToDo),
        },
        (_, Some("aws.health")) => Some(Shape::Health),
        (_, Some("aws.config")) => Some(Shape::NothingToDo),
        _ => None,
    }
}

/// All elements of `Records` have the same mark.
fn of_records(fields: &Fields<'_>) -> Option<Shape> {
    let records = super::elements(fields);
    let all = |is: &dyn Fn(&Fields<'_>) -> bool| !records.is_empty() && records.iter().all(is);
    let is_from = |record: &Fields<'_>, source| {
        ["eventSource", "EventSource"].iter().any(|name| record.text(name).as_deref() == Some(source))
    };
    if all(&|record| is_from(record, "aws:sqs") && record.text("messageId").is_some()) {
        Some(Shape::Queue)
    } else if all(&|record| is_from(record, "aws:sns")) {
        Some(Shape::Topic)
    } else if all(&|record| is_from(record, "aws:s3") || record.object("s3").is_some()) {
        Some(Shape::S3)
    } else {
        None
    }
}

fn has(fields: &Fields<'_>, name: &str) -> bool {
    fields.raw(name).is_some_and(|value| value.get() != "null")
}

/// AWS Config publishes to the topic that Control Tower gives its trail.
///
/// <https://docs.aws.amazon.com/config/latest/developerguide/notifications-for-AWS-Config.html>
fn is_config(message_type: &str) -> bool {
    ["Configuration", "ConfigRule", "Compliance", "OversizedConfiguration"]
        .iter()
        .any(|prefix| message_type.starts_with(prefix))
}

/// Messages that are not JSON. CloudTrail sends one when a topic is set on a trail, and AWS Config when an item is too large.
pub fn is_plain_text_without_work(payload: &str) -> bool {
    let text = payload.trim();
    text == "CloudTrail validation message." || text.starts_with("View the Timeline for this Resource in")
}

/// Whether an event of S3 creates an object.
#[derive(Debug, PartialEq, Eq)]
pub enum Creation {
    Created,
    Other,
}

/// The kind of an event that S3 documents, with or without the prefix that only configurations should have. `None` for any
/// other: it may mean a creation.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html>
pub fn creation(event_name: &str) -> Option<Creation> {
    const OTHERS: [&str; 8] = [
        "ObjectRemoved",
        "ObjectRestore",
        "ObjectTagging",
        "ObjectAcl",
        "Replication",
        "ReducedRedundancyLostObject",
        "IntelligentTiering",
        "TestEvent",
    ];
    let name = event_name.strip_prefix("s3:").unwrap_or(event_name);
    match name.split_once(':') {
        Some(("ObjectCreated", _)) => Some(Creation::Created),
        Some((family, _)) if OTHERS.contains(&family) || family.starts_with("Lifecycle") => Some(Creation::Other),
        None if OTHERS.contains(&name) || name.starts_with("Lifecycle") => Some(Creation::Other),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_event_is_known_with_and_without_its_prefix() {
        for name in ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "ObjectCreated:*"] {
            assert_eq!(creation(name), Some(Creation::Created), "{name}");
            assert_eq!(creation(&format!("s3:{name}")), Some(Creation::Created), "{name}");
        }
        for name in [
            "ObjectRemoved:DeleteMarkerCreated",
            "ObjectRestore:Completed",
            "ObjectTagging:Put",
            "ObjectAcl:Put",
            "LifecycleExpiration:Delete",
            "LifecycleTransition",
            "Replication:OperationFailedReplication",
            "ReducedRedundancyLostObject",
            "IntelligentTiering",
            "TestEvent",
        ] {
            assert_eq!(creation(name), Some(Creation::Other), "{name}");
            assert_eq!(creation(&format!("s3:{name}")), Some(Creation::Other), "{name}");
        }
        for name in ["PutObject", "", "ObjectCreated", "objectcreated:Put", "Object Created", "s3:s3:ObjectCreated:Put"]
        {
            assert_eq!(creation(name), None, "{name}");
        }
    }

    #[test]
    fn every_kind_of_message_of_aws_config_is_known() {
        for kind in [
            "ConfigurationItemChangeNotification",
            "ConfigurationHistoryDeliveryCompleted",
            "ConfigurationSnapshotDeliveryStarted",
            "ConfigurationSnapshotDeliveryCompleted",
            "ConfigurationSnapshotDeliveryFailed",
            "ComplianceChangeNotification",
            "ConfigRulesEvaluationStarted",
            "OversizedConfigurationItemChangeNotification",
            "OversizedConfigurationItemChangeDeliveryFailed",
        ] {
            assert!(is_config(kind), "{kind}");
        }
        assert!(!is_config("DATA_MESSAGE"));
    }
}
