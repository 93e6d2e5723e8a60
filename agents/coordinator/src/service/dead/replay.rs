//! Replaying dead letters.
//!
//! To replay letters is to begin a run of their records: it alone has what it makes published, and what dies again leaves a
//! new letter. A run of everything tries again all that is dead, so one is begun where no letter of the catalogue is left out.

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

use super::{Letter, Letters, check_numbers, failed};
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
    numbers: Vec<u64>,
    /// Spans in which the first of them died.
    died_in: Vec<Publisher>,
    /// What the letters are about.
    part: Part,
    /// All of the catalogue: what they are about is nothing less, or too much, or no other letter is left.
    is_all: bool,
}

impl Group {
    fn new(catalogue: CatalogueRef) -> Self {
        let (numbers, died_in) = (Vec::new(), Vec::new());
        Self { catalogue, lane: Lane::Low, numbers, died_in, part: Part::default(), is_all: false }
    }

    fn add(&mut self, letter: &Letter, parcel: &Parcel, lane: Lane) {
        self.lane = self.lane.min(lane);
        self.numbers.push(letter.number);
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
        let part = std::mem::take(&mut self.part);
        if self.is_all {
            return Ok(Part::default());
        }
        let (store, bundle) = (leading.store.clone(), bundle.clone());
        let found = on_thread(move || {
            let catalogue = Catalogue::load(bundle).map_err(|error| RunError::Catalogue(error.into()))?;
            ground(&store, &catalogue)
        });
        let has_ground = found.await.map_err(|error| not_begun(&error))? == Ground::Manifest;
        Ok(if has_ground { part } else { Part::default() })
    }
}

/// Begins a run of what letters are about, one for each of their catalogues, and drops those letters. In `lane`, or the most
/// urgent that one of the letters had, and in the trace of whoever `called`.
pub(in crate::service) async fn replay(
    leading: &Arc<Leading>,
    request: ReplayDeadRequest,
    lane: Option<Lane>,
    called: &(dyn Extractor + Sync),
    from: &str,
) -> Result<ReplayDeadResponse, Status> {
    check_numbers(&leading.broker, request.filter.as_ref()).await?;
    let mut answer = ReplayDeadResponse::default();
    for mut group in groups(&leading.broker, request.filter, lane, &mut answer.skipped).await? {
        let Some(bundle) = definition(leading, &group.catalogue).await? else {
            tracing::warn!(catalogue = group.catalogue.name, "its definition is gone: start a run of it");
            answer.skipped += group.numbers.len() as u64;
            continue;
        };
        answer.replayed += group.numbers.len() as u64;
        if !request.dry_run {
            let part = group.part(leading, &bundle).await?;
            answer.runs.push(begin(leading, group, bundle, part, called, from).await?);
        }
    }
    Ok(answer)
}

/// The letters that `filter` lets through, by catalogue.
async fn groups(
    broker: &Broker,
    filter: Option<DeadFilter>,
    lane: Option<Lane>,
    skipped: &mut u64,
) -> Result<Vec<Group>, Status> {
    let filter = filter.unwrap_or_default();
    let (mut groups, mut others) = (BTreeMap::<String, Group>::new(), BTreeSet::new());
    let mut found = Letters::new(broker, None, 0);
    while let Some(read) = found.next().await? {
        let (is_meant, parcel) = (read.passes(&filter), read.parcel());
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
    // On its own: whoever asks may go away meanwhile.
    let starting = start(Arc::clone(leading), asked, Some(place), span.clone());
    let known = leading.tasks.spawn(starting).await.map_err(|error| Status::internal(error.to_string()))?;
    let run = known.map_err(|error| not_begun(&error))?.now().id;
    let dropping = async {
        for letter in group.numbers {
            leading.broker.drop_dead_letter(letter).await.map_err(failed)?;
            audit(from, "replay a dead letter", &format!("{letter} by {run}"));
        }
        Ok(())
    };
    dropping.instrument(span).await.map(|()| run)
}
