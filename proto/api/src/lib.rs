//! The gRPC services of agents and coordinator, generated from `proto/quire/**.proto`: clients and servers.
//!
//! Messages between agents are not here: those are MessagePack, in `quire-proto`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated code has its own style; the .proto files say what is what"
)]

/// Runs, served by the coordinator.
pub mod run {
    tonic::include_proto!("quire.run.v1");
}

/// The control planes of every agent and of all of them together.
pub mod control {
    tonic::include_proto!("quire.control.v1");
}

/// Searches, served by every indexer.
pub mod search {
    tonic::include_proto!("quire.search.v1");
}

/// Pages, served by every renderer.
pub mod page {
    tonic::include_proto!("quire.page.v1");
}

/// Descriptors of all services, as reflection serves them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
