//! Messages in and out: lanes with acknowledgements, key-value buckets and leases.
//!
//! [`Broker`] is a handle that is cheap to clone and hides its backend: this process ([`Broker::in_process`]) or NATS
//! JetStream ([`Broker::jet_stream`]). What every backend must do is written down, and tested, in [`contract`].
//!
//! - A *queue* ([`Queue`]) is a lane of a stage, the settlements, or the dead letters. It keeps its order.
//! - A *delivery* ([`Delivery`]) is a message on lease: settled by `ack`, `nak` or `term`; forgotten, it comes again.
//! - A *bucket* ([`Kv`]) is small shared state with compare-and-set; a [`Lease`] is a key in one.
//!
//! Deliberately absent: exactly-once delivery. A message may come twice, never not at all.

mod backend;
mod broker;
pub mod contract;
mod dead;
mod delivery;
mod error;
mod jetstream;
mod kv;
mod lease;
mod memory;
mod message;
mod options;
mod queue;

pub use broker::Broker;
pub use dead::DeadLetter;
pub use delivery::Delivery;
pub use error::{AdminError, ConnectError, KvError, LeaseError, PublishError, PullError, Readiness};
pub use jetstream::{Applied, JetStreamOptions, Layout, TlsOptions, apply};
pub use kv::{Bucket, Change, Entry, Kv, Revision, Watch};
pub use lease::{KeptLease, Lease};
pub use message::{Message, Published, PublishedAll};
pub use options::{InProcessOptions, PublishOptions};
pub use queue::{Queue, QueueFault, QueueInfo};
