//! The plan of a run: its epoch, what to compare with, and the first parcels.

use quire_catalogue::Catalogue;
use quire_proto::{
    CatalogueRef, Digest, DigestBuilder, Epoch, ListSource, RecordCounts, RunId, Work, manifest::Chunk,
};
use quire_runtime::Store;

use crate::{
    RunError, commit,
    decide::Messages,
    gather::Gathered,
    manifest_io::{self, Committed},
    registered::Facts,
};

/// What a run knows before it begins.
pub(crate) struct Plan {
    pub(crate) catalogue: Catalogue,
    pub(crate) reference: CatalogueRef,
    pub(crate) encoded: bytes::Bytes,
    pub(crate) run: RunId,
    pub(crate) epoch: Epoch,
    /// The newest manifest.
    pub(crate) base: Option<Committed>,
    /// There is a last manifest, and it cannot be used: what this run does not bring would be gone.
    pub(crate) base_lost: bool,
    /// There is no last manifest, but the site shows files of the catalogue: they are of a state that is gone.
    pub(crate) shown_without_base: bool,
    pub(crate) full: bool,
    pub(crate) salt: Digest,
}

impl Plan {
    /// A last manifest that is not `trusted` is not looked at.
    pub(crate) fn make(store: &Store, facts: Facts, trusted: bool, salt: Digest) -> Result<Self, RunError> {
        let Facts { catalogue, reference, encoded, full, epoch, .. } = facts;
        let base = if trusted { manifest_io::newest(store, &reference.name)? } else { None };
        if let Some(base) = &base {
            commit::ensure_blob(store, base)?;
        }
        let manifests = format!("manifests/{}", reference.name);
        let base_lost = base.is_none() && !manifest_io::epochs(store, &manifests)?.is_empty();
        let run = RunId::new(&reference.name, epoch);
        let shown_without_base = false;
        Ok(Self {
            catalogue,
            reference,
            encoded,
            run,
            epoch,
            base,
            base_lost,
            shown_without_base,
            full,
            salt,
        })
    }

    /// Names of the sources, in the catalogue's order: a listing's slot is its source's position.
    pub(crate) fn sources(&self) -> Vec<String> {
        self.catalogue.definition().sources.iter().map(|source| source.name.clone()).collect()
    }

    /// The first parcels.
    pub(crate) fn works(&self) -> Vec<Work> {
        let base = self.base.as_ref().filter(|_| !self.full).map(|base| base.digest);
        self.sources().into_iter().map(|source| Work::List(ListSource { source, base })).collect()
    }

    /// Messages that the catalogue gives its rules.
    pub(crate) fn messages(&self) -> Messages {
        let rules = self.catalogue.definition().validate.rules.iter();
        rules.filter_map(|rule| Some((rule.name.clone(), rule.message.clone()?))).collect()
    }

    /// Digest of everything but the record that pages depend on.
    pub(crate) fn frame(&self) -> Digest {
        DigestBuilder::new("quire page frame").digest(&self.reference.bundle).digest(&self.salt).finish()
    }

    /// Digest of everything that lists and data files depend on.
    pub(crate) fn projection(&self, entries: &[Chunk], rejects: &[Chunk], dead: u64) -> Digest {
        let rows = |digest: DigestBuilder, chunks: &[Chunk]| {
            chunks
                .iter()
                .fold(digest.number(chunks.len() as u64), |digest, chunk| digest.digest(&chunk.rows.pack))
        };
        let digest = DigestBuilder::new("quire projection").digest(&self.frame()).number(dead);
        rows(rows(digest, entries), rejects).finish()
    }

    /// What could not be had keeps its last state, which takes a last state.
    pub(crate) fn may_commit(
        &self,
        counts: &RecordCounts,
        complete: bool,
        failures: &[String],
    ) -> Result<(), RunError> {
        let has_all = if self.base_lost {
            complete && counts.dead == 0 && failures.is_empty()
        } else {
            // Of records that fail now, nobody knows that they ever did not.
            complete || !self.shown_without_base
        };
        if has_all {
            return Ok(());
        }
        let why = failures.first().cloned().unwrap_or_else(|| format!("{} records failed", counts.dead));
        Err(RunError::CannotHeal { catalogue: self.reference.name.clone(), why })
    }

    /// Whether listings alone show that everything is as the last manifest says.
    pub(crate) fn nothing_changed(&self, gathered: &Gathered) -> bool {
        let Some(Committed { manifest, .. }) = self.base.as_ref().filter(|_| !self.full) else {
            return false;
        };
        let basis = &manifest.basis;
        let projection = self.projection(&manifest.entries, &manifest.rejects, basis.dead);
        if !manifest.complete
            || basis.dead > 0
            || basis.projection != Some(projection)
            || !gathered.is_quiet()
        {
            return false;
        }
        let mut listed: Vec<_> =
            gathered.sources.iter().filter_map(|(name, listing)| listing.state(name)).collect();
        listed.sort_by(|one, other| one.source.cmp(&other.source));
        listed == basis.sources
    }
}
