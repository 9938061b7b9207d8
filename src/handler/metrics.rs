//! The counts of one invocation, as a log line in CloudWatch's embedded metric format.
//!
//! The totals are sums, so they reconcile by construction: log files delivered = scanned + skipped + failed, matches =
//! published + suppressed + failed.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use serde_json::{Map, Value, json};

const NAMESPACE: &str = "QuarantineAlert";

/// Counts of one invocation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Test events, messages of AWS Config, health events that are not about exposed credentials, and others that need no work.
    pub without_work: u64,
    pub files_scanned: u64,
    pub files_skipped: u64,
    pub files_failed: u64,
    /// The failed ones that changed while they were read.
    pub files_changed: u64,
    pub matches_published: u64,
    pub matches_suppressed: u64,
    pub matches_failed: u64,
    /// The suppressed ones whose entity had reached its alerts for the period.
    pub matches_flooded: u64,
    /// The published ones for which the dedup table was unavailable.
    pub published_degraded: u64,
    /// Failures that need intervention.
    pub permanent_failures: u64,
    /// Failures after which a redelivery may succeed.
    pub transient_failures: u64,
}

impl Counts {
    /// The log line, or `None` if all counts are 0. `milliseconds` is the time since 1970. The function's name separates the
    /// metrics of two stacks.
    pub fn embedded_metric(&self, function_name: &str, milliseconds: i64) -> Option<String> {
        let values = [
            ("DeliveriesWithoutWork", self.without_work),
            ("FilesDelivered", self.files_scanned + self.files_skipped + self.files_failed),
            ("FilesScanned", self.files_scanned),
            ("FilesSkipped", self.files_skipped),
            ("FilesFailed", self.files_failed),
            ("FilesChanged", self.files_changed),
            ("Matches", self.matches_published + self.matches_suppressed + self.matches_failed),
            ("MatchesPublished", self.matches_published),
            ("MatchesSuppressed", self.matches_suppressed),
            ("MatchesFailed", self.matches_failed),
            ("MatchesFlooded", self.matches_flooded),
            ("PublishedDegraded", self.published_degraded),
            ("PermanentFailures", self.permanent_failures),
            ("TransientFailures", self.transient_failures),
        ];
        if values.iter().all(|&(_, count)| count == 0) {
            return None;
        }
        let metrics: Vec<Value> = values.iter().map(|(name, _)| json!({ "Name": name, "Unit": "Count" })).collect();
        let mut line: Map<String, Value> = values.iter().map(|&(name, count)| (name.into(), count.into())).collect();
        let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": metrics });
        line.insert("FunctionName".into(), function_name.into());
        line.insert("_aws".into(), json!({ "Timestamp": milliseconds, "CloudWatchMetrics": [directive] }));
        Some(Value::Object(line).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_are_the_sums_of_the_outcomes() {
        let counts = Counts { files_scanned: 1, files_skipped: 2, files_failed: 4, ..Counts::default() };
        let line: Value = serde_json::from_str(&counts.embedded_metric("f", 7).unwrap()).unwrap();
        assert_eq!((line["FilesDelivered"].clone(), line["Matches"].clone()), (json!(7), json!(0)));
        let counts = Counts { matches_published: 1, matches_suppressed: 2, matches_failed: 4, ..Counts::default() };
        let line: Value = serde_json::from_str(&counts.embedded_metric("f", 7).unwrap()).unwrap();
        assert_eq!((line["FilesDelivered"].clone(), line["Matches"].clone()), (json!(0), json!(7)));
    }

    #[test]
    fn every_value_is_declared_as_a_metric() {
        let line: Value =
            serde_json::from_str(&Counts { files_scanned: 1, ..Counts::default() }.embedded_metric("f", 7).unwrap())
                .unwrap();
        let declared = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert!(declared.iter().all(|metric| line[metric["Name"].as_str().unwrap()].is_u64()));
        assert_eq!(line["FunctionName"], "f");
        assert_eq!(declared.len() + 2, line.as_object().unwrap().len());
    }

    #[test]
    fn an_invocation_without_counts_has_no_line() {
        assert_eq!(Counts::default().embedded_metric("f", 7), None);
    }
}
