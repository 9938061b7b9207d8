//! Edges → all identities that came from those that were asked for, to any depth.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet},
};

use time::OffsetDateTime;

use super::{
    edges::{Edge, Via},
    identity::{Caller, Identity},
};
use crate::{
    scan::{KeyIds, Needle},
    untrusted::Untrusted,
};

/// A traced identity.
#[derive(Debug)]
pub struct Traced {
    pub identity: Identity,
    /// `None` for the identities that were asked for.
    pub parent: Option<(usize, Via)>,
    /// The second in which it came to be, since 1970. It is traced from then on; `None` is always.
    start: Option<i64>,
}

/// The traced identities, and whose a call is.
#[derive(Debug, Default)]
pub struct Identities {
    /// Parents come before their children.
    pub list: Vec<Traced>,
    keys: HashMap<Untrusted, usize>,
    /// Users, sessions and roles by their ARN.
    arns: HashMap<Untrusted, usize>,
    users: HashMap<(String, Untrusted), usize>,
    /// From when the name of a user that was asked for counts without its ARN: a traced identity made or changed it.
    named: HashMap<usize, Option<i64>>,
}

impl Identities {
    /// The identities that were asked for, and all that came from them by at most `depth` edges. `replaced` are the ids of
    /// the records that an addendum replaces.
    pub fn follow(roots: Vec<Identity>, edges: &[Edge], replaced: &HashSet<Untrusted>, depth: usize) -> Identities {
        let is_replaced = |edge: &Edge| edge.via.event_id.as_ref().is_some_and(|id| replaced.contains(id));
        let edges: Vec<&Edge> = edges.iter().filter(|edge| !is_replaced(edge)).collect();
        let mut all = Identities::default();
        roots.into_iter().for_each(|identity| all.add(Traced { identity, parent: None, start: None }));
        let proofs = all.collect(&edges);
        all.place(&edges, &proofs);
        all.within(depth)
    }

    /// Adds everything that came from the identities. The earliest proof wins: no edge is earlier than its caller, so the earliest
    /// of all waiting edges is final. Returns the edge that proves each identity.
    fn collect(&mut self, edges: &[&Edge]) -> Vec<Option<usize>> {
        let mut by_caller: HashMap<&Untrusted, Vec<usize>> = HashMap::new();
        let mut by_user: HashMap<&(String, Untrusted), Vec<usize>> = HashMap::new();
        for (at, edge) in edges.iter().enumerate() {
            let Caller { key, arn, issuer, user } = &edge.caller;
            for name in [key, arn, issuer].into_iter().flatten() {
                by_caller.entry(name).or_default().push(at);
            }
            if let Some(user) = user {
                by_user.entry(user).or_default().push(at);
            }
        }
        let mut proofs = vec![None; self.list.len()];
        let mut waiting = BinaryHeap::new();
        let mut next = 0;
        loop {
            for traced in &self.list[next..] {
                let name = match &traced.identity {
                    Identity::Key(id) => Some(id),
                    identity => identity.arn(),
                };
                let by_name = name.and_then(|name| by_caller.get(name)).into_iter().flatten();
                let as_user = traced.identity.user().and_then(|user| by_user.get(&user)).into_iter().flatten();
                waiting.extend(by_name.chain(as_user).map(|&at| Reverse(order(edges, at, traced.start))));
            }
            next = self.list.len();
            let Some(Reverse((.., at))) = waiting.pop() else { break };
            let Edge { caller, gives, via } = edges[at];
            let Some(parent) = self.owner(caller, via.event_time) else { continue };
            let start = seconds(via.event_time).or(self.list[parent].start);
            if let Some(user) = gives.user().and_then(|user| self.users.get(&user)) {
                let is_new = !self.named.contains_key(user);
                self.named.entry(*user).or_insert(start);
                // Calls that its ARN did not have may follow.
                let calls = gives.user().filter(|_| is_new).and_then(|user| by_user.get(&user)).into_iter().flatten();
                waiting.extend(calls.map(|&at| Reverse(order(edges, at, start))));
            }
            if !self.knows(gives) {
                self.add(Traced { identity: gives.clone(), parent: Some((parent, via.clone())), start });
                proofs.push(Some(at));
            }
        }
        proofs
    }

    /// Gives each identity the narrowest caller of its edge as parent. Within one second, that may have come later than another.
    fn place(&mut self, edges: &[&Edge], proofs: &[Option<usize>]) {
        for (at, proof) in proofs.iter().enumerate() {
            let Some(edge) = proof.map(|proof| edges[proof]) else { continue };
            let owner = self.owner(&edge.caller, edge.via.event_time);
            // What came from this identity came no earlier.
            let may_be_below = |&above: &usize| self.list[above].start >= self.list[at].start;
            let is_below = |owner| self.ancestors(owner).take_while(may_be_below).any(|above| above == at);
            let Some(owner) = owner.filter(|&owner| !is_below(owner)) else { continue };
            if let Some((parent, _)) = &mut self.list[at].parent {
                *parent = owner;
            }
        }
    }

