//! What the system tests share: the real `quire` program, folders to run it in, and the real data where present.
//!
//! A test that needs something it cannot find says `skipped: …`; where the tools are promised
//! (`QUIRE_TEST_TOOLS=promised`, set by `cargo xtask test`) that is a failure instead.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "this crate is tests"
)]

mod birds;
pub mod chaos;
mod cluster;
mod data;
mod multiply;
mod neurons;
mod program;
mod random;
mod served;
mod site;

pub use birds::birds;
pub use cluster::{Agent, COORDINATOR, Cluster, ClusterOptions, Net, RunState, STAGES};
pub use data::{RealFindings, repository, tools_promised};
pub use multiply::{Synonyms, multiply};
pub use neurons::{columnar_types, neuron_types};
pub use program::{Build, Ended, Quire, Watched, cpu_of_children, watch};
pub use random::Random;
pub use served::{Served, wait_until};
pub use site::{copy_tree, manifest_files, tree};
