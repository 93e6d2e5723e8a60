//! All agents together: who is there, what waits in which lane, and lanes paused everywhere.

mod lanes;
mod roll;
mod serve;

pub(super) use serve::Fleet;
