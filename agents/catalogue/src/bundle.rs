//! Bundles: the files that define a catalogue, as one content-addressed object.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use quire_proto::Digest;

/// First bytes of an encoded bundle; the digit is the version.
const MAGIC: &[u8] = b"quire bundle 1\n";
/// Largest encoded bundle, in bytes.
pub const MAX_BUNDLE_BYTES: usize = 64 * 1024 * 1024;
/// Most files in a bundle.
pub const MAX_BUNDLE_FILES: usize = 10_000;

/// All files of a catalogue's definition (not its data): `catalogue.yaml`, schema, templates, assets.
/// Agents find it in the store under its digest. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    files: Arc<BTreeMap<String, Bytes>>,
    digest: Digest,
}

/// Why bytes are not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The first bytes say something else.
    #[error("not a catalogue bundle, or one of another version")]
    Magic,
    /// The bytes end early, a length lies, or files are not in order.
    #[error("catalogue bundle is damaged at byte {at}")]
    Damaged {
        /// Where reading stopped.
        at: usize,
    },
    /// More than [`MAX_BUNDLE_BYTES`] or [`MAX_BUNDLE_FILES`].
    #[error("catalogue bundle is too large: {bytes} bytes, {files} files")]
    TooLarge {
        /// Bytes.
        bytes: usize,
        /// Files.
        files: usize,
    },
}

impl Bundle {
    /// A bundle of these files; paths use `/` and are relative to the catalogue's folder.
    #[must_use]
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::from_shared(files.into_iter().map(|(path, bytes)| (path, Bytes::from(bytes))).collect())
    }

    fn from_shared(files: BTreeMap<String, Bytes>) -> Self {
        let mut bundle = Self { files: Arc::new(files), digest: Digest::from_bytes([0; 32]) };
        bundle.digest = Digest::of(&bundle.encode());
        bundle
    }

    /// Content address of the bundle: the digest of its [encoded](Self::encode) bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// A file's bytes.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(AsRef::as_ref)
    }

    /// All files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_ref()))
    }

    /// The bundle as one object for the store. The same files always encode to the same bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let size: usize = self.files.iter().map(|(path, bytes)| path.len() + bytes.len() + 16).sum();
        let mut out = Vec::with_capacity(MAGIC.len() + size);
        out.extend_from_slice(MAGIC);
        for (path, bytes) in self.files.iter() {
            for part in [path.as_bytes(), bytes] {
                out.extend_from_slice(&(part.len() as u64).to_le_bytes());
                out.extend_from_slice(part);
            }
        }
        out
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// Any [`BundleError`]; never panics, never allocates more than the input justifies.
    pub fn decode(encoded: &[u8]) -> Result<Self, BundleError> {
        if encoded.len() > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLarge { bytes: encoded.len(), files: 0 });
        }
        let encoded = Bytes::copy_from_slice(encoded);
        let mut reader = PartReader { at: MAGIC.len(), encoded: &encoded };
        if !encoded.starts_with(MAGIC) {
            return Err(BundleError::Magic);
        }
        let mut files = BTreeMap::new();
        while reader.at < encoded.len() {
            let at = reader.at;
            let path = reader.part().and_then(|path| std::str::from_utf8(&path).ok().map(str::to_owned));
            let (Some(path), Some(bytes)) = (path, reader.part()) else {
                return Err(BundleError::Damaged { at });
            };
            if files.last_key_value().is_some_and(|(last, _)| *last >= path) {
                return Err(BundleError::Damaged { at });
            }
            files.insert(path, bytes);
            if files.len() > MAX_BUNDLE_FILES {
                return Err(BundleError::TooLarge { bytes: encoded.len(), files: files.len() });
            }
        }
        Ok(Self::from_shared(files))
    }
}

/// Takes length-prefixed parts off an encoded bundle.
struct PartReader<'a> {
    at: usize,
    encoded: &'a Bytes,
}

impl PartReader<'_> {
    fn part(&mut self) -> Option<Bytes> {
        let length = self.encoded.get(self.at..self.at.checked_add(8)?)?;
        let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
        let start = self.at + 8;
        let end = start.checked_add(length).filter(|&end| end <= self.encoded.len())?;
        self.at = end;
        Some(self.encoded.slice(start..end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Bundle {
        let files = [("catalogue.yaml", "catalogue: x"), ("assets/a.css", "body{}"), ("empty", "")];
        Bundle::new(files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).into())
    }

    #[test]
    fn a_bundle_reads_back_from_its_bytes() {
        let decoded = Bundle::decode(&sample().encode()).unwrap();
        assert_eq!(decoded, sample());
        assert_eq!(decoded.digest(), Digest::of(&sample().encode()));
        assert_eq!(decoded.file("assets/a.css"), Some(&b"body{}"[..]));
    }

    #[test]
    fn moving_a_byte_from_one_file_to_the_next_changes_the_digest() {
        let a = Bundle::new([("a".into(), b"xy".to_vec()), ("b".into(), b"z".to_vec())].into());
        let b = Bundle::new([("a".into(), b"x".to_vec()), ("b".into(), b"yz".to_vec())].into());
        assert_ne!(a.digest(), b.digest());
    }

    #[test]
    fn a_truncated_bundle_is_refused() {
        let encoded = sample().encode();
        let whole: Vec<usize> =
            (MAGIC.len()..encoded.len()).filter(|&len| Bundle::decode(&encoded[..len]).is_ok()).collect();
        // A cut between two files leaves a smaller bundle, of another digest; every other cut is an error.
        assert!(
            whole.iter().all(|&len| Bundle::decode(&encoded[..len]).unwrap().digest() != sample().digest())
        );
        assert!(whole.len() <= 3);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Bundle::decode(&bytes);
            let mut framed = MAGIC.to_vec();
            framed.extend(bytes);
            let _ = Bundle::decode(&framed);
        }
    }
}
