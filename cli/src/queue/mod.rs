//! Doing the jobs of a queue: batches of them as runs of keys, those that someone waits for beside the others.

mod batch;
mod drain;
mod hold;
mod judge;
mod teller;

pub(crate) use drain::{Drain, Options};
pub(crate) use teller::{Counts, Told};
