//! The coordinator: plans runs, keeps the ledger of what they owe, decides who holds which claim, commits
//! manifests and has them published.
//!
//! [`Coordinator::run`] is one pass over one catalogue; [`Coordinator::finish_site`] folds the newest manifests of all
//! catalogues into the site. What the coordinator does not do itself stands behind three small traits: [`Projector`]
//! (what lists and data files look like), [`SiteEdge`] (the site's folder), [`Progress`] (who watches).

mod aggregates;
mod announce;
mod assemble;
mod carry;
mod collect;
mod commit;
mod coordinator;
mod dead;
mod decide;
mod error;
mod explain;
mod fates;
mod finish;
mod flight;
mod folder;
mod forget;
mod gather;
mod ledger;
mod listing;
mod losses;
mod make;
mod manifest_io;
mod options;
mod part;
mod plan;
mod progress;
mod project;
mod projector;
mod publish;
mod registered;
mod report;
mod resume;
mod rounds;
mod router;
mod run;
mod runs;
mod scope;
mod service;
mod shelf;
mod site;
mod site_manifest;
mod site_record;
mod task;
mod turns;
mod workspace;

pub use coordinator::Coordinator;
pub use error::RunError;
pub use explain::{Explanation, FileOf, dead_records, explain, published_catalogues};
pub use fates::{Fate, Ground, fates, ground, known_keys};
pub use folder::{FolderError, parts_of as parts_of_folder, read_folder};
pub use losses::unnamed;
pub use options::{CoordinatorOptions, RunRequest};
pub use part::{MAX_KEYS, Part};
pub use progress::{Event, Loss, NoProgress, Phase, Progress};
pub use projector::{CatalogueState, EntryIter, FigureFiles, Projector, RejectIter};
pub use registered::Registered;
pub use service::CoordinatorRole;
pub use site::{SiteEdge, SiteReport};
pub use site_record::strangers;
