//! The plan of a run: its epoch, what to compare with, and the first parcels.

use quire_catalogue::Catalogue;
use quire_proto::{
    CatalogueRef, Digest, DigestBuilder, Epoch, ListSource, RecordCounts, RunId, Work,
    manifest::{Chunk, Manifest, SourceState},
};

use crate::{
    Part, RunError, commit,
    decide::Messages,
    gather::Gathered,
    manifest_io::{self, Committed},
    registered::Facts,
    scope::Scope,
    shelf::Shelf,
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
    /// Its epoch, be it readable or not: another one committed meanwhile has overtaken this run.
    pub(crate) newest: Option<u64>,
    /// What to look at; `None`: everything.
    pub(crate) scope: Option<Scope>,
    /// There is a last manifest, and it cannot be used: what this run does not bring would be gone.
    pub(crate) base_lost: bool,
    /// There is no last manifest, but the site shows files of the catalogue: they are of a state that is gone.
    pub(crate) shown_without_base: bool,
    pub(crate) full: bool,
    pub(crate) salt: Digest,
}

impl Plan {
    /// A last manifest that is not `trusted` is not looked at.
    pub(crate) fn make(shelf: &Shelf, facts: Facts, trusted: bool, salt: Digest) -> Result<Self, RunError> {
        let Facts { catalogue, reference, encoded, full, part, epoch, .. } = facts;
        let store = shelf.store();
        let newest = manifest_io::epochs(store, &format!("manifests/{}", reference.name))?.last().copied();
        let base = match newest.filter(|_| trusted) {
            Some(newest) => manifest_io::read_manifest(store, &reference.name, newest)?,
            None => None,
        };
        if let Some(base) = &base {
            commit::ensure_blob(store, base)?;
        }
        let base_lost = base.is_none() && newest.is_some();
        if base_lost && !part.is_all() {
            return Err(RunError::KeysAlone { catalogue: reference.name, why: NOTHING_COMMITTED });
        }
        let scope = scope_of(&part, base.as_ref(), &catalogue, &reference, shelf)?;
        let run = RunId::new(&reference.name, epoch);
        let shown_without_base = false;
        Ok(Self {
            catalogue,
            reference,
            encoded,
            run,
            epoch,
            base,
            newest,
            scope,
            base_lost,
            shown_without_base,
            full,
            salt,
        })
    }

    /// A run of some keys would take what it does not look at off the site, if nothing is known of that.
    pub(crate) fn may_begin(&self) -> Result<(), RunError> {
        if self.scope.is_some() && self.shown_without_base {
            let why = "the site shows more of it than is known";
            return Err(RunError::KeysAlone { catalogue: self.reference.name.clone(), why });
        }
        Ok(())
    }

    /// The first parcels, of these sources and locations.
    pub(crate) fn works(&self, listed: Vec<(String, Option<Vec<String>>)>) -> Vec<Work> {
        let base = self.base.as_ref().filter(|_| !self.full).map(|base| base.digest);
        let list = |(source, only)| Work::List(ListSource { source, base, only });
        listed.into_iter().map(list).collect()
    }

    /// Sources to list and which of their locations; `None`: all. A listing's slot is its position here.
    pub(crate) fn listed(&self, scope: Option<&Scope>) -> Vec<(String, Option<Vec<String>>)> {
        let definition = self.catalogue.definition();
        let sources = definition.sources.iter().map(|source| source.name.clone());
        match scope {
            Some(scope) => scope.listed(sources.collect()),
            None => sources.map(|source| (source, None)).collect(),
        }
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
        let Some(Committed { manifest, .. }) =
            self.base.as_ref().filter(|_| !self.full && self.scope.is_none())
        else {
            return false;
        };
        let basis = &manifest.basis;
        if !self.stands(manifest)
            || !gathered.is_quiet()
            // Nobody has decided about all rows together.
            || basis.sources.is_empty() && !(manifest.entries.is_empty() && manifest.rejects.is_empty())
        {
            return false;
        }
        let mut listed: Vec<_> =
            gathered.sources.iter().filter_map(|(name, listing)| listing.state(name)).collect();
        listed.sort_by(|one, other| one.source.cmp(&other.source));
        listed == basis.sources
    }

    /// Whether a manifest would be the same if it were made of the same rows again.
    fn stands(&self, manifest: &Manifest) -> bool {
        let Manifest { basis, entries, rejects, .. } = manifest;
        let projection = self.projection(entries, rejects, basis.dead);
        manifest.complete && basis.dead == 0 && basis.projection == Some(projection)
    }

    /// The last manifest, if the listings alone show that nothing of what a run of some keys looks at has changed since.
    pub(crate) fn nothing_changed_in(&self, scope: &Scope, gathered: &Gathered) -> Option<&Committed> {
        let base = self.base.as_ref().filter(|base| !self.full && self.stands(&base.manifest))?;
        scope.is_unchanged(gathered).then_some(base)
    }

    /// How many records are dead, as the manifest tells: what a run of some keys does not look at may still be.
    pub(crate) fn dead(&self, counts: &RecordCounts, held: u64) -> u64 {
        let dead = counts.dead + held;
        match (&self.scope, &self.base) {
            (Some(_), Some(base)) => dead.max(base.manifest.basis.dead),
            _ => dead,
        }
    }

    /// The locations that all rows come from, for the next run to compare listings with. After a run of some keys nobody
    /// has decided about all of them together: the next run of the whole catalogue shall.
    pub(crate) fn basis_sources(
        &self,
        decided: Vec<SourceState>,
        entries: &[Chunk],
        rejects: &[Chunk],
    ) -> Vec<SourceState> {
        match (&self.scope, &self.base) {
            (None, _) => decided,
            (Some(_), Some(Committed { manifest, .. }))
                if manifest.entries == entries && manifest.rejects == rejects =>
            {
                manifest.basis.sources.clone()
            }
            (Some(_), _) => Vec::new(),
        }
    }
}

/// Why a run of some keys cannot begin.
const NOTHING_COMMITTED: &str = "nothing of it is committed that could be read";

/// What a run of `part` looks at, beside a last manifest of the same definition.
fn scope_of(
    part: &Part,
    base: Option<&Committed>,
    catalogue: &Catalogue,
    reference: &CatalogueRef,
    shelf: &Shelf,
) -> Result<Option<Scope>, RunError> {
    if part.is_all() {
        return Ok(None);
    }
    let refused = |why| RunError::KeysAlone { catalogue: reference.name.clone(), why };
    let same = |base: &Committed| {
        base.manifest.catalogue == *reference && base.manifest.validation == catalogue.validation_digest()
    };
    if base.is_some_and(|base| !same(base)) {
        return Err(refused("its definition has changed since the last run"));
    }
    let scope = Scope::find(part, base, catalogue, shelf)?;
    scope.ok_or_else(|| refused(NOTHING_COMMITTED)).map(Some)
}
