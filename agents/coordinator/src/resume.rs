//! Epochs and the marks of runs begun, so that what a crash leaves behind is seen.
//!
//! `runs/<catalogue>/<epoch>` is created before a run publishes anything. It goes when the run is over: what it committed
//! is in the site, and its report is kept. A run in which nothing changed leaves its mark, saying so: the next epoch must
//! be greater, as parcels' ids follow from it; so does one that failed. A mark that says *begun* is a run that somebody
//! waits for; whatever it finished lies in packs, caches and maybe a manifest, and planning it again does none of that
//! twice. The mark says what was asked for, so a coordinator that comes to lead can do so by itself.

use std::collections::BTreeSet;

use quire_catalogue::Bundle;
use quire_proto::{Digest, Epoch, Lane};
use quire_runtime::Store;
use serde::{Deserialize, Serialize};

use crate::{Part, RunError, manifest_io};

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MarkState {
    /// It is not over, or its process did not live to say so.
    Begun,
    /// It found nothing changed.
    Unchanged,
    /// It failed or was cancelled: nobody waits for it any more.
    Ended,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The catalogue's definition.
    pub(crate) bundle: Digest,
    pub(crate) full: bool,
    pub(crate) lane: Lane,
    /// Epochs under which the run was known before, whoever led.
    #[serde(default)]
    pub(crate) replaces: Vec<u64>,
    #[serde(flatten)]
    pub(crate) part: Part,
    /// When, in milliseconds since 1970; 0 in marks of former versions.
    #[serde(default)]
    pub(crate) started_ms: u64,
    /// The run's span as W3C writes it, so that whoever plans it again goes on with its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<String>,
}

