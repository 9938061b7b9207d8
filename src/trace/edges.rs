//! Where identities came from: credentials and users that a traced identity got or made, to any depth.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet},
};

use time::OffsetDateTime;

use super::{
    call::{Outcome, response},
    identity::{Caller, Identity},
};
use crate::{
    json::Fields,
    scan::Needle,
    trail::{key::is_account_id, record::Record},
    untrusted::Untrusted,
};

/// The calls that return an access key id.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html>
const ISSUING: [&str; 7] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "GetSessionToken",
    "GetFederationToken",
    "CreateAccessKey",
];
/// The calls that create a user, or give one a console password.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateLoginProfile.html>
const CREATING: [&str; 3] = ["CreateUser", "CreateLoginProfile", "UpdateLoginProfile"];

/// Every record of an edge contains one of these. `AssumeRole` is in three names.
pub fn needles() -> impl Iterator<Item = Needle> {
    const TEXTS: [Needle; 7] = [
        Needle::fixed("AssumeRole"),
        Needle::fixed("AssumeRoot"),
        Needle::fixed("GetSessionToken"),
        Needle::fixed("GetFederationToken"),
        Needle::fixed("CreateAccessKey"),
        Needle::fixed("CreateUser"),
        Needle::fixed("LoginProfile"),
    ];
    TEXTS.into_iter()
}

/// A call that succeeded, and what came from it.
#[derive(Debug)]
pub struct Edge {
    pub caller: Caller,
    pub gives: Identity,
    pub via: Via,
}

/// The record that proves an edge.
#[derive(Clone, Debug)]
pub struct Via {
    pub kind: &'static str,
    pub event_name: Untrusted,
    pub event_id: Option<Untrusted>,
    pub event_time: Option<OffsetDateTime>,
}

impl Edge {
    /// `None` if the record is of another call, or of one that did not succeed.
    pub fn of(record: &Record) -> Option<Edge> {
        let name = record.event_name.as_ref()?;
        let issues = name.test(|name| ISSUING.contains(&name));
        let creates = name.test(|name| CREATING.contains(&name));
        let is_of =
            |service: &str| record.event_source.as_ref().is_some_and(|source| source.test(|source| source == service));
        if !(issues || creates) || !(is_of("sts.amazonaws.com") || is_of("iam.amazonaws.com")) {
            return None;
        }
        let fields = Fields::of(record.raw.get()).ok()?;
        if Outcome::of(record, &fields) != Outcome::Succeeded {
            return None;
        }
        let response = response(&fields).unwrap_or_default();
        let gives = if issues {
            let of = |name: &str| response.object(name)?.text("accessKeyId");
            Identity::Key(Untrusted::new(of("credentials").or_else(|| of("accessKey")).filter(|key| !key.is_empty())?))
        } else {
            let asked = || fields.object("requestParameters")?.text("userName");
            let answered = |name: &str| response.object(name)?.text("userName");
            let name = asked().or_else(|| answered("user")).or_else(|| answered("loginProfile"));
            let account_id = record.account_id();
            if !is_account_id(account_id) {
                return None;
            }
            let name = Untrusted::new(name.filter(|name| !name.is_empty())?);
            Identity::CreatedUser { account_id: account_id.to_owned(), name }
        };
        let via = Via {
            kind: if issues { "issued" } else { "created" },
            event_name: name.clone(),
            event_id: record.event_id.clone(),
            event_time: record.event_time,
        };
        Some(Edge { caller: Caller::of(record), gives, via })
    }
}

/// A traced identity. It is traced from the second in which it came to be.
#[derive(Debug)]
pub struct Traced {
    pub identity: Identity,
    /// `None` for the identities that were asked for.
    pub parent: Option<(usize, Via)>,
    start: Option<OffsetDateTime>,
    depth: usize,
}

/// The traced identities, and whose a call is.
#[derive(Debug, Default)]
pub struct Identities {
    pub list: Vec<Traced>,
    keys: HashMap<Untrusted, usize>,
    /// Users, sessions and roles by their ARN.
    arns: HashMap<Untrusted, usize>,
    users: HashMap<(String, Untrusted), usize>,
}

