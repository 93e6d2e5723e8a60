//! Dead letters: to be looked through, replayed or dropped by a person.

use quire_proto::Digest;

use crate::Message;

/// A message that could not be processed, as it lies in [`crate::Queue::Dead`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number: 1 or more, greater than those of the letters before it.
    pub number: u64,
    /// What was published.
    pub message: Message,
}

impl DeadLetter {
    /// The id under which the letter is replayed: not that of any message before, or it would be taken for a repeat;
    /// the same whenever this letter is replayed, so that a replay that was cut short can be repeated.
    pub(crate) fn fresh_id(&self) -> Digest {
        let mut bytes = b"quire.v1.replay".to_vec();
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(self.message.id.as_bytes());
        Digest::of(&bytes)
    }
}
