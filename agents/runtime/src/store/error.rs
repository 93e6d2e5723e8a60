//! Why the store did not do what it was asked for.

use std::io;

use quire_proto::Digest;

/// Why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the server refused.
    #[error("{doing} {name}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which object.
        name: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No such blob.
    #[error("blob {0} is not in the store")]
    Missing(Digest),
    /// The bytes are not those of the digest.
    #[error("blob {0} is damaged")]
    Damaged(Digest),
    /// A slice reaches beyond the end of its pack.
    #[error("slice {offset}+{len} reaches beyond the {bytes} bytes of pack {pack}")]
    OutOfRange {
        /// The pack.
        pack: Digest,
        /// First byte asked for.
        offset: u64,
        /// Number of bytes asked for.
        len: u64,
        /// Bytes that there are.
        bytes: u64,
    },
    /// Not a name of this store.
    #[error("not a name in the store: {0:?}")]
    Name(String),
}

impl StoreError {
    /// Whether an object that should be there is missing or not what it was: it has to be made again.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Damaged(_) | Self::OutOfRange { .. })
    }

    /// Whether the same call may succeed later. A damaged or missing object has to be made again first.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    pub(super) fn io(doing: &'static str, name: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing, name: name.into(), source }
    }
}
