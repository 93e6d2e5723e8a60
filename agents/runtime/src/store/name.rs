//! Names of objects: the same rules for all backends.

use quire_proto::Digest;

use super::StoreError;

/// The folder of blobs.
pub(super) const BLOBS: &str = "blobs";
/// The folder of files on their way.
pub(super) const TMP: &str = "tmp";
/// Longest name of an object, and of one part of it.
const MAX_NAME: usize = 1024;
const MAX_PART: usize = 200;

/// Refuses what is no name of an object.
pub(super) fn check(name: &str) -> Result<&str, StoreError> {
    if is_object_name(name) { Ok(name) } else { Err(StoreError::Name(name.to_owned())) }
}

/// Where a blob lies: `blobs/<xx>/<blake3>`.
pub(super) fn of_blob(digest: &Digest) -> String {
    let hex = digest.to_hex();
    format!("{BLOBS}/{}/{hex}", hex.get(..2).unwrap_or_default())
}

/// Parts of letters, digits, `-`, `_` and inner dots, joined by `/`; not under the store's own folders.
/// So a name can neither leave the folder nor mean two things on two file systems.
fn is_object_name(name: &str) -> bool {
    let first = name.split('/').next().unwrap_or_default();
    name.len() <= MAX_NAME
        && name.split('/').all(is_part)
        && !first.eq_ignore_ascii_case(BLOBS)
        && !first.eq_ignore_ascii_case(TMP)
}

/// One part of a name.
pub(super) fn is_part(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= MAX_PART
        && !part.starts_with('.')
        && !part.ends_with('.')
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
