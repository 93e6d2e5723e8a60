//! The coordinator: plans runs, keeps the ledger of what they owe, decides who holds which claim, commits
//! manifests and has them published.
//!
//! [`Coordinator::run`] is one pass over one catalogue; [`Coordinator::finish_site`] folds the newest manifests of all
//! catalogues into the site. What the coordinator does not do itself stands behind three small traits: [`Projector`]
//! (what lists and data files look like), [`SiteEdge`] (the site's folder), [`Progress`] (who watches).

mod coordinator;
mod decide;
mod error;
mod ledger;
mod listing;
mod manifest_io;
mod progress;
mod projector;
mod runs;
mod site;
mod workspace;

pub use coordinator::{Coordinator, CoordinatorOptions, RunRequest};
pub use error::RunError;
pub use progress::{Event, NoProgress, Phase, Progress};
pub use projector::{CatalogueState, EntryIter, FileSink, Projector, RejectIter};
pub use site::{SiteEdge, SiteReport};
