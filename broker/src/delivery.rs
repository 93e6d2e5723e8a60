//! Deliveries: messages on lease, with a safe default.

use std::{fmt, sync::Arc, time::Duration};

use crate::{Message, Queue};

/// What a holder says of its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Done: forget the message.
    Ack,
    /// Not now: hand it out again after the delay.
    Nak(Duration),
    /// Not now and not its fault: hand it out again after the delay, and do not count this delivery as an attempt.
    Postpone(Duration),
    /// Never: forget the message.
    Term,
    /// Still at it: the lease begins anew.
    Progress,
    /// Begun: this delivery counts as an attempt; the lease begins anew.
    Start,
    /// Dropped: hand it out again at once.
    Forgotten,
}

/// Names one delivery within a backend; what the numbers mean is the backend's own business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u64, pub(crate) u64);

/// Takes the word of holders. Never blocks, never fails: a word that is lost means that the message comes again.
pub(crate) trait Settle: Send + Sync {
    fn tell(&self, token: Token, word: Word);
}

/// A message as received, on lease until it is settled. Dropped unsettled, it is handed out again at once;
/// neither settled nor in progress for the ack wait, likewise.
///
/// The calls return at once and from any thread. A call after the lease has run out has no effect, or settles the
/// message if no one else has it yet.
#[must_use = "a delivery that is dropped is delivered again"]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Where it was pulled from.
    pub queue: Queue,
    /// Which attempt this is if it is started: 1 at first. Deliveries that were never started do not count.
    pub attempt: u32,
    token: Token,
    settle: Arc<dyn Settle>,
    settled: bool,
}

impl Delivery {
    pub(crate) const fn new(
        message: Message,
        queue: Queue,
        attempt: u32,
        token: Token,
        settle: Arc<dyn Settle>,
    ) -> Self {
        Self { message, queue, attempt, token, settle, settled: false }
    }

    /// Done: the message is forgotten.
    pub fn ack(mut self) {
        self.last(Word::Ack);
    }

    /// Not now: the message is handed out again after `delay`. It does not block its queue meanwhile.
    pub fn nak(mut self, delay: Duration) {
        self.last(Word::Nak(delay));
    }

    /// Not now, for reasons that are not the message's: it is handed out again after `delay`, and this delivery was no
    /// attempt even if it was started.
    pub fn postpone(mut self, delay: Duration) {
        self.last(Word::Postpone(delay));
    }

    /// Never: the message is forgotten without being done.
    pub fn term(mut self) {
        self.last(Word::Term);
    }

    /// Still at it: the lease begins anew.
    pub fn progress(&self) {
        self.settle.tell(self.token, Word::Progress);
    }

    /// Begun: from here on this delivery counts as an attempt. The lease begins anew. Repeats have no effect on the count.
    pub fn start(&self) {
        self.settle.tell(self.token, Word::Start);
    }

    fn last(&mut self, word: Word) {
        self.settled = true;
        self.settle.tell(self.token, word);
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.settled {
            self.settle.tell(self.token, Word::Forgotten);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("queue", &self.queue)
            .field("id", &self.message.id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
