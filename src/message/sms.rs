//! The alert in one line of at most 140 ASCII characters, which is one SMS.
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/sms_sending-overview.html>

use crate::alert::Alert;

const MOST_CHARS: usize = 140;

pub(super) fn text(alert: &Alert) -> String {
    let (before, after) = (format!("{}: ", alert.severity), format!(", {}", alert.event_time));
    let title = alert.ascii_title(MOST_CHARS.saturating_sub(before.len() + after.len()));
    format!("{before}{title}{after}")
}