impl Identities {
    /// The identities that were asked for, and all that came from them by at most `depth` edges. `replaced` are the ids of
    /// the records that an addendum replaces.
    pub fn follow(roots: Vec<Identity>, edges: &[Edge], replaced: &HashSet<Untrusted>, depth: usize) -> Identities {
        let mut identities = Identities::default();
        for identity in roots {
            identities.add(Traced { identity, parent: None, start: None, depth: 0 });
        }
        let is_replaced = |edge: &Edge| edge.via.event_id.as_ref().is_some_and(|id| replaced.contains(id));
        let mut by_caller: HashMap<&Untrusted, Vec<usize>> = HashMap::new();
        let mut by_user: HashMap<&(String, Untrusted), Vec<usize>> = HashMap::new();
        for (at, edge) in edges.iter().enumerate().filter(|(_, edge)| !is_replaced(edge)) {
            let Caller { key, arn, issuer, user } = &edge.caller;
            for name in [key, arn, issuer].into_iter().flatten() {
                by_caller.entry(name).or_default().push(at);
            }
            if let Some(user) = user {
                by_user.entry(user).or_default().push(at);
            }
        }
        // The earliest proof wins: an edge is never earlier than its caller, so the earliest of all waiting edges is final.
        let mut waiting = BinaryHeap::new();
        let mut next = 0;
        loop {
            for (at, traced) in identities.list.iter().enumerate().skip(next) {
                let mut calls: Vec<usize> = Vec::new();
                match &traced.identity {
                    Identity::Key(name) => calls.extend(by_caller.get(name).into_iter().flatten()),
                    Identity::CreatedUser { account_id, name } => {
                        calls.extend(by_user.get(&(account_id.clone(), name.clone())).into_iter().flatten());
                    }
                    Identity::User { arn, account_id, name } => {
                        calls.extend(by_caller.get(arn).into_iter().flatten());
                        calls.extend(by_user.get(&(account_id.clone(), name.clone())).into_iter().flatten());
                    }
                    Identity::Role { arn, .. } | Identity::Session { arn, .. } => {
                        calls.extend(by_caller.get(arn).into_iter().flatten());
                    }
                }
                let calls = calls.into_iter().filter(|_| traced.depth < depth);
                waiting.extend(calls.map(|edge| {
                    let time = edges[edge].via.event_time.or(traced.start);
                    Reverse((time, traced.depth, edges[edge].via.event_id.clone(), edge, at))
                }));
            }
            next = identities.list.len();
            let Some(Reverse((start, _, _, edge, parent))) = waiting.pop() else { break };
            let Edge { caller, gives, via, .. } = &edges[edge];
            // Of several identities that the caller is, the narrowest made the call.
            if identities.owner(caller, via.event_time) == Some(parent) && !identities.knows(gives) {
                let depth = identities.list[parent].depth + 1;
                let parent = Some((parent, via.clone()));
                identities.add(Traced { identity: gives.clone(), parent, start, depth });
            }
        }
        identities
    }

    /// Whose call it is: the narrowest identity that the caller is, a key before a user or session, and these before a role.
    pub fn owner(&self, caller: &Caller, time: Option<OffsetDateTime>) -> Option<usize> {
        let key = caller.key.as_ref().and_then(|key| self.keys.get(key));
        let arn = caller.arn.as_ref().and_then(|arn| self.arns.get(arn));
        // The ARN of a record decides before its name, for a user that was asked for by its ARN.
        let user = caller.user.as_ref().and_then(|user| self.users.get(user));
        let user = user.filter(|&&user| match self.list[user].identity {
            Identity::User { .. } => caller.arn.is_none(),
            _ => true,
        });
        let issuer = caller.issuer.as_ref().and_then(|issuer| self.arns.get(issuer));
        let began = |&at: &usize| match (self.list[at].start, time) {
            (Some(start), Some(time)) => start <= time,
            _ => true,
        };
        [key, arn, user, issuer].into_iter().flatten().copied().find(began)
    }

    fn knows(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Key(id) => self.keys.contains_key(id),
            Identity::CreatedUser { account_id, name } => self.users.contains_key(&(account_id.clone(), name.clone())),
            Identity::User { arn, .. } | Identity::Role { arn, .. } | Identity::Session { arn, .. } => {
                self.arns.contains_key(arn)
            }
        }
    }

    fn add(&mut self, traced: Traced) {
        let at = self.list.len();
        match &traced.identity {
            Identity::Key(id) => _ = self.keys.insert(id.clone(), at),
            Identity::CreatedUser { account_id, name } => {
                self.users.insert((account_id.clone(), name.clone()), at);
            }
            Identity::User { arn, account_id, name } => {
                self.arns.insert(arn.clone(), at);
                self.users.insert((account_id.clone(), name.clone()), at);
            }
            Identity::Role { arn, .. } | Identity::Session { arn, .. } => _ = self.arns.insert(arn.clone(), at),
        }
        self.list.push(traced);
    }

    /// The needles of all of them. Finding one is a hint.
    pub fn needles(&self) -> impl Iterator<Item = Needle> + '_ {
        self.list.iter().filter_map(|traced| traced.identity.needle())
    }

    /// The children of each identity, by the time of their edge.
    pub fn children(&self) -> BTreeMap<usize, Vec<usize>> {
        let mut children: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, traced) in self.list.iter().enumerate() {
            if let Some((parent, _)) = &traced.parent {
                children.entry(*parent).or_default().push(at);
            }
        }
        children
    }
}
