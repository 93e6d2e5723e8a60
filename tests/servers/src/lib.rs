//! Real servers and programs for tests: each on ports and folders of its own, and gone when its test is.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "only tests use it")]

mod leash;
mod nats;
mod wire;

pub use leash::{Leashed, Signal};
pub use nats::{Nats, NatsOptions};
pub use wire::{Heard, Wire};
