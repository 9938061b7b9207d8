//! Sources that can be read only once, kept for a second read.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use anyhow::{Context, bail};
use tempfile::TempPath;
use tokio::task::spawn_blocking;

use super::Target;
use crate::stop::Stop;

/// Standard input, pipes and devices can be read only once, so they are copied into temporary files, which exist as long as
/// their paths.
///
/// # Errors
/// The temporary folder is full, or a signal ended the run.
pub async fn kept(targets: &[Target], stop: &Stop) -> anyhow::Result<(Vec<Target>, Vec<TempPath>)> {
    let mut kept = Vec::new();
    let mut targets = targets.to_vec();
    for target in &mut targets {
        let is_pipe = |path: &Path| fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        let pipe = match target {
            Target::Stdin => None,
            Target::Disk(path) if is_pipe(path) => Some(path.clone()),
            _ => continue,
        };
        let what = format!("cannot keep a copy of {target}, which must be read twice");
        let (mut file, path) =
            tempfile::Builder::new().prefix("quarantine-scan-").tempfile().context(what.clone())?.into_parts();
        *target = Target::Disk(path.to_path_buf());
        kept.push(path);
        // In a thread of its own, so that a signal ends the run while nothing comes.
        let copy = spawn_blocking(move || match pipe {
            None => io::copy(&mut io::stdin().lock(), &mut file),
            Some(path) => io::copy(&mut File::open(path)?, &mut file),
        });
        tokio::select! {
            copied = copy => { copied?.context(what)?; }
            () = stop.requested() => bail!("stopped by a signal, before everything was read"),
        }
    }
    Ok((targets, kept))
}
