//! Ctrl-C and SIGTERM. The first ends the run with what was found so far, the second ends it at once.

use std::{future::pending, process};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Whether the run must stop. A clone serves another task.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// # Errors
    /// The system does not allow signal handlers.
    pub fn on_signal() -> anyhow::Result<Stop> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (request, requested) = watch::channel(false);
        tokio::spawn(async move {
            for _ in 0..2 {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
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
