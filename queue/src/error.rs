//! Why the queue's folder cannot be used.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A file or folder of the queue cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct QueueError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl QueueError {
    /// For `map_err`: what was being done to `path`.
    pub(crate) fn of<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self { doing, path: path.to_path_buf(), source }
    }
}
