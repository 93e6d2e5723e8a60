//! Replaying dead letters.
//!
//! To replay letters is to begin a run of their records: it alone has what it makes published. The letters go when it has ended
//! well, and what dies again leaves a new one; if it fails or is cancelled, they stay. A run of everything tries again all that
//! is dead, so one is begun where no letter of the catalogue is left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quire_api::run::{DeadFilter, ReplayDeadRequest, ReplayDeadResponse};
use quire_catalogue::{Bundle, Catalogue};
use quire_proto::{CatalogueRef, Lane, Parcel};
use quire_runtime::{
    broker::Broker,
    process::audit,
    telemetry::trace::{self, Extractor, Publisher},
};
use tonic::Status;
use tracing::Instrument as _;

use super::{Letter, Letters, check_numbers};
use crate::{
    Ground, Part, RunError, ground,
    service::{
        lead::Leading,
        runs::not_begun,
        work::{Asked, start},
    },
    task::on_thread,
};

/// Letters of one run whose deaths its span is linked to.
const LINKS: usize = 32;

/// Letters of one catalogue.
struct Group {
    catalogue: CatalogueRef,
    lane: Lane,
    numbers: BTreeSet<u64>,
    /// Spans in which the first of them died.
    died_in: Vec<Publisher>,
    /// What the letters are about.
    part: Part,
    /// All of the catalogue: what they are about is nothing less, or too much, or no other letter is left.
    is_all: bool,
}

impl Group {
    fn new(catalogue: CatalogueRef) -> Self {
        let (numbers, died_in) = (BTreeSet::new(), Vec::new());
        Self { catalogue, lane: Lane::Low, numbers, died_in, part: Part::default(), is_all: false }
    }

    fn add(&mut self, letter: &Letter, parcel: &Parcel, lane: Lane) {
        self.lane = self.lane.min(lane);
        self.numbers.insert(letter.number);
        if self.died_in.len() < LINKS {
            self.died_in.extend(trace::publisher(&letter.message));
        }
        match Part::of(&parcel.work) {
            Some(part) if !self.is_all => {
                self.part = std::mem::take(&mut self.part).with(part);
                self.is_all = self.part.is_large();
            }
            _ => self.is_all = true,
        }
    }

    /// What a run of `bundle` shall look at.
    async fn part(&mut self, leading: &Leading, bundle: &Bundle) -> Result<Part, Status> {
        let part = Part { letters: self.numbers.clone(), ..std::mem::take(&mut self.part) };
        if self.is_all {
            return Ok(part.widened());
        }
        let (store, bundle) = (leading.store.clone(), bundle.clone());
        let found = on_thread(move || {
            let catalogue = Catalogue::load(bundle).map_err(|error| RunError::Catalogue(error.into()))?;
            ground(&store, &catalogue)
        });
        let has_ground = found.await.map_err(|error| not_begun(&error))? == Ground::Manifest;
        Ok(if has_ground { part } else { part.widened() })
    }
}

/// Begins a run of what letters are about, one for each of their catalogues. In `lane`, or the most urgent that one of the
/// letters had, and in the trace of whoever `called`. Where one cannot be begun, that is told beside those that were.
pub(in crate::service) async fn replay(
    leading: &Arc<Leading>,
    request: ReplayDeadRequest,
    lane: Option<Lane>,
    called: &(dyn Extractor + Sync),
    from: &str,
) -> Result<ReplayDeadResponse, Status> {
    check_numbers(&leading.broker, request.filter.as_ref()).await?;
    let mut answer = ReplayDeadResponse::default();
    let groups = groups(&leading.broker, request.filter, lane, &mut answer.skipped).await?;
    for group in groups {
        let (letters, catalogue) = (group.numbers.len() as u64, group.catalogue.name.clone());
        match replay_group(leading, group, request.dry_run, called, from).await {
            Ok(Some(run)) => {
                answer.replayed += letters;
                answer.runs.extend(run);
            }
            Ok(None) => answer.skipped += letters,
            Err(status) => answer.failures.push(format!("{catalogue}: {}", status.message())),
        }
    }
    Ok(answer)
}

/// The run, if one was to be begun; `None` if the catalogue's definition is gone.
async fn replay_group(
    leading: &Arc<Leading>,
    mut group: Group,
    dry_run: bool,
    called: &(dyn Extractor + Sync),
    from: &str,
) -> Result<Option<Option<String>>, Status> {
    let Some(bundle) = definition(leading, &group.catalogue).await? else {
        tracing::warn!(catalogue = group.catalogue.name, "its definition is gone: start a run of it");
        return Ok(None);
    };
    if dry_run {
        return Ok(Some(None));
    }
    let part = group.part(leading, &bundle).await?;
    Ok(Some(Some(begin(leading, group, bundle, part, called, from).await?)))
}

/// The letters that `filter` lets through, by catalogue.
async fn groups(
    broker: &Broker,
    filter: Option<DeadFilter>,
    lane: Option<Lane>,
    skipped: &mut u64,
) -> Result<Vec<Group>, Status> {
    let filter = filter.unwrap_or_default();
    let (mut left, is_bounded) = (filter.numbers.len(), !filter.numbers.is_empty());
    let (mut groups, mut others) = (BTreeMap::<String, Group>::new(), BTreeSet::new());
    let mut found = Letters::new(broker, None, 0);
    while let Some(read) = found.next().await? {
        let (is_meant, parcel) = (read.passes(&filter), read.parcel());
        left = left.saturating_sub(usize::from(filter.numbers.contains(&read.letter.number)));
        let name = parcel.map(|parcel| &parcel.header.catalogue.name);
        match parcel {
            Some(parcel) if is_meant => {
                let header = &parcel.header;
                let new = || Group::new(header.catalogue.clone());
                let group = groups.entry(header.catalogue.name.clone()).or_insert_with(new);
                group.add(&read.letter, parcel, lane.unwrap_or(header.lane.max(Lane::High)));
            }
            None if is_meant => *skipped += 1,
            _ => others.extend(name.cloned()),
        }
        if is_bounded && left == 0 && groups.keys().all(|name| others.contains(name)) {
            break;
        }
    }
    for group in groups.values_mut() {
        group.is_all |= !others.contains(&group.catalogue.name);
    }
    Ok(groups.into_values().collect())
}

/// The catalogue's definition: the last that was committed, or that of the letter.
async fn definition(leading: &Leading, catalogue: &CatalogueRef) -> Result<Option<Bundle>, Status> {
    let found = leading.definition(&catalogue.name, Some(catalogue.bundle)).await;
    found.map_err(|error| not_begun(&error))
}

async fn begin(
    leading: &Arc<Leading>,
    group: Group,
    bundle: Bundle,
    part: Part,
    called: &(dyn Extractor + Sync),
    from: &str,
) -> Result<String, Status> {
    let asked = Asked { bundle, full: false, anew: false, lane: group.lane, part, replaces: Vec::new() };
    let place = leading.place()?;
    let span = trace::run(called);
    group.died_in.iter().for_each(|died_in| trace::link(&span, died_in));
    let (starting, from) = (start(Arc::clone(leading), asked, Some(place), span.clone()), from.to_owned());
    let starting = async move {
        let run = starting.await?.now().id;
        for letter in group.numbers {
            audit(&from, "replay a dead letter", &format!("{letter} by {run}"));
        }
        Ok(run)
    };
    // On its own: whoever asks may go away meanwhile.
    let begun = leading.tasks.spawn(starting.instrument(span)).await;
    begun.map_err(|error| Status::internal(error.to_string()))?.map_err(|error| not_begun(&error))
}
