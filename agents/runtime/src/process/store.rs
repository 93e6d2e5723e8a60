//! Opens the store that `QUIRE_STORE` names, and waits for one that is away.

use std::time::Duration;

use quire_proto::Digest;
use tokio_util::sync::CancellationToken;

use super::{ProcessError, Ready, ReadySwitch, instance_name};
use crate::{Backoff, Bucket, S3Settings, Store, StorePlace, config};

/// Between two looks at a store that is away.
const PAUSES: Backoff = Backoff { first: Duration::from_millis(250), max: Duration::from_secs(5) };

/// Opens the store; `None` if the process shall end before it is there.
///
/// # Errors
/// [`ProcessError`] for whatever does not pass by waiting.
pub(super) async fn open(
    url: &str,
    ready: &ReadySwitch,
    stop: &CancellationToken,
) -> Result<Option<Store>, ProcessError> {
    match StorePlace::read(url) {
        Some(StorePlace::Folder(folder)) => Ok(Some(Store::open(&folder)?)),
        Some(StorePlace::Bucket { name, prefix }) => {
            let bucket = Bucket::s3(&name, &prefix, &S3Settings::from_env())?;
            Ok(wait_for(&bucket, ready, stop).await?.then(|| Store::in_bucket(bucket)))
        }
        None => Err(ProcessError::StoreUrl { url: config::without_secrets(url) }),
    }
}

/// Waits until the bucket does; `false` if the process shall end.
async fn wait_for(
    bucket: &Bucket,
    ready: &ReadySwitch,
    stop: &CancellationToken,
) -> Result<bool, ProcessError> {
    ready.set_process(Ready::no("connecting to the store"));
    // Not all processes shall ask in step.
    let own = Digest::of(instance_name().as_bytes());
    let (mut told, mut looks) = (None, 0_u32);
    loop {
        looks = looks.saturating_add(1);
        let asked = bucket.clone();
        let probing = tokio::task::spawn_blocking(move || asked.probe());
        let trouble = tokio::select! {
            () = stop.cancelled() => return Ok(false),
            probed = probing => match probed.map_err(|error| ProcessError::Start(error.into()))? {
                Ok(()) => return Ok(true),
                Err(trouble) => trouble,
            },
        };
        if !trouble.may_pass() {
            return Err(trouble.into());
        }
        let reason = trouble.to_string();
        ready.set_process(Ready::no(reason.clone()));
        // Once for each thing that is wrong, not once a look.
        if told.as_ref() != Some(&reason) {
            tracing::warn!("{reason}; waiting for it");
            told = Some(reason);
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            () = tokio::time::sleep(PAUSES.pause(&own, looks)) => {}
        }
    }
}
