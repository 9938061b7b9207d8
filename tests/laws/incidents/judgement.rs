//! What the laws ask of a world: which alerts are right, extra, or missing.

use std::collections::BTreeMap;

use quarantine_alert::dedup::FLOOD_BOUND;

use super::world::{Match, PERIOD, SKEW, World};

impl World {
    /// The number of alerts beyond one for each incident.
    pub fn extra_alerts(&self) -> usize {
        let mut starts_by_key: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for (key, start) in &self.published {
            starts_by_key.entry(key).or_default().push(*start);
        }
        let mut incidents = 0;
        for (key, mut starts) in starts_by_key {
            starts.sort_unstable();
            let mut last = None;
            for start in starts {
                if last.is_none_or(|last| has_window(key) && self.are_apart(last, start)) {
                    incidents += 1;
                    last = Some(start);
                }
            }
        }
        self.published.len() - incidents
    }

    /// Whether two times belong to two incidents: a period, or a removal, separates them.
    fn are_apart(&self, first: i64, second: i64) -> bool {
        let removals = self.matches.iter().filter(|found| found.is_removal()).map(|found| found.key.event_time);
        let mut between = removals.filter(|removal| (first..=second).contains(removal));
        second - first >= PERIOD || second > first && between.next().is_some()
    }

    /// Whether a match has its alert, or the flood bound withheld it.
    pub fn is_alerted(&self, found: &Match) -> bool {
        let is_its_alert = |(key, start): &(String, i64)| {
            *key == found.key.dedup_key && (!found.key.has_window || (start - found.key.event_time).abs() < PERIOD)
        };
        let at = found.key.event_time;
        let is_full = || {
            self.counted()
                .iter()
                .any(|&begin| (0..PERIOD).contains(&(at - begin)) && self.in_period(begin) >= FLOOD_BOUND)
                || self.in_period(at) >= FLOOD_BOUND
        };
        let is_bounded = || match untimed_kind(&found.key.dedup_key) {
            Some(kind) => self.untimed_alerts(kind).len() >= FLOOD_BOUND,
            None => !found.key.by_aws && is_full(),
        };
        self.published.iter().any(is_its_alert) || found.is_flooded && is_bounded()
    }

    /// When alerts of records without a usable time were published.
    fn untimed_alerts(&self, kind: &str) -> Vec<i64> {
        let alerts = self.published.iter().zip(&self.published_at);
        alerts.filter(|((key, _), _)| untimed_kind(key) == Some(kind)).map(|(_, at)| *at).collect()
    }

    /// The most alerts of records of one kind without a usable time that were published within a period. Workers' clocks differ.
    pub fn most_untimed_in_a_period(&self) -> usize {
        let within = |kind: &str, begin: i64| {
            let is_in = |at: &&i64| (begin..begin + PERIOD - 2 * SKEW).contains(*at);
            self.untimed_alerts(kind).iter().filter(is_in).count()
        };
        let alerts = self.published.iter().zip(&self.published_at);
        alerts.filter_map(|((key, _), at)| Some(within(untimed_kind(key)?, *at))).max().unwrap_or(0)
    }

    /// Whether no removal separates a match from all alerts of its key. Workers know each removal, except flooded ones.
    pub fn has_no_removal_before_its_alert(&self, found: &Match) -> bool {
        let at = found.key.event_time;
        let same = |(key, start): &(String, i64)| {
            *key == found.key.dedup_key && !self.are_apart(at.min(*start), at.max(*start))
        };
        let is_exempt = !found.key.has_window || found.is_removal() || found.is_flooded;
        is_exempt || self.matches.iter().any(|found| found.is_flooded) || self.published.iter().any(same)
    }

    /// The starts of the alerts that count toward the flood bound.
    pub fn counted(&self) -> Vec<i64> {
        let counts = |key: &str| key.contains(":removed") || key.contains(":by-hand");
        self.published.iter().filter(|(key, _)| counts(key)).map(|(_, start)| *start).collect()
    }

    pub fn in_period(&self, begin: i64) -> usize {
        self.counted().iter().filter(|&&start| (0..PERIOD).contains(&(start - begin))).count()
    }
}

/// Records without a usable time have their event id in the key, and events of AWS Health that of the communication.
pub fn has_window(key: &str) -> bool {
    !key.contains(":e-")
}

/// The dedup key of a record without a usable time, up to its event id.
fn untimed_kind(key: &str) -> Option<&str> {
    Some(key.split_once(":e-")?.0)
}
