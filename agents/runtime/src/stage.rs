//! What an agent does: one [`Stage`], one parcel at a time.

use std::{future::Future, sync::Arc};

use quire_proto::{Outcome, Parcel, StageName, Work};

use crate::{Context, StageError};

/// One stage of the flow.
///
/// Handlers are idempotent: the same parcel gives the same outcome and the same children, whoever
/// processes it and however often. The runtime does the rest: pulling by lane, retries, splitting,
/// settlements, draining.
pub trait Stage: Send + Sync + 'static {
    /// Whose queue to pull from.
    fn name(&self) -> StageName;

    /// Does the parcel's work. CPU-heavy and blocking parts go through [`Context::compute`].
    fn process(
        &self,
        ctx: Context,
        parcel: Arc<Parcel>,
    ) -> impl Future<Output = Result<Processed, StageError>> + Send;
}

/// What came out of a parcel.
#[derive(Debug, Clone, PartialEq)]
pub struct Processed {
    /// For the settlement.
    pub outcome: Outcome,
    /// Work for the next stages, in a fixed order: a child's id is derived from its position. Work of the same kind is
    /// what this parcel leaves to others: records that failed while the others did not, each alone, so that they are judged
    /// by themselves and cost the others nothing; or locations that it had no room for.
    pub children: Vec<Work>,
}

impl Processed {
    /// An outcome without children.
    #[must_use]
    pub const fn leaf(outcome: Outcome) -> Self {
        Self { outcome, children: Vec::new() }
    }
}
