//! The coordinator as a process: one of several leads, and serves `RunService`.

mod dead;
mod explain;
mod fleet;
mod lead;
mod observe;
mod runs;
mod table;

pub use lead::CoordinatorRole;
