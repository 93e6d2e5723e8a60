//! Dead letters: to be looked through and dropped by a person.

use crate::Message;

/// A message that could not be processed, as it lies in [`crate::Queue::Dead`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number: 1 or more, greater than those of the letters before it.
    pub number: u64,
    /// What was published.
    pub message: Message,
}