#[cfg(test)]
impl Asked {
    /// A run of everything in the normal lane.
    pub(crate) fn everything(bundle: Digest) -> Self {
        let (replaces, part) = (Vec::new(), Part::default());
        Self { bundle, full: false, lane: Lane::Normal, replaces, part, started_ms: 0, traceparent: None }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    state: MarkState,
    asked: Option<Asked>,
}

impl Mark {
    fn read(store: &Store, catalogue: &str, epoch: u64) -> Result<Option<Self>, RunError> {
        let bytes = store.read(&mark(catalogue, epoch))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn encode(&self) -> Result<Vec<u8>, RunError> {
        serde_json::to_vec(self).map_err(|error| RunError::Task(error.to_string()))
    }
}

/// Losing the race for an epoch so often in a row means that something else is wrong.
const MAX_RACES: u32 = 100;

fn mark(catalogue: &str, epoch: u64) -> String {
    format!("runs/{catalogue}/{epoch}")
}

/// Takes the next epoch of a catalogue: the greatest found among manifests and runs, plus one.
pub(crate) fn begin(store: &Store, catalogue: &str, asked: Asked) -> Result<Epoch, RunError> {
    let begun = Mark { state: MarkState::Begun, asked: Some(asked) }.encode()?;
    for _ in 0..MAX_RACES {
        let manifests = manifest_io::epochs(store, &format!("manifests/{catalogue}"))?;
        let runs = manifest_io::epochs(store, &format!("runs/{catalogue}"))?;
        let greatest = manifests.last().max(runs.last()).copied().unwrap_or(0);
        let epoch = greatest.saturating_add(1);
        if store.create(&mark(catalogue, epoch), &begun)? {
            tell_unfinished(store, catalogue, &runs)?;
            return Ok(Epoch(epoch));
        }
    }
    Err(RunError::Task(format!("no epoch of {catalogue} is free")))
}

fn tell_unfinished(store: &Store, catalogue: &str, runs: &[u64]) -> Result<(), RunError> {
    for &epoch in runs {
        if Mark::read(store, catalogue, epoch)?.is_some_and(|mark| mark.state == MarkState::Begun) {
            tracing::info!(catalogue, epoch, "an earlier run did not end; what it finished is used");
        }
    }
    Ok(())
}

/// The run is over: its mark goes, and those before it but for runs that are `live`. Where it committed nothing, a mark
/// keeps the epoch.
pub(crate) fn over(
    store: &Store,
    catalogue: &str,
    epoch: Epoch,
    live: &BTreeSet<u64>,
) -> Result<(), RunError> {
    let committed = manifest_io::epochs(store, &format!("manifests/{catalogue}"))?;
    if committed.last() >= Some(&epoch.0) {
        return remove_marks(store, catalogue, |mark| mark <= epoch.0 && !live.contains(&mark));
    }
    keep_epoch(store, catalogue, epoch)?;
    remove_marks(store, catalogue, |mark| mark < epoch.0 && !live.contains(&mark))
}

/// Leaves a mark for the sake of the epoch alone.
pub(crate) fn keep_epoch(store: &Store, catalogue: &str, epoch: Epoch) -> Result<(), RunError> {
    let unchanged = Mark { state: MarkState::Unchanged, asked: None }.encode()?;
    Ok(store.put(&mark(catalogue, epoch.0), &unchanged)?)
}

/// The run failed or was cancelled: nobody shall plan it again. Its mark keeps the epoch.
pub(crate) fn ended(store: &Store, catalogue: &str, epoch: Epoch) -> Result<(), RunError> {
    let Some(begun) = Mark::read(store, catalogue, epoch.0)? else { return Ok(()) };
    let ended = Mark { state: MarkState::Ended, ..begun }.encode()?;
    Ok(store.put(&mark(catalogue, epoch.0), &ended)?)
}

/// When the first of some runs was begun, as far as their marks tell.
pub(crate) fn first_started(store: &Store, catalogue: &str, epochs: &[u64]) -> Result<Option<u64>, RunError> {
    let mut first = None;
    for &epoch in epochs {
        let asked = Mark::read(store, catalogue, epoch)?.and_then(|mark| mark.asked);
        let started = asked.map(|asked| asked.started_ms).filter(|started| *started > 0);
        first = first.into_iter().chain(started).min();
    }
    Ok(first)
}

/// Whether the run is one that nobody waits for any more.
pub(crate) fn is_ended(store: &Store, catalogue: &str, epoch: Epoch) -> Result<bool, RunError> {
    Ok(Mark::read(store, catalogue, epoch.0)?.is_some_and(|mark| mark.state == MarkState::Ended))
}

/// Whether somebody waits for the run: it was begun, no later one is committed, and nobody has said that it is over.
pub(crate) fn is_awaited(store: &Store, catalogue: &str, epoch: Epoch) -> Result<bool, RunError> {
    let begun = Mark::read(store, catalogue, epoch.0)?.is_some_and(|mark| mark.state == MarkState::Begun);
    if !begun {
        return Ok(false);
    }
    let committed = manifest_io::epochs(store, &format!("manifests/{catalogue}"))?;
    Ok(committed.last().is_none_or(|newest| *newest <= epoch.0))
}

/// Runs of a catalogue that are not over, and what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) catalogue: String,
    /// Their epochs, ascending, and those in whose place they were: one run takes the place of all of its kind.
    pub(crate) epochs: Vec<Epoch>,
    /// The last definition.
    pub(crate) bundle: Bundle,
    pub(crate) full: bool,
    pub(crate) lane: Lane,
    pub(crate) part: Part,
    /// Their spans, as far as they are known, the first run's first.
    pub(crate) traceparents: Vec<String>,
}

/// What is not over and not `live` in this process: of each catalogue one run of everything and one of keys, at most. Runs that cannot be planned again, as their
/// definition is gone, end here.
pub(crate) fn unfinished(
    store: &Store,
    live: &dyn Fn(&str, Epoch) -> bool,
) -> Result<Vec<Unfinished>, RunError> {
    let mut found = Vec::new();
    for catalogue in store.list("runs")? {
        let mut begun = begun(store, &catalogue)?;
        begun.retain(|(epoch, _)| !live(&catalogue, *epoch));
        // Those of keys are wanted sooner, and are not to wait for one of everything.
        let (whole, parts): (Vec<_>, Vec<_>) = begun.into_iter().partition(|(_, asked)| asked.part.is_all());
        for begun in [whole, parts].into_iter().filter(|begun| !begun.is_empty()) {
            found.extend(one_of(store, &catalogue, begun)?);
        }
    }
    Ok(found)
}

/// One run in the place of several; `None` if their definition is gone: then they end here.
fn one_of(
    store: &Store,
    catalogue: &str,
    begun: Vec<(Epoch, Asked)>,
) -> Result<Option<Unfinished>, RunError> {
    let Some(bundle) = begun.iter().rev().find_map(|(_, asked)| read_bundle(store, &asked.bundle)) else {
        for (epoch, _) in begun {
            tracing::warn!(catalogue, %epoch, "a run that did not end cannot be planned again: start it");
            ended(store, catalogue, epoch)?;
        }
        return Ok(None);
    };
    Ok(Some(Unfinished {
        catalogue: catalogue.to_owned(),
        epochs: known_as(&begun),
        bundle,
        full: begun.iter().any(|(_, asked)| asked.full),
        traceparents: begun.iter().filter_map(|(_, asked)| asked.traceparent.clone()).collect(),
        // The most urgent one.
        lane: begun.iter().map(|(_, asked)| asked.lane).min().unwrap_or(Lane::Normal),
        part: begun.into_iter().fold(Part::default(), |part, (_, asked)| part.with(asked.part)),
    }))
}

/// All epochs under which somebody may know these runs.
fn known_as(begun: &[(Epoch, Asked)]) -> Vec<Epoch> {
    let former = begun.iter().flat_map(|(_, asked)| asked.replaces.iter().copied().map(Epoch));
    let all: BTreeSet<Epoch> = begun.iter().map(|(epoch, _)| *epoch).chain(former).collect();
    all.into_iter().collect()
}

/// Runs of a catalogue that are not over, by epoch.
fn begun(store: &Store, catalogue: &str) -> Result<Vec<(Epoch, Asked)>, RunError> {
    let mut begun = Vec::new();
    for epoch in manifest_io::epochs(store, &format!("runs/{catalogue}"))? {
        if let Some(Mark { state: MarkState::Begun, asked: Some(asked) }) =
            Mark::read(store, catalogue, epoch)?
        {
            begun.push((Epoch(epoch), asked));
        }
    }
    Ok(begun)
}

/// A definition, if it can be read.
pub(crate) fn read_bundle(store: &Store, digest: &Digest) -> Option<Bundle> {
    let bytes = store.get_blob(digest).map_err(|error| error.to_string());
    match bytes.and_then(|bytes| Bundle::decode(&bytes).map_err(|error| error.to_string())) {
        Ok(bundle) => Some(bundle),
        Err(error) => {
            tracing::warn!(bundle = %digest, error, "a catalogue's definition cannot be read");
            None
        }
    }
}

fn remove_marks(store: &Store, catalogue: &str, goes: impl Fn(u64) -> bool) -> Result<(), RunError> {
    for epoch in manifest_io::epochs(store, &format!("runs/{catalogue}"))? {
        if goes(epoch) {
            store.remove(&mark(catalogue, epoch))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
