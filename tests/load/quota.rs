//! A share of a processor, as Lambda grants it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::{Mutex, MutexGuard};

/// Lambda grants a whole processor at this memory.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
const MIB_OF_A_PROCESSOR: u32 = 1769;

/// The quota is granted anew in each period.
const PERIOD: Duration = Duration::from_millis(20);

/// Tests with a quota measure what a slow processor does, and do not run beside each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Stops a process in each period once it has used its share, until the quota is dropped.
pub struct Quota {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// To be held by a test with a quota.
pub async fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().await
}

impl Quota {
    /// The share of a function with this memory.
    pub fn of_memory(process: u32, mib: u32) -> Quota {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let thread = thread::spawn(move || govern(process, PERIOD * mib / MIB_OF_A_PROCESSOR, &ends));
        Quota { is_over, thread: Some(thread) }
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn govern(process: u32, share: Duration, is_over: &AtomicBool) {
    let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) else { return };
    while !is_over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let Some(used) = processor_time(process) else { return };
        while begun.elapsed() < PERIOD {
            thread::sleep(share.min(PERIOD - begun.elapsed().min(PERIOD)) / 4);
            let Some(now) = processor_time(process) else { return };
            if now - used >= share {
                let _ = kill_process(pid, Signal::STOP);
                thread::sleep(PERIOD.saturating_sub(begun.elapsed()));
                let _ = kill_process(pid, Signal::CONT);
            }
        }
    }
}

/// The processor time of the main thread, where the function does everything. `None` if the process has ended.
fn processor_time(process: u32) -> Option<Duration> {
    let schedstat = fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    schedstat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
