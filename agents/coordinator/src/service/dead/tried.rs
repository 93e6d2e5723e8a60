//! Letters of what has been tried again.

use std::collections::{BTreeSet, HashSet};

use quire_api::run::DeadFilter;
use quire_proto::{Epoch, StageName};
use quire_runtime::broker::Broker;
use tonic::Status;

use super::{Letters, Read, failed};
use crate::Part;

/// A run that has ended well, to the letters.
pub(in crate::service) struct Tried<'a> {
    pub(in crate::service) catalogue: &'a str,
    pub(in crate::service) epoch: Epoch,
    /// What it has looked at, with the letters for the sake of which it was begun.
    pub(in crate::service) part: &'a Part,
    /// Keys of records that died in it and could be made in the end.
    pub(in crate::service) revived: &'a BTreeSet<String>,
    /// Something could not be processed: it may have letters of its own.
    pub(in crate::service) some_died: bool,
}

/// What a letter is about.
type About = (StageName, Vec<String>);

impl Tried<'_> {
    /// Forgets letters that the run has answered: so of what is dead there is one letter, and not one for each run.
    pub(in crate::service) async fn forget(&self, broker: &Broker) -> Result<(), Status> {
        for &letter in &self.part.letters {
            self.drop(broker, letter).await?;
        }
        // A run of a part may make pages of other records again, which die again.
        let own =
            if self.some_died || !self.revived.is_empty() { self.own(broker).await? } else { HashSet::new() };
        self.drop_older(broker, |read| {
            self.has_tried(read) || about(read).is_some_and(|about| own.contains(&about))
        })
        .await
    }

    /// Whether the run has looked at all that the letter is about.
    fn has_tried(&self, read: &Read) -> bool {
        let tried = read.parcel().and_then(|parcel| Part::of(&parcel.work));
        self.part.is_all() || tried.is_some_and(|tried| self.part.covers(&tried))
    }

    /// What the run's own letters are about: one for each. Others of them say what an earlier or later attempt of the run at
    /// the same record came to.
    async fn own(&self, broker: &Broker) -> Result<HashSet<About>, Status> {
        let mut found = self.of_catalogue(broker);
        let mut own = HashSet::new();
        while let Some(read) = found.next().await? {
            if epoch(&read) != Some(self.epoch) {
                continue;
            }
            let Some(about) = about(&read) else { continue };
            let is_revived = matches!(about.0, StageName::Index | StageName::Render)
                && about.1.iter().all(|key| self.revived.contains(key));
            if is_revived || !own.insert(about) {
                self.drop(broker, read.letter.number).await?;
            }
        }
        Ok(own)
    }

    /// Drops those that `are_meant` among the letters of earlier runs.
    async fn drop_older(&self, broker: &Broker, are_meant: impl Fn(&Read) -> bool) -> Result<(), Status> {
        let mut found = self.of_catalogue(broker);
        while let Some(read) = found.next().await? {
            if epoch(&read).is_some_and(|epoch| epoch < self.epoch) && are_meant(&read) {
                self.drop(broker, read.letter.number).await?;
            }
        }
        Ok(())
    }

    async fn drop(&self, broker: &Broker, letter: u64) -> Result<(), Status> {
        if broker.drop_dead_letter(letter).await.map_err(failed)? {
            let Self { catalogue, epoch, .. } = self;
            tracing::info!(catalogue, letter, %epoch, "dead letter dropped: what it is about was tried again");
        }
        Ok(())
    }

    fn of_catalogue<'b>(&self, broker: &'b Broker) -> Letters<'b> {
        let filter = DeadFilter { catalogue: self.catalogue.to_owned(), ..DeadFilter::default() };
        Letters::new(broker, Some(filter), 0)
    }
}

fn epoch(read: &Read) -> Option<Epoch> {
    read.parcel().map(|parcel| parcel.header.epoch)
}

fn about(read: &Read) -> Option<About> {
    let held = read.held.as_ref()?;
    let subjects = held.subjects();
    (!subjects.is_empty()).then_some((held.stage, subjects))
}
