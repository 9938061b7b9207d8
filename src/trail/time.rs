//! Times in logs, as CloudTrail and the programs that copy its records write them.

use serde_json::value::RawValue;
use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::json::text;

/// The beginning of 2006, in seconds since 1970. AWS is not older.
const FIRST: i64 = 1_136_073_600;

/// From this number on, an epoch counts milliseconds: in seconds, it would be the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;

/// A time in UTC, from JSON: RFC 3339 with any offset; `YYYY-MM-DD HH:MM:SS`, in UTC unless an offset or `UTC` follows;
/// seconds or milliseconds since 1970. `None` if it is something else, or before AWS existed, or more than a day ahead: a
/// runbook for a wrong day is worse than one without a day.
pub fn parse(value: &RawValue) -> Option<OffsetDateTime> {
    let json = value.get();
    let time = if json.starts_with('"') {
        let text = text(json)?;
        text.parse().map_or_else(|_| of_text(&text), of_epoch)
    } else {
        of_epoch(serde_json::from_str(json).ok()?)
    }?;
    is_likely(time).then_some(time)
}

/// Whether something can have happened then: since AWS exists, and at most a day ahead.
pub fn is_likely(time: OffsetDateTime) -> bool {
    time.unix_timestamp() >= FIRST && time <= OffsetDateTime::now_utc() + Duration::DAY
}

fn of_epoch(number: f64) -> Option<OffsetDateTime> {
    let seconds = if number >= MILLISECONDS_FROM { number / 1000.0 } else { number };
    // A number that is too large becomes the largest, which is out of range.
    OffsetDateTime::from_unix_timestamp(seconds as i64).ok()
}

fn of_text(text: &str) -> Option<OffsetDateTime> {
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let clock = clock.trim_end();
    let end = clock.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(end);
    let zone = match zone.trim_start() {
        "" | "Z" | "z" | "UTC" => "Z".into(),
        // ISO 8601's basic form.
        zone if zone.len() == "+0000".len() && zone.is_ascii() => format!("{}:{}", &zone[..3], &zone[3..]),
        zone => zone.into(),
    };
    OffsetDateTime::parse(&format!("{date}T{clock}{zone}"), &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)
}

/// A time as alerts and logs spell it: in UTC and whole seconds.
pub fn rfc3339(time: OffsetDateTime) -> String {
    let time = time.checked_to_offset(UtcOffset::UTC).unwrap_or(time);
    // Formatting fails only for years after 9999.
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_else(|_| time.unix_timestamp().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Option<String> {
        parse(&RawValue::from_string(json.into()).unwrap()).map(rfc3339)
    }

    #[test]
    fn one_instant_in_every_spelling_is_one_time() {
        for json in [
            r#""2026-05-06T07:08:09Z""#,
            r#""2026-05-06T07:08:09.198Z""#,
            r#""2026-05-06t07:08:09z""#,
            r#""2026-05-06T21:08:09+14:00""#,
            r#""2026-05-06T03:08:09-04:00""#,
            r#""2026-05-06T07:08:09.000+0000""#,
            r#""2026-05-06 07:08:09""#,
            r#""2026-05-06 07:08:09 UTC""#,
            r#""2026-05-06 07:08:09.5 +00:00""#,
            r#""2026-05-06 12:38:09+05:30""#,
            r#""2026-05-06T07:08:09""#,
            "1778051289",
            "1778051289000",
            "1.778051289E9",
            r#""1778051289""#,
        ] {
            assert_eq!(parsed(json).as_deref(), Some("2026-05-06T07:08:09Z"), "{json}");
        }
    }

    #[test]
    fn anything_else_is_no_time() {
        for json in [
            "null",
            "[]",
            r#""""#,
            r#""not a time""#,
            r#""2026-02-30T25:61:00Z""#,
            r#""0000-01-01T00:00:00Z""#,
            r#""2005-12-31T23:59:59Z""#,
            r#""2099-01-01T00:00:00Z""#,
            r#""9999-12-31T23:59:59-23:59""#,
            r#""2026-05-06T07:08:09+ab:cd""#,
            r#""2026-05-06Té""#,
            r#""2026-05-06""#,
            "0",
            "-1",
            "1e999",
            "1e300",
            r#""NaN""#,
            r#""inf""#,
        ] {
            assert_eq!(parsed(json), None, "{json}");
        }
    }
}
