//! The upstream `neuprint`: neuron types of a dataset.
//!
//! neuPrint is a graph database (Neo4j) of neurons: `Neuron` nodes with a `type`, edges `ConnectsTo` with a `weight`, their
//! `Synapse`s in `SynapseSet`s, one `Meta` node. It takes Cypher texts without parameters. Asking type by type costs 20 to 38
//! queries each; here a batch of types costs two, and a third if some of them have columns:
//!
//! 1. [`query::cells`]: every cell with its properties, those that cells share said once.
//! 2. [`query::partners`]: connectivity, summed by the server to what tables need, and the partner cells of the cells shown,
//!    which [`rows::Cells`] tells.
//! 3. [`query::layers`]: synapses by column and layer.
//!
//! Each says when the dataset was edited and how much it holds, so that answers of two times, or with something left out,
//! make no record.
//!
//! Asked once a run: [`query::EDITED`]; and [`query::TYPES`], [`query::META`] if that is not what it was. A run for some pages asks
//! [`query::known`] in place of all types.
//!
//! The texts and rows of these, and the records made of them, are pure: [`query`], [`rows`], [`record`], [`dataset`]. How they are asked
//! is in `client`, `gate` and `ask`; what becomes of the answers in `listing`, `batch` and `upstream`.

pub mod answer;
mod ask;
mod batch;
mod client;
mod clients;
pub mod dataset;
mod edit;
mod gate;
mod listing;
mod look;
mod meters;
pub mod query;
pub mod record;
pub mod region;
pub mod rows;
mod upstream;
mod view;
mod whole;

pub use look::{DatasetState, dataset_state};

pub(crate) use clients::Clients;
pub(crate) use meters::Meters;
pub(crate) use upstream::NeuprintUpstream;
