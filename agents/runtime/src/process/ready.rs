//! Whether the process takes work, and why not.

use tokio::sync::watch;

/// Whether a process takes work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It does.
    Yes,
    /// It does not.
    No {
        /// Why, in a few words.
        reason: String,
    },
}

impl Ready {
    /// Not for this reason.
    #[must_use]
    pub fn no(reason: impl Into<String>) -> Self {
        Self::No { reason: reason.into() }
    }

    /// Whether it does.
    #[must_use]
    pub const fn is_yes(&self) -> bool {
        matches!(self, Self::Yes)
    }

    /// Why it does not; empty if it does.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Yes => "",
            Self::No { reason } => reason,
        }
    }
}

/// What readiness is made of: a process takes work if both say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// What the process says: it has begun, its broker can be reached, it does not stop.
    process: Ready,
    /// What the role says.
    role: Ready,
}

impl Parts {
    pub(super) fn both(&self) -> Ready {
        if self.process.is_yes() { self.role.clone() } else { self.process.clone() }
    }
}

/// Says whether the process takes work; everybody who watches hears of changes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadySwitch(watch::Sender<Parts>);

impl ReadySwitch {
    pub(super) fn new(reason: &str) -> Self {
        Self(watch::Sender::new(Parts { process: Ready::no(reason), role: Ready::Yes }))
    }

    /// Says whether the role takes work. A role that says nothing does.
    pub fn set_role(&self, ready: Ready) {
        self.change(|parts| &mut parts.role, ready);
    }

    pub(super) fn set_process(&self, ready: Ready) {
        self.change(|parts| &mut parts.process, ready);
    }

    fn change(&self, part: impl FnOnce(&mut Parts) -> &mut Ready, ready: Ready) {
        self.0.send_if_modified(|parts| {
            let known = part(parts);
            let changed = *known != ready;
            *known = ready;
            changed
        });
    }

    /// Whether the process takes work now.
    #[must_use]
    pub fn get(&self) -> Ready {
        self.0.borrow().both()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Parts> {
        self.0.subscribe()
    }
}
