//! Who takes the files of a site that belong to no single record.

use quire_proto::Digest;

use crate::BoxError;

/// Takes files. A closure that takes a path and bytes is one that keeps nothing.
pub trait FileSink {
    /// Takes a file: its path in the site, with `/`, and its bytes.
    ///
    /// # Errors
    /// When it cannot take it.
    fn add(&mut self, path: String, bytes: Vec<u8>) -> Result<(), BoxError>;

    /// Keeps the file that is at `path` already if it was made from the same `inputs` by the same templates; whether it
    /// does. If it does not, the file is to be made and added.
    ///
    /// # Errors
    /// When it cannot take anything more.
    fn keep(&mut self, path: &str, inputs: Digest) -> Result<bool, BoxError>;
}

impl<F: FnMut(String, Vec<u8>) -> Result<(), BoxError>> FileSink for F {
    fn add(&mut self, path: String, bytes: Vec<u8>) -> Result<(), BoxError> {
        self(path, bytes)
    }

    fn keep(&mut self, _path: &str, _inputs: Digest) -> Result<bool, BoxError> {
        Ok(false)
    }
}
