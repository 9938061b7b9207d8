//! One of the functions that receive from the queue, through all lives of its process.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
};

use crate::{
    faults::Faults,
    gauge::Sample,
    queue::{Queue, payload},
    random::Random,
    support::{Function, LogLine, TIMEOUT, failed_items, local_aws::Account, wire::Wire},
};

pub struct Worker<'a> {
    pub account: &'a Account,
    pub queue: &'a Queue,
    pub wire: Wire,
    pub random: Random,
    /// The invocations after which an idle process ends and another starts. `None` for one process during the whole run,
    /// which shows whether its memory grows.
    pub restart_every: Option<usize>,
}

/// What is known of a function at its end.
#[derive(Default)]
pub struct Lives {
    pub invocations: usize,
    pub kills: usize,
    pub restarts: usize,
    /// After each invocation.
    pub samples: Vec<Sample>,
    /// Log lines of level ERROR.
    pub errors: Vec<LogLine>,
    /// The sums of all its metrics.
    pub metrics: BTreeMap<String, u64>,
}

/// The run must end if a receiver fails.
impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.queue.fail();
        }
    }
}

impl Worker<'_> {
    pub fn new<'a>(
        account: &'a Account,
        queue: &'a Queue,
        faults: &Arc<Faults>,
        random: Random,
        restart_every: Option<usize>,
    ) -> Worker<'a> {
        let wire = faults.wire(&account.endpoint, restart_every.is_some());
        Worker { account, queue, wire, random, restart_every }
    }

    /// Receives until all messages have ended.
    pub fn run(mut self) -> Lives {
        let mut lives = Lives::default();
        let mut function = Function::start_on(self.account, &self.wire);
        let mut age = 0;
        while let Some(batch) = self.queue.receive(1 + self.random.below(10)) {
            let all = || batch.iter().map(|message| message.delivery.id());
            let is_queued = batch[0].delivery.payload.is_queued;
            let answer = function.invoke_within(&payload(&batch), TIMEOUT);
            lives.invocations += 1;
            age += 1;
            let is_dead = answer.is_none();
            let failed: BTreeSet<String> = match answer {
                Some(Ok(answer)) if is_queued => failed_items(&answer).into_iter().map(str::to_owned).collect(),
                Some(Ok(_)) => BTreeSet::new(),
                // Lambda returns the whole batch to the queue if the process dies.
                Some(Err(_)) | None => all().collect(),
            };
            assert!(failed.is_subset(&all().collect()), "an item failed that was not delivered: {failed:?}");
            lives.samples.extend(Sample::of(function.id()));
            self.queue.settle(batch, &failed);
            let is_old = self.restart_every.is_some_and(|every| age >= every);
            if is_dead || is_old {
                lives.kills += usize::from(is_dead);
                lives.restarts += usize::from(!is_dead);
                age = 0;
                let next = Function::start_on(self.account, &self.wire);
                lives.ended(std::mem::replace(&mut function, next));
            }
        }
        lives.ended(function);
        lives
    }
}

impl Lives {
    fn ended(&mut self, function: Function) {
        let (log, metrics) = function.log_and_metrics();
        self.errors.extend(log.into_iter().filter(|line| line.level() == "ERROR"));
        for (name, count) in metrics {
            *self.metrics.entry(name).or_default() += count;
        }
    }
}
