//! The delivery queue, as SQS behaves: what fails becomes visible again later, and moves to the dead-letter queue after five
//! receives. Direct invocations are in it as well, since Lambda also retries those.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::deliveries::Delivery;

/// As in the template.
pub const MAX_RECEIVES: u32 = 5;

/// Longer than the lease of a claim, as the six minutes of the template are.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);

/// The deliveries that wait for their first receive. More are sent when some of these are received.
const MAX_BACKLOG: usize = 100;

pub struct Message {
    pub delivery: Arc<Delivery>,
    pub receives: u32,
}

/// Messages of one invocation: some of the queue, or one direct invocation.
pub type Batch = Vec<Message>;

#[derive(Default)]
struct State {
    visible: VecDeque<Message>,
    invisible: VecDeque<(Instant, Message)>,
    in_flight: usize,
    is_closed: bool,
    has_failed: bool,
    ends: Ends,
}

/// How the messages ended.
#[derive(Default)]
pub struct Ends {
    pub acknowledged: Vec<Message>,
    pub dead: Vec<Message>,
}

#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    /// Sends a message. Waits while there are too many. Returns whether anybody still receives.
    pub fn send(&self, delivery: Arc<Delivery>) -> bool {
        let is_full = |state: &mut State| state.visible.len() > MAX_BACKLOG && !state.has_failed;
        let mut state = self.changed.wait_while(self.state.lock().unwrap(), is_full).unwrap();
        state.visible.push_back(Message { delivery, receives: 0 });
        self.changed.notify_all();
        !state.has_failed
    }

    /// No message follows.
    pub fn close(&self) {
        self.state.lock().unwrap().is_closed = true;
        self.changed.notify_all();
    }

    /// A receiver has failed, and the run with it.
    pub fn fail(&self) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.has_failed = true;
        self.changed.notify_all();
    }

    /// Receives up to this many messages, or one direct invocation. `None` once all messages have ended.
    pub fn receive(&self, max: usize) -> Option<Batch> {
        let mut state = self.state.lock().unwrap();
        loop {
            let now = Instant::now();
            while let Some((_, message)) = state.invisible.pop_front_if(|(at, _)| *at <= now) {
                state.visible.push_back(message);
            }
            if state.has_failed {
                return None;
            }
            if let Some(first) = state.visible.pop_front() {
                let mut batch = vec![first];
                while batch.len() < max && batch[0].delivery.payload.is_queued {
                    let Some(next) = state.visible.pop_front_if(|next| next.delivery.payload.is_queued) else { break };
                    batch.push(next);
                }
                batch.iter_mut().for_each(|message| message.receives += 1);
                state.in_flight += batch.len();
                self.changed.notify_all();
                return Some(batch);
            }
            let next = state.invisible.front().map(|(at, _)| *at);
            if next.is_none() && state.in_flight == 0 && state.is_closed {
                return None;
            }
            state = match next {
                Some(at) => self.changed.wait_timeout(state, at.saturating_duration_since(now)).unwrap().0,
                None => self.changed.wait(state).unwrap(),
            };
        }
    }

    /// Ends a batch. The messages with these ids failed.
    pub fn settle(&self, batch: Batch, failed: &BTreeSet<String>) {
        let mut state = self.state.lock().unwrap();
        state.in_flight -= batch.len();
        for message in batch {
            if !failed.contains(&message.delivery.id()) {
                state.ends.acknowledged.push(message);
            } else if message.receives < MAX_RECEIVES {
                state.invisible.push_back((Instant::now() + VISIBILITY_TIMEOUT, message));
            } else {
                state.ends.dead.push(message);
            }
        }
        self.changed.notify_all();
    }

    pub fn into_ends(self) -> Ends {
        self.state.into_inner().unwrap().ends
    }
}

/// The payload of an invocation.
pub fn payload(batch: &Batch) -> Value {
    let event = |message: &Message| message.delivery.payload.event.clone();
    if !batch[0].delivery.payload.is_queued {
        return event(&batch[0]);
    }
    json!({ "Records": batch.iter().map(|message| event(message)["Records"][0].take()).collect::<Vec<_>>() })
}
