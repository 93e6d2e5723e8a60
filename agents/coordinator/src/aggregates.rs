//! What a run's accepted records give together, and the figures drawn from that.
//!
//! One pass over the accepted records, which ascend by key, joins their shares; each aggregate becomes an object of its own in the
//! store, named by its content. So pages see whether one of them changed, and renderers read it once. A catalogue that
//! defines none pays nothing.

use bytes::Bytes;
use quire_proto::{
    AggregateRef, Digest, DigestBuilder, Outputs, PackSlice, PageFile, UsedAggregate,
    manifest::{Basis, DrawnFigure},
    pack::PackBuilder,
};

use crate::{
    FigureFiles, Projector, RunError, decide::Accepted, plan::Plan, runs::Sorted, shelf::Shelf,
    workspace::Workspace,
};

/// Most bytes of all aggregates of a catalogue together.
const MAX_BYTES: usize = 64 << 20;

/// The aggregates of a run and the catalogue's figures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Together {
    /// Aggregates in their order, then what is known of the figures.
    pub(crate) refs: Vec<AggregateRef>,
    /// Where the aggregates lie.
    pub(crate) slices: Vec<PackSlice>,
    /// The figures, in their order.
    pub(crate) figures: Vec<DrawnFigure>,
}

impl Together {
    /// Joins the shares of accepted records and draws what is to be drawn anew. Some of it may be `drawn` in this run.
    pub(crate) fn of(
        accepted: &Sorted<Accepted>,
        plan: &Plan,
        drawn: &[DrawnFigure],
        projector: &dyn Projector,
        shelf: &Shelf,
        workspace: &Workspace,
    ) -> Result<Self, RunError> {
        let definition = plan.catalogue.definition();
        if definition.aggregates.is_empty() && definition.shared_figures() == 0 {
            return Ok(Self::default());
        }
        let texts = join(accepted, definition.aggregates.len(), shelf, workspace)?;
        let mut together = Self::default();
        for text in texts {
            let digest = Digest::of(&text);
            shelf.store().put_blob(&digest, &text)?;
            together.slices.push(PackSlice { pack: digest, offset: 0, len: text.len() as u64 });
        }
        let basis = Basis { together: together.slices.clone(), ..Basis::default() };
        let aggregates = basis.aggregates();
        let last =
            plan.base.as_ref().filter(|_| !plan.full).map(|base| base.manifest.basis.figures.as_slice());
        let known = [drawn, last.unwrap_or_default()];
        for number in 0..definition.shared_figures() {
            let drawing = Drawing { plan, aggregates: &aggregates, shelf, number };
            let figure = drawing.figure(known, projector)?;
            together.figures.push(figure);
        }
        together.refs = Basis { figures: together.figures.clone(), ..basis }.aggregates();
        Ok(together)
    }

    /// Digest of all of them.
    pub(crate) fn digest(&self) -> Digest {
        let digest = DigestBuilder::new("quire together").number(self.refs.len() as u64);
        self.refs.iter().fold(digest, |digest, aggregate| digest.digest(&aggregate.used.digest)).finish()
    }

    /// Whether all of `used` are what they were.
    pub(crate) fn are_still(&self, used: &[UsedAggregate]) -> bool {
        used.iter().all(|used| {
            self.refs.get(usize::from(used.aggregate)).is_some_and(|now| now.used.digest == used.digest)
        })
    }
}

/// Every aggregate as JSON.
fn join(
    accepted: &Sorted<Accepted>,
    count: usize,
    shelf: &Shelf,
    workspace: &Workspace,
) -> Result<Vec<Bytes>, RunError> {
    let mut texts = vec![b"[".to_vec(); count];
    let mut bytes = 0;
    for (number, row) in accepted.iter().map_err(RunError::Spill)?.enumerate() {
        let row = row.map_err(RunError::Spill)?;
        if number.is_multiple_of(4096) {
            workspace.check()?;
        }
        for share in &row.record.shares {
            let Some(text) = texts.get_mut(usize::from(share.aggregate)) else { continue };
            if text.len() > 1 {
                text.push(b',');
            }
            match &share.outputs {
                Outputs::Here(outputs) => text.extend_from_slice(outputs.as_bytes()),
                Outputs::Packed { from, .. } => text.extend_from_slice(&shelf.store().get_slice(from)?),
            }
            bytes += share.outputs.len() as usize;
            if bytes > MAX_BYTES {
                return Err(RunError::Aggregates { most: MAX_BYTES, key: row.record.key.clone() });
            }
        }
    }
    let close = |mut text: Vec<u8>| {
        text.push(b']');
        Bytes::from(text)
    };
    Ok(texts.into_iter().map(close).collect())
}

/// One figure of the catalogue.
struct Drawing<'a> {
    plan: &'a Plan,
    aggregates: &'a [AggregateRef],
    shelf: &'a Shelf,
    number: usize,
}

impl Drawing<'_> {
    /// The figure as it was drawn, if it would be drawn from the same, and drawn anew otherwise.
    fn figure(&self, known: [&[DrawnFigure]; 2], projector: &dyn Projector) -> Result<DrawnFigure, RunError> {
        let inputs = self.inputs();
        let drawn = known.into_iter().filter_map(|figures| figures.get(self.number));
        for figure in drawn.filter(|figure| figure.inputs == inputs) {
            let slices = figure.files.iter().map(|file| &file.from).chain([&figure.listing]);
            if self.shelf.store().has_slices(slices)? {
                return Ok(figure.clone());
            }
        }
        let store = self.shelf.store();
        let FigureFiles { files, listing } = projector
            .catalogue_figure(&self.plan.encoded, self.number, self.aggregates, store)
            .map_err(RunError::of_projector)?;
        let mut drawn = Vec::with_capacity(files.len());
        for (path, bytes) in files {
            let path = format!("{}/{path}", self.plan.reference.name);
            let from = self.put(bytes)?;
            drawn.push(PageFile { path, digest: from.pack, from });
        }
        drawn.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(DrawnFigure { inputs, files: drawn, listing: self.put(listing)? })
    }

    fn inputs(&self) -> Digest {
        let digest = DigestBuilder::new("quire figure").digest(&self.plan.frame()).number(self.number as u64);
        self.aggregates
            .iter()
            .fold(digest, |digest, aggregate| digest.digest(&aggregate.used.digest))
            .finish()
    }

    fn put(&self, bytes: Vec<u8>) -> Result<PackSlice, RunError> {
        let mut pack = PackBuilder::default();
        pack.add(bytes);
        let pack = pack.finish();
        self.shelf.store().put_pack(&pack)?;
        Ok(PackSlice { pack: pack.digest, offset: 0, len: pack.bytes.len() as u64 })
    }
}
