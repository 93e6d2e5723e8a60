//! Real servers and programs for tests: each on ports and folders of its own, and gone when its test is.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stdout, reason = "only tests use it")]

mod leash;
mod nats;
mod neuprint;
mod packages;
mod s3;
mod wire;

pub use leash::{Leashed, Signal};
pub use nats::{Nats, NatsOptions};
pub use neuprint::{Neuprint, NeuprintOptions};
pub use s3::S3;
pub use wire::{Heard, Wire};
