//! The edge of the renderer: how files get into the site, which is a folder ([`SiteWriter`]) or lies in a bucket
//! ([`SiteBucket`]).
//!
//! In a folder, a file is written beside the site and renamed into it, so a reader sees the old file or the new one
//! and never half of one; a crash leaves the old one. What was written is remembered as a [`Stamp`], so
//! that asking again costs one `stat`. Folders are held open: a write resolves one name, not a whole path,
//! and nothing under the site folder that is a symbolic link is followed.

mod bucket;
mod content_type;
mod files;
mod folder;
mod path;
mod stamp;
mod temporary;
mod writer;

pub use bucket::SiteBucket;
pub use files::{SiteFiles, site_of};
pub use path::{RefusedPath, check_path};
pub use stamp::{Stamp, Stamps};
pub use writer::SiteWriter;

use quire_runtime::{ErrorClass, is_no_room};

/// Why a file could not be put into the site, or taken out of it.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The file system or the server refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The path concerned, relative to the site where it lies in it.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A path that must not be written.
    #[error("refused to touch {path:?}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        source: RefusedPath,
    },
    /// Neither the given folder nor one beside the site can hold temporary files for it.
    #[error(
        "cannot write into {out}: neither {tmp} nor a folder beside the site is on its file system; \
         choose a site folder that is not itself a mount point"
    )]
    NoTemporary {
        /// The site folder.
        out: String,
        /// The folder for temporary files that was given.
        tmp: String,
        /// Why the folder beside the site does not do.
        source: std::io::Error,
    },
}

impl SiteError {
    fn io(doing: &'static str, path: impl Into<String>) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.into();
        move |errno| Self::Io { doing, path, source: errno.into() }
    }

    /// The file concerned.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Io { path, .. } | Self::Path { path, .. } => path,
            Self::NoTemporary { out, .. } => out,
        }
    }

    /// What an agent does about it. Who may not write one file of the site may write none: that ends the run with one error.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        use std::io::ErrorKind::{Interrupted, NotConnected, PermissionDenied, ResourceBusy, TimedOut};
        match self {
            Self::Io { source, .. } if is_no_room(source) || source.kind() == PermissionDenied => {
                ErrorClass::NoRoom
            }
            Self::Io { source, .. }
                if matches!(source.kind(), ResourceBusy | Interrupted | NotConnected | TimedOut) =>
            {
                ErrorClass::Transient
            }
            _ => ErrorClass::Permanent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_site_that_may_not_be_written_ends_the_run_and_a_lost_connection_does_not() {
        let class = |kind| {
            SiteError::Io { doing: "write", path: "c/a.html".to_owned(), source: Error::from(kind) }.class()
        };
        assert_eq!(class(ErrorKind::PermissionDenied), ErrorClass::NoRoom);
        assert_eq!(class(ErrorKind::StorageFull), ErrorClass::NoRoom);
        assert_eq!(class(ErrorKind::TimedOut), ErrorClass::Transient);
        assert_eq!(class(ErrorKind::NotFound), ErrorClass::Permanent);
    }
}
