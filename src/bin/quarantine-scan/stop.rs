//! Ctrl-C and SIGTERM: the first ends the run with what was found so far, the second ends it at once.

use std::{future::pending, process};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Tells when to stop; a clone tells another task.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// # Errors
    /// The system does not let signals be listened to.
    pub fn on_signal() -> anyhow::Result<Stop> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            for _ in 0..2 {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                if tell.send_replace(true) {
                    process::exit(130);
                }
            }
        });
        Ok(Stop(told))
    }

    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is asked for.
    pub async fn asked(&self) {
        if self.0.clone().wait_for(|asked| *asked).await.is_err() {
            pending::<()>().await;
        }
    }
}
