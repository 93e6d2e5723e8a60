//! The coordinator as a process: one of several leads, and serves `RunService`.

mod dead;
mod explain;
mod fleet;
mod kept;
mod lead;
mod observe;
mod runs;
mod table;
mod work;

#[cfg(test)]
mod tests;

pub use lead::CoordinatorRole;
