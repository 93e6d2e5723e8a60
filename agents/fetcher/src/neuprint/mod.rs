//! What the upstream `neuprint` asks and reads. Pure: texts out, rows in.
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
//! Asked once a run: [`query::EDITED`], [`query::TYPES`], [`query::META`].

pub mod answer;
pub mod query;
pub mod record;
pub mod region;
pub mod rows;
mod view;
