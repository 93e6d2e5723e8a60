//! What is to be said to the server: words at once and in order, and what has to be written down before its word.
//!
//! A word is worth saying only while the lease lasts that it is about: the server does not look whose lease it is, so a
//! late one would end or extend that of the next holder. Only "done" and "never" are true for ever.

use std::collections::VecDeque;

use async_nats::Subject;
use tokio::time::Instant;

/// Words that wait, beyond which those that are worth nothing any more are looked for.
const MANY: usize = 1_024;

/// A word for the server, where the message came from.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) reply: Subject,
    pub(super) word: Vec<u8>,
    /// When the lease ends that it is about.
    pub(super) until: Instant,
    /// Whether it is true even then.
    pub(super) lasting: bool,
}

/// How many attempts there were, to be written down where the server's count does not tell; then a word.
#[derive(Debug)]
pub(super) struct Chore {
    pub(super) sequence: u64,
    pub(super) delivered: u64,
    pub(super) attempts: u32,
    pub(super) until: Instant,
    pub(super) then: Option<Errand>,
}

/// What waits to be said.
#[derive(Default)]
pub(super) struct Errands {
    words: VecDeque<Errand>,
    chores: VecDeque<Chore>,
    /// How long those matter that are being run.
    running: Option<Instant>,
    working: Option<Instant>,
}

impl Errand {
    /// Whether it should be said at all.
    pub(super) fn holds(&self, now: Instant) -> bool {
        self.lasting || self.until > now
    }
}

impl Errands {
    pub(super) fn say(&mut self, errand: Errand) {
        if self.words.len() >= MANY {
            let now = Instant::now();
            self.words.retain(|errand| errand.holds(now));
        }
        self.words.push_back(errand);
    }

    pub(super) fn write_down(&mut self, chore: Chore) {
        if self.chores.len() >= MANY {
            let now = Instant::now();
            self.chores.retain(|chore| chore.until > now);
        }
        self.chores.push_back(chore);
    }

    /// The next word to say.
    pub(super) fn next(&mut self) -> Option<Errand> {
        let now = Instant::now();
        self.running = None;
        while let Some(errand) = self.words.pop_front() {
            if errand.holds(now) {
                self.running = Some(errand.until);
                return Some(errand);
            }
        }
        None
    }

    /// A word that could not be said comes first again.
    pub(super) fn put_back(&mut self, errand: Errand) {
        self.running = None;
        self.words.push_front(errand);
    }

    /// All there is to write down.
    pub(super) fn chores(&mut self) -> Vec<Chore> {
        let now = Instant::now();
        let chores: Vec<Chore> =
            std::mem::take(&mut self.chores).into_iter().filter(|chore| chore.until > now).collect();
        self.working = chores.iter().map(|chore| chore.until).max();
        chores
    }

    pub(super) fn end_chores(&mut self) {
        self.working = None;
    }

    /// Whether anything is still to be said that makes a difference: once its lease is over, the message comes again.
    pub(super) fn matter(&self, now: Instant) -> bool {
        let late = |until: Option<Instant>| until.is_some_and(|until| until > now);
        late(self.running)
            || late(self.working)
            || self.words.iter().any(|errand| errand.until > now)
            || self.chores.iter().any(|chore| chore.until > now)
    }
}
