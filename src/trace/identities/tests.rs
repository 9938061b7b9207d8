use serde_json::{Value, json};

use super::*;
use crate::trail::record::Record;

const ALICE: &str = "arn:aws:iam::123456789012:user/alice";

/// A call that returned the credentials of this key.
fn issued(time: Option<&str>, caller: &Value, key: &str) -> Edge {
    let record = json!({
        "eventID": "copy", "eventTime": time, "eventSource": "sts.amazonaws.com", "eventName": "GetSessionToken",
        "userIdentity": caller, "responseElements": { "credentials": { "accessKeyId": key } },
    });
    Edge::of(&Record::parse(record.to_string().as_bytes()).unwrap()).unwrap()
}

fn followed(roots: &str, edges: &[Edge]) -> Identities {
    Identities::follow(Identity::parse_list(roots).unwrap(), edges, &HashSet::new(), usize::MAX)
}

fn parents(identities: &Identities) -> Vec<Option<usize>> {
    identities.list.iter().map(|traced| traced.parent.as_ref().map(|(parent, _)| *parent)).collect()
}

/// A call without a time may come from an identity that has one.
#[test]
fn parents_stand_before_their_children_whatever_times_are_missing() {
    let edges = [
        issued(None, &json!({ "arn": ALICE, "accessKeyId": "AKIAIOSFODNN7EXAMPLE" }), "ASIACHILDCHILDCHILD1"),
        issued(None, &json!({ "accessKeyId": "ASIACHILDCHILDCHILD1" }), "ASIACHILDCHILDCHILD2"),
        issued(Some("2026-11-24T03:00:00Z"), &json!({ "arn": ALICE }), "AKIAIOSFODNN7EXAMPLE"),
    ];
    let identities = followed(ALICE, &edges);
    assert_eq!(parents(&identities), [None, Some(0), Some(1), Some(2)]);
}

/// Two records may have one event id and differ: an export may have lost a field of one.
#[test]
fn copies_that_differ_prove_the_same_in_any_order() {
    let time = Some("2026-11-24T03:00:00Z");
    let mut edges = [json!({ "arn": ALICE }), json!({ "accessKeyId": "AKIAIOSFODNN7EXAMPLE" })]
        .map(|caller| issued(time, &caller, "ASIAIOSFODNN7EXAMPLE"));
    let parents = [0, 1].map(|_| {
        edges.reverse();
        followed(&format!("AKIAIOSFODNN7EXAMPLE,{ALICE}"), &edges).list[2].parent.as_ref().map(|(parent, _)| *parent)
    });
    assert_eq!(parents[0], parents[1]);
}

/// Within one second the order of calls is unknown, so either of two keys may look like the other's parent.
#[test]
fn no_identity_is_its_own_ancestor() {
    let time = Some("2026-11-24T03:00:00Z");
    let edges = [
        issued(time, &json!({ "arn": ALICE, "accessKeyId": "ASIACHILDCHILDCHILD2" }), "ASIACHILDCHILDCHILD1"),
        issued(time, &json!({ "accessKeyId": "ASIACHILDCHILDCHILD1" }), "ASIACHILDCHILDCHILD2"),
    ];
    assert_eq!(parents(&followed(ALICE, &edges)), [None, Some(0), Some(1)]);
}

#[test]
fn a_depth_is_a_number_of_edges() {
    let key = |number: u32| format!("ASIACHILDCHILDCHILD{number}");
    let chain: Vec<Edge> = (0..5)
        .map(|number| {
            let time = format!("2026-11-24T03:0{number}:00Z");
            issued(Some(&time), &json!({ "accessKeyId": key(number) }), &key(number + 1))
        })
        .collect();
    for depth in 0..7 {
        let roots = Identity::parse_list(&key(0)).unwrap();
        let found = Identities::follow(roots, &chain, &HashSet::new(), depth);
        let expected: Vec<Option<usize>> = [None].into_iter().chain((0..depth.min(5)).map(Some)).collect();
        assert_eq!(parents(&found), expected, "{depth}");
        let below: BTreeMap<usize, Vec<usize>> = (0..depth.min(5)).map(|at| (at, vec![at + 1])).collect();
        assert_eq!(found.children(), below, "{depth}");
    }
}

/// Log files that name none of the keys need no second read.
#[test]
fn keys_alone_are_found_by_their_numbers() {
    let keys = followed("AKIAIOSFODNN7EXAMPLE,AKIAI44QH8DHBEXAMPLE", &[]);
    assert_eq!(keys.only_keys().map(|numbers| numbers.len()), Some(2));
    assert_eq!(followed(&format!("AKIAIOSFODNN7EXAMPLE,{ALICE}"), &[]).only_keys(), None);
}