    /// The identity itself, its parent, and so on.
    fn ancestors(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(at), |&at| self.list[at].parent.as_ref().map(|(parent, _)| *parent))
    }

    /// How many edges lead to each identity. Each is walked once, so that a long chain costs no more than a wide tree.
    fn depths(&self) -> Vec<usize> {
        let mut depths: Vec<Option<usize>> = vec![None; self.list.len()];
        for at in 0..self.list.len() {
            let unknown: Vec<usize> = self.ancestors(at).take_while(|&above| depths[above].is_none()).collect();
            let known =
                unknown.last().map_or(Some(at), |&top| self.list[top].parent.as_ref().map(|(parent, _)| *parent));
            let first = known.and_then(|known| depths[known]).map_or(0, |depth| depth + 1);
            for (depth, &above) in (first..).zip(unknown.iter().rev()) {
                depths[above] = Some(depth);
            }
        }
        depths.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// Only what came by at most `depth` edges, parents before their children.
    fn within(mut self, depth: usize) -> Identities {
        let depths = self.depths();
        let mut order: Vec<usize> = (0..self.list.len()).filter(|&at| depths[at] <= depth).collect();
        order.sort_by_key(|&at| depths[at]);
        // What came from an identity without a time of its own came no earlier than the identity.
        let mut starts = vec![None; self.list.len()];
        for &at in &order {
            let above = self.list[at].parent.as_ref().and_then(|(parent, _)| starts[*parent]);
            starts[at] = self.list[at].start.max(above);
        }
        order.sort_by_key(|&at| (starts[at], depths[at]));
        let places: HashMap<usize, usize> = order.iter().enumerate().map(|(new, &old)| (old, new)).collect();
        let mut kept = Identities::default();
        let mut list: Vec<Option<Traced>> = self.list.drain(..).map(Some).collect();
        for &old in &order {
            let Some(mut traced) = list[old].take() else { continue };
            traced.parent = traced.parent.and_then(|(parent, via)| Some((*places.get(&parent)?, via)));
            kept.add(traced);
        }
        kept.named = self.named.into_iter().filter_map(|(old, start)| Some((*places.get(&old)?, start))).collect();
        kept
    }

    /// Whose call it is: the narrowest identity that the caller is, a key before a user or session, and these before a role.
    pub fn owner(&self, caller: &Caller, time: Option<OffsetDateTime>) -> Option<usize> {
        // The second of the edge itself counts.
        let time = seconds(time);
        let began = |start: Option<i64>| start.zip(time).is_none_or(|(start, time)| start <= time);
        let key = caller.key.as_ref().and_then(|key| self.keys.get(key));
        let arn = caller.arn.as_ref().and_then(|arn| self.arns.get(arn));
        // The ARN of a record decides before its name, for a user that was asked for by its ARN.
        let user = caller.user.as_ref().and_then(|user| self.users.get(user));
        let user = user.filter(|&&user| match self.list[user].identity {
            Identity::User { .. } => caller.arn.is_none() || self.named.get(&user).is_some_and(|&start| began(start)),
            _ => true,
        });
        let issuer = caller.issuer.as_ref().and_then(|issuer| self.arns.get(issuer));
        [key, arn, user, issuer].into_iter().flatten().copied().find(|&at| began(self.list[at].start))
    }

    fn knows(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Key(id) => self.keys.contains_key(id),
            Identity::CreatedUser { .. } => identity.user().is_some_and(|user| self.users.contains_key(&user)),
            Identity::User { arn, .. } | Identity::Role { arn, .. } | Identity::Session { arn, .. } => {
                self.arns.contains_key(arn)
            }
        }
    }

    fn add(&mut self, traced: Traced) {
        let at = self.list.len();
        if let Identity::Key(id) = &traced.identity {
            self.keys.insert(id.clone(), at);
        }
        if let Some(arn) = traced.identity.arn() {
            self.arns.insert(arn.clone(), at);
        }
        if let Some(user) = traced.identity.user() {
            self.users.insert(user, at);
        }
        self.list.push(traced);
    }

    /// The needles of all of them. Finding one is a hint.
    pub fn needles(&self) -> impl Iterator<Item = Needle> + '_ {
        self.list.iter().filter_map(|traced| traced.identity.needle())
    }

    /// The keys that are traced, by their [numbers](KeyIds::number). `None` if calls without these are traced too.
    pub fn only_keys(&self) -> Option<HashSet<u32>> {
        self.list
            .iter()
            .map(|traced| match &traced.identity {
                Identity::Key(id) => id.access_key_id().map(KeyIds::number),
                _ => None,
            })
            .collect()
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

/// What decides which of two waiting edges comes first: its second, its record, and its content, since two records may have one
/// event id. The order of the log files decides nothing.
type Order<'e> = (Option<i64>, &'e Option<Untrusted>, &'e Caller, &'e Identity, &'e Untrusted, usize);

fn order<'e>(edges: &[&'e Edge], at: usize, start: Option<i64>) -> Order<'e> {
    let Edge { caller, gives, via } = edges[at];
    (seconds(via.event_time).or(start), &via.event_id, caller, gives, &via.event_name, at)
}

fn seconds(time: Option<OffsetDateTime>) -> Option<i64> {
    time.map(OffsetDateTime::unix_timestamp)
}

#[cfg(test)]
mod tests;
