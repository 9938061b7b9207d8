//! Ctrl-C and SIGTERM. The first ends the run with what was found so far, the second ends it at once.

use std::{future::pending, io, process};

use tokio::sync::watch;

/// Whether the run must stop. A clone serves another task.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// # Errors
    /// The system does not allow signal handlers.
    pub fn on_signal() -> anyhow::Result<Stop> {
        let mut signals = Signals::new()?;
        let (request, requested) = watch::channel(false);
        tokio::spawn(async move {
            for _ in 0..2 {
                signals.recv().await;
                if request.send_replace(true) {
                    process::exit(130);
                }
            }
        });
        Ok(Stop(requested))
    }

    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the first signal.
    pub async fn requested(&self) {
        if self.0.clone().wait_for(|requested| *requested).await.is_err() {
            pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn recv(&mut self) {
        tokio::select! { _ = self.interrupt.recv() => {}, _ = self.terminate.recv() => {} }
    }
}

/// Windows has only Ctrl-C. It has never been compiled.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Signals> {
        tokio::signal::windows::ctrl_c().map(Signals)
    }

    async fn recv(&mut self) {
        let _ = self.0.recv().await;
    }
}
