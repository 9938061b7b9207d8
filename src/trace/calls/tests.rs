use serde_json::json;

use super::*;
use crate::trail::record::Record;

#[test]
fn calls_in_files_are_the_same_as_in_memory() {
    // Every fourth call is a copy in another log file, and some have no event id or no time.
    let record = |number: u64| {
        let id = match number % 5 {
            0 => json!(null),
            1 => json!(format!("x{}", number / 4)),
            _ => json!(format!("00000000-0000-0000-0000-{:012}", number / 4)),
        };
        let time = (!number.is_multiple_of(7)).then(|| format!("2026-11-24T03:{:02}:00Z", number * 37 % 60));
        Record::parse(json!({ "eventID": id, "eventTime": time, "eventName": "X" }).to_string().as_bytes())
    };
    let timeline = |most: usize| {
        let mut calls = Calls::holding(most, tempfile::tempfile);
        for number in (0..500).rev() {
            let call = Call::of(&record(number).unwrap(), 0).unwrap();
            calls.add(call, &format!("{}.json", number % 3)).unwrap();
        }
        let timeline = calls.finish().unwrap();
        let mut lines = Vec::new();
        timeline
            .each(|row| {
                let id = row.event_id.map(|id| timeline.event_id(id).visible(99));
                lines.push((row.event_time, id, timeline.text(row.log_file).visible(99)));
                Ok::<_, io::Error>(())
            })
            .unwrap();
        assert_eq!(lines.len() as u64, timeline.calls);
        assert!(lines.is_sorted_by_key(|(time, ..)| *time));
        (lines, timeline.duplicates)
    };
    let (lines, duplicates) = timeline(10_000);
    assert!(duplicates > 100 && lines.len() > 200, "{duplicates} {}", lines.len());
    for most in [1, 7, 100] {
        assert!(timeline(most) == (lines.clone(), duplicates), "{most}");
    }
}

#[test]
fn an_event_id_is_shown_as_it_was_logged() {
    let mut calls = Calls::new(tempfile::tempfile);
    let ids = [
        "a1c3e5f7-0b2d-4f68-8a9c-7e5d3c1b0a99",
        "00000000-0000-0000-0000-000000000000",
        "A1C3E5F7-0B2D-4F68-8A9C-7E5D3C1B0A99",
        "1",
        "",
    ];
    let numbers = ids.map(|id| calls.texts.event_id(id.into()));
    // CloudTrail's own ids are stored in 16 bytes.
    assert!(numbers[..2].iter().all(|number| matches!(number, EventId::Uuid(_))));
    let timeline = calls.finish().unwrap();
    for (id, number) in ids.into_iter().zip(numbers) {
        assert_eq!(timeline.event_id(number).visible(99), id);
    }
    assert!(size_of::<Row>() <= 160, "{}", size_of::<Row>());
}

/// The memory limit relies on this estimate.
#[test]
fn their_size_is_that_of_their_texts_and_what_was_left() {
    let mut calls = Calls::new(tempfile::tempfile);
    let create = |user: &str| {
        json!({
            "eventSource": "iam.amazonaws.com", "eventName": "CreateUser", "recipientAccountId": "123456789012",
            "requestParameters": { "userName": user.repeat(60) }, "userAgent": "x".repeat(5000),
        })
    };
    let mut before = calls.bytes();
    // A text is held twice, and one that is known takes no more.
    for (user, texts) in [("a", 10_000), ("b", 0), ("a", 0)] {
        let call = Call::of(&Record::parse(create(user).to_string().as_bytes()).unwrap(), 0).unwrap();
        let [left] = &call.left[..] else { panic!("{user}") };
        let left = left.id.bytes() + left.undo.as_ref().unwrap().len();
        calls.add(call, "log-file.json").unwrap();
        let added = calls.bytes() - before;
        assert!((left + texts..left + texts + 1500).contains(&added), "{left} {added}");
        before = calls.bytes();
    }
    assert_eq!(calls.found, 3);
}
