//! Stamps: what the writer remembers of each file that it wrote or read.

use std::collections::{BTreeMap, HashMap};

use quire_proto::Digest;
use rustix::fs::Stat;

/// How a file looked from outside when its digest was known.
///
/// The writer sets the modification time of what it writes to a whole second in the past. Whoever changes
/// the file later, even within the same tick of the clock, leaves another modification time (and another
/// change time, or another inode), so an equal stamp needs no waiting period before it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Change time, nanoseconds since 1970.
    pub ctime_ns: i64,
    /// Number of the inode.
    pub inode: u64,
    /// BLAKE3 of the bytes.
    pub digest: Digest,
}

const SECOND: i64 = 1_000_000_000;

#[allow(
    clippy::unnecessary_cast,
    clippy::cast_possible_wrap,
    reason = "the fields' types differ by platform"
)]
const fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(SECOND).saturating_add(rest)
}

impl Stamp {
    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap,
        reason = "the fields' types differ by platform"
    )]
    pub(super) const fn new(stat: &Stat, digest: Digest) -> Self {
        Self {
            size: stat.st_size as u64,
            mtime_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            ctime_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            inode: stat.st_ino as u64,
            digest,
        }
    }

    /// Whether the file still looks the same and the file system tells times finely enough to say so.
    pub(super) fn matches(&self, stat: &Stat) -> bool {
        self.ctime_ns % SECOND != 0 && *self == Self::new(stat, self.digest)
    }
}

/// The stamps of a site by path.
#[derive(Debug, Default, Clone)]
pub struct Stamps(HashMap<Box<str>, Stamp>);

/// First bytes of the file; the number is its version.
const MAGIC: &[u8; 16] = b"quire stamps  1\n";
const FIXED: usize = 2 + 4 * 8 + 32;
const CHECK: usize = 32;

impl Stamps {
    /// The stamp of a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Stamp> {
        self.0.get(path)
    }

    /// Sets the stamp of a path.
    pub fn set(&mut self, path: &str, stamp: Stamp) {
        match self.0.get_mut(path) {
            Some(slot) => *slot = stamp,
            None => {
                self.0.insert(path.into(), stamp);
            }
        }
    }

    /// Forgets a path.
    pub fn remove(&mut self, path: &str) {
        self.0.remove(path);
    }

    /// How many paths are stamped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One compact file, sorted by path, with a checksum at its end.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let sorted: BTreeMap<&str, &Stamp> = self.0.iter().map(|(path, stamp)| (&**path, stamp)).collect();
        let mut bytes = Vec::with_capacity(MAGIC.len() + CHECK + sorted.len() * (FIXED + 48));
        bytes.extend_from_slice(MAGIC);
        for (path, stamp) in sorted {
            let Ok(len) = u16::try_from(path.len()) else { continue };
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(path.as_bytes());
            bytes.extend_from_slice(&stamp.size.to_le_bytes());
            bytes.extend_from_slice(&stamp.mtime_ns.to_le_bytes());
            bytes.extend_from_slice(&stamp.ctime_ns.to_le_bytes());
            bytes.extend_from_slice(&stamp.inode.to_le_bytes());
            bytes.extend_from_slice(stamp.digest.as_bytes());
        }
        let check = Digest::of(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    /// Reads [`Self::encode`]'s bytes; `None` if they are damaged or of another version. Stamps are
    /// disposable: without them files are read and hashed instead.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK)?)?;
        if Digest::of(body).as_bytes() != check {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        let mut stamps = HashMap::with_capacity(rest.len() / (FIXED + 32));
        while !rest.is_empty() {
            let len = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let (path, tail) = rest.split_at_checked(len)?;
            rest = tail;
            let stamp = Stamp {
                size: u64::from_le_bytes(take(&mut rest)?),
                mtime_ns: i64::from_le_bytes(take(&mut rest)?),
                ctime_ns: i64::from_le_bytes(take(&mut rest)?),
                inode: u64::from_le_bytes(take(&mut rest)?),
                digest: Digest::from_bytes(take(&mut rest)?),
            };
            stamps.insert(std::str::from_utf8(path).ok()?.into(), stamp);
        }
        Some(Self(stamps))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk::<N>()?;
    *bytes = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Stamps {
        let mut stamps = Stamps::default();
        for path in ["b/c.html", "a.html", "é.json"] {
            let digest = Digest::of(path.as_bytes());
            stamps.set(path, Stamp { size: 7, mtime_ns: -1, ctime_ns: 9, inode: u64::MAX, digest });
        }
        stamps
    }

    #[test]
    fn stamps_read_back_and_have_one_form() {
        let bytes = some().encode();
        let read = Stamps::decode(&bytes).unwrap();
        assert_eq!(read.0, some().0);
        assert_eq!(read.encode(), bytes);
    }

    #[test]
    fn damaged_stamps_are_nothing_rather_than_wrong() {
        let bytes = some().encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Stamps::decode(&damaged).is_none(), "byte {at}");
            assert!(Stamps::decode(&bytes[..at]).is_none(), "cut at {at}");
        }
    }
}
