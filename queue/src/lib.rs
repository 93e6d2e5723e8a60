//! A folder of queue files as work: one small YAML file a job, which names a record by its key.
//!
//! The format is that of another tool, and both may use one folder at once. A job waits as `NAME.yaml`, is claimed by
//! renaming it to `NAME.lock`, and is done when that is gone. What is ours beside it lies in `.quire/` (who has claimed
//! what) and `dead/` (what cannot be done, with the reason).
//!
//! What is not here: what it means to do a job. Nothing here waits, and nothing is done in the background but telling
//! that a claim still stands.

mod claim;
mod dead;
mod error;
mod files;
mod folder;
mod job;
mod list;
mod name;
mod owner;
mod pick;
mod recover;
mod scan;
mod time;

pub use claim::{Claimed, Claims};
pub use dead::{Dead, Retried};
pub use error::QueueError;
pub use folder::{Added, QueueFolder};
pub use job::{Job, MAX_JOB_BYTES, Odd};
pub use list::{Listed, UnderWay};
pub use name::file_name;
pub use pick::{Pick, pick};
pub use recover::{ORPHAN_AFTER, Recovered};
pub use scan::{OddFile, Scan, Waiting};
pub use time::{iso, unix_now};
