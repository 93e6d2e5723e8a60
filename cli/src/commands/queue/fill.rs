//! `quire queue fill`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Context as _;
use quire_proto::Lane;
use quire_queue::{Added, Job, QueueFolder, Scan, Waiting, unix_now};
use quire_runtime::Store;
use serde::Serialize;

use crate::{Exit, FillArgs, LaneArg, embedded::CatalogueFolder, exit::wrong_usage, output};

/// What became of the jobs.
#[derive(Debug, Default, Serialize)]
struct Filled {
    queue: String,
    priority: &'static str,
    /// New ones.
    added: u64,
    /// They waited already, and are more urgent now.
    raised: u64,
    /// They waited already.
    waited: u64,
    dry_run: bool,
}

/// Puts jobs into the queue.
///
/// # Errors
/// If the catalogue cannot be read or the queue not written.
pub(super) fn run(args: &FillArgs) -> anyhow::Result<Exit> {
    let catalogue = super::catalogue(args.catalogue.as_deref())?;
    let keys = if args.all { all_keys(&catalogue, &args.state.state)? } else { typed(&args.types)? };
    let lane = args.priority.lane();
    let path = &args.folder.queue;
    let mut filled = Filled {
        queue: path.display().to_string(),
        priority: lane.as_str(),
        dry_run: args.dry_run,
        ..Filled::default()
    };
    if args.dry_run {
        try_to_fill(path, &catalogue, &keys, lane, &mut filled)?;
    } else {
        fill(&QueueFolder::create(path)?, &catalogue, &keys, lane, &mut filled)?;
    }
    if args.json {
        output::json(&filled)?;
    } else {
        let Filled { added, raised, waited, .. } = filled;
        let would = if args.dry_run { "would be " } else { "" };
        output::text(&format!(
            "{}: {added} {would}added ({lane}), {raised} {would}made more urgent, {waited} waited already",
            path.display()
        ))?;
    }
    Ok(Exit::Done)
}

fn fill(
    queue: &QueueFolder,
    catalogue: &CatalogueFolder,
    keys: &BTreeSet<String>,
    lane: Lane,
    filled: &mut Filled,
) -> anyhow::Result<()> {
    let mut scan = Scan::new(queue);
    scan.look()?;
    // Under whatever name it waits.
    let mut known = BTreeMap::<&str, &Waiting>::new();
    for job in scan.waiting().filter(|job| job.is_of(&catalogue.name)) {
        // One that is ours for good rather than one that any catalogue may take, then the most urgent.
        let rank = |job: &Waiting| (job.catalogue.is_none(), job.lane);
        let there = known.entry(&job.key).or_insert(job);
        if rank(job) < rank(there) {
            *there = job;
        }
    }
    for key in keys {
        let job = Job::new(key, lane, Some(&catalogue.name), unix_now());
        let added = match known.get(key.as_str()) {
            Some(there) if there.catalogue.is_some() && there.lane <= lane => Added::Known,
            Some(there) => match queue.join(&there.name, &job)? {
                Some(added) => added,
                None => queue.add(&job)?,
            },
            None => queue.add(&job)?,
        };
        match added {
            Added::New => filled.added += 1,
            Added::Raised => filled.raised += 1,
            Added::Known => filled.waited += 1,
        }
    }
    Ok(())
}

fn try_to_fill(
    path: &Path,
    catalogue: &CatalogueFolder,
    keys: &BTreeSet<String>,
    lane: Lane,
    filled: &mut Filled,
) -> anyhow::Result<()> {
    let mut waiting = BTreeMap::<String, Lane>::new();
    if path.is_dir() {
        let mut scan = Scan::new(&QueueFolder::open(path)?);
        scan.look()?;
        for job in scan.waiting().filter(|job| job.is_of(&catalogue.name)) {
            let most = waiting.entry(job.key.clone()).or_insert(job.lane);
            *most = job.lane.min(*most);
        }
    }
    for key in keys {
        match waiting.get(key) {
            None => filled.added += 1,
            Some(before) if lane < *before => filled.raised += 1,
            Some(_) => filled.waited += 1,
        }
    }
    Ok(())
}

/// Keys as they were typed, each once.
fn typed(types: &[String]) -> anyhow::Result<BTreeSet<String>> {
    for key in types {
        if let Err(odd) = Job::read(Job::new(key, Lane::Normal, None, 0).to_yaml().as_bytes()) {
            wrong_usage!("--type {key:?} cannot be queued: {odd}");
        }
    }
    Ok(types.iter().cloned().collect())
}

/// The keys that the last manifest has, and what sources list that tell keys without being read.
fn all_keys(catalogue: &CatalogueFolder, state: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    // The store is only read: whoever works with the state is not disturbed.
    let store = state.join("store");
    if store.is_dir() {
        let store = Store::open(&store).context("cannot open the store")?;
        keys = quire_coordinator::known_keys(&store, &catalogue.name)?;
    }
    // A manifest may have some of what such a source has: runs of keys made it grow from nothing.
    if keys.is_empty() || catalogue.catalogue.places_of("any").is_some() {
        keys.append(&mut crate::commands::check::keys(catalogue)?);
    }
    if keys.is_empty() {
        wrong_usage!("the catalogue {} has no records: there is nothing to queue", catalogue.name);
    }
    Ok(keys)
}

impl LaneArg {
    /// The lane.
    pub(in crate::commands) const fn lane(self) -> Lane {
        match self {
            Self::Critical => Lane::Critical,
            Self::High => Lane::High,
            Self::Normal => Lane::Normal,
            Self::Low => Lane::Low,
        }
    }
}
