//! Why a handler failed, and what the runtime shall do about it.

use std::{error::Error, fmt, fmt::Write as _, time::Duration};

use quire_proto::Digest;

use crate::StoreError;

/// Any error, boxed.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Longest text of an error chain, in bytes: it travels in settlements and dead letters.
const MAX_CHAIN_BYTES: usize = 4096;

/// What the runtime does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// May go away: tried again after a pause, a bounded number of times.
    Transient,
    /// Will not go away: the parcel is split until the record at fault stands alone.
    Permanent,
    /// An object that the parcel refers to is missing or damaged. No retry of its reader makes it again, and no
    /// record is at fault: who planned the parcel is told, and plans anew.
    InputLost(Digest),
    /// Nothing can be written: see [`is_no_room`], or the store does not let us. No record is at fault; tried again, and if that does not help, who
    /// planned the parcel is told, and stops.
    NoRoom,
    /// The upstream asks for less: tried later, not counted as an attempt.
    Overload {
        /// When to come back, where the upstream said so.
        retry_after: Option<Duration>,
    },
}

impl ErrorClass {
    /// Trouble with the disk or the server may go away; an object that is damaged or missing has to be made again. Where we
    /// are not allowed to, no record is at fault.
    #[must_use]
    pub fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Io { source, .. }
                if is_no_room(source) || source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Self::NoRoom
            }
            StoreError::Missing(object)
            | StoreError::Damaged(object)
            | StoreError::OutOfRange { pack: object, .. } => Self::InputLost(*object),
            _ if error.is_transient() => Self::Transient,
            _ => Self::Permanent,
        }
    }
}

/// Whether the disk is full, a quota used up, or the file system read-only.
#[must_use]
pub fn is_no_room(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

/// A failed handler: what it was doing, and why that failed.
#[derive(Debug)]
pub struct StageError {
    class: ErrorClass,
    doing: String,
    source: Option<BoxError>,
    panicked: bool,
}

impl StageError {
    /// An error of `class` that happened while `doing`.
    pub fn new(class: ErrorClass, doing: impl Into<String>, source: Option<BoxError>) -> Self {
        Self { class, doing: doing.into(), source, panicked: false }
    }

    /// An error that may go away.
    pub fn transient(doing: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::new(ErrorClass::Transient, doing, Some(source.into()))
    }

    /// An error that will not go away.
    pub fn permanent(doing: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::new(ErrorClass::Permanent, doing, Some(source.into()))
    }

    /// The upstream asks for less.
    pub fn overload(
        doing: impl Into<String>,
        source: impl Into<BoxError>,
        retry_after: Option<Duration>,
    ) -> Self {
        Self::new(ErrorClass::Overload { retry_after }, doing, Some(source.into()))
    }

    /// A handler that panicked; `message` is the panic's.
    pub(crate) fn panicked(message: &str) -> Self {
        let error = Self::new(ErrorClass::Permanent, format!("handler panicked: {message}"), None);
        Self { panicked: true, ..error }
    }

    /// Whether the handler panicked.
    pub(crate) const fn is_panic(&self) -> bool {
        self.panicked
    }

    /// What the runtime does about it.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.class
    }

    /// The error and its sources, outermost first, joined by `: `, cut at 4 KiB.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl Error for StageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<StoreError> for StageError {
    fn from(error: StoreError) -> Self {
        Self::new(ErrorClass::of(&error), "using the store", Some(Box::new(error)))
    }
}

/// `error` and its sources, outermost first, joined by `: `, cut at 4 KiB.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        if text.len() > MAX_CHAIN_BYTES {
            break;
        }
        // Writing to a String cannot fail.
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    if text.len() > MAX_CHAIN_BYTES {
        text.truncate(text.floor_char_boundary(MAX_CHAIN_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_every_source_once_and_is_bounded() {
        let inner =
            StageError::new(ErrorClass::Transient, "reading the body", Some("connection reset".into()));
        let outer = StageError::transient("fetching page 3", inner);
        assert_eq!(outer.chain(), "fetching page 3: reading the body: connection reset");
        assert_eq!(outer.to_string(), "fetching page 3");

        let long = StageError::permanent("é".repeat(5000), "x");
        assert!(long.chain().len() <= MAX_CHAIN_BYTES + '…'.len_utf8());
    }
}
