//! How a value lies on disk: a head with stamp, length and checksum, and the bytes in pieces.
//!
//! The store underneath keeps small values well and large ones badly, so a value is cut into pieces of
//! [`PIECE_BYTES`]. A stored key is the caller's key and the number of the piece; piece 0 starts with the head.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{MAX_KEY_BYTES, MAX_VALUE_BYTES};

/// Bytes of a value in one stored piece.
pub(crate) const PIECE_BYTES: usize = 8 * 1024;
const HEAD_BYTES: usize = 28;
const MAGIC: [u8; 4] = *b"QC1\n";
/// Stands in place of piece 0 where a value was removed that an older generation may still have.
pub(crate) const TOMBSTONE: &[u8] = b"QC1-";

/// What stands before the bytes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Milliseconds since 1970 at which the value was put.
    pub(crate) stamp: u64,
    /// Bytes of the value.
    pub(crate) len: usize,
    checksum: [u8; 12],
}

impl Head {
    /// Reads the head of piece 0 and the first bytes after it.
    pub(crate) fn read(piece: &[u8]) -> Option<(Self, &[u8])> {
        let (magic, rest) = piece.split_first_chunk::<4>()?;
        let (stamp, rest) = rest.split_first_chunk::<8>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<12>()?;
        let len = u32::from_be_bytes(*len) as usize;
        if *magic != MAGIC || len > MAX_VALUE_BYTES {
            return None;
        }
        Some((Self { stamp: u64::from_be_bytes(*stamp), len, checksum: *checksum }, rest))
    }

    /// Number of pieces of the value.
    pub(crate) fn pieces(&self) -> u16 {
        pieces_of(self.len)
    }

    /// Whether `bytes` are what was put under `key` in the cache `name`.
    pub(crate) fn fits(&self, name: &str, key: &[u8], bytes: &[u8]) -> bool {
        bytes.len() == self.len && checksum(name, key, self.stamp, bytes) == self.checksum
    }
}

/// A value cut up for the store: its pieces in order, piece 0 with the head.
pub(crate) fn cut(name: &str, key: &[u8], stamp: u64, value: &[u8]) -> Option<Vec<Vec<u8>>> {
    if key.len() > MAX_KEY_BYTES || value.len() > MAX_VALUE_BYTES {
        return None;
    }
    let (first, rest) = value.split_at(value.len().min(PIECE_BYTES));
    let mut head = Vec::with_capacity(HEAD_BYTES + first.len());
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&stamp.to_be_bytes());
    head.extend_from_slice(&u32::try_from(value.len()).ok()?.to_be_bytes());
    head.extend_from_slice(&checksum(name, key, stamp, value));
    head.extend_from_slice(first);
    let mut pieces = vec![head];
    pieces.extend(rest.chunks(PIECE_BYTES).map(<[u8]>::to_vec));
    Some(pieces)
}

/// A value in one piece with its head, for a level that keeps whole values.
pub(crate) fn seal(name: &str, key: &[u8], stamp: u64, value: &[u8]) -> Option<Vec<u8>> {
    Some(cut(name, key, stamp, value)?.concat())
}

/// Stamp and bytes of what [`seal`] made; `None` if it is damaged or another key's.
pub(crate) fn open<'v>(name: &str, key: &[u8], sealed: &'v [u8]) -> Option<(u64, &'v [u8])> {
    let (head, bytes) = Head::read(sealed)?;
    head.fits(name, key, bytes).then_some((head.stamp, bytes))
}

/// The stored key of one piece.
pub(crate) fn stored_key(key: &[u8], piece: u16) -> Vec<u8> {
    let mut stored = Vec::with_capacity(key.len() + 2);
    stored.extend_from_slice(key);
    stored.extend_from_slice(&piece.to_be_bytes());
    stored
}

/// The caller's key and the number of the piece.
pub(crate) fn parse_key(stored: &[u8]) -> Option<(&[u8], u16)> {
    let (key, piece) = stored.split_last_chunk::<2>()?;
    Some((key, u16::from_be_bytes(*piece)))
}

/// The time now as a stamp.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn pieces_of(len: usize) -> u16 {
    u16::try_from(len.div_ceil(PIECE_BYTES).max(1)).unwrap_or(u16::MAX)
}

/// The first 12 bytes of a BLAKE3 digest over everything that must agree.
fn checksum(name: &str, key: &[u8], stamp: u64, value: &[u8]) -> [u8; 12] {
    let mut hasher = blake3::Hasher::new();
    for part in [name.as_bytes(), key, &stamp.to_be_bytes(), value] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut short = [0; 12];
    hasher.finalize_xof().fill(&mut short);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glue(pieces: &[Vec<u8>]) -> (Head, Vec<u8>) {
        let (head, first) = Head::read(&pieces[0]).unwrap();
        let mut bytes = first.to_vec();
        pieces[1..].iter().for_each(|piece| bytes.extend_from_slice(piece));
        (head, bytes)
    }

    #[test]
    fn a_value_of_any_length_survives_being_cut() {
        for len in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES + 17] {
            let value: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let pieces = cut("memo", b"key", 7, &value).unwrap();
            let (head, glued) = glue(&pieces);
            assert_eq!(usize::from(head.pieces()), pieces.len(), "{len}");
            assert_eq!(glued, value);
            assert!(head.fits("memo", b"key", &glued));
            assert!(!head.fits("memo", b"kez", &glued));
            assert!(!head.fits("other", b"key", &glued));
        }
    }

    #[test]
    fn every_flipped_bit_of_a_value_is_noticed() {
        let pieces = cut("memo", b"key", 7, b"some value").unwrap();
        for bit in 0..pieces[0].len() * 8 {
            let mut damaged = pieces.clone();
            damaged[0][bit / 8] ^= 1 << (bit % 8);
            let fits = Head::read(&damaged[0]).is_some_and(|(head, bytes)| head.fits("memo", b"key", bytes));
            assert!(!fits, "bit {bit}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert!(cut("memo", &[0; MAX_KEY_BYTES + 1], 0, b"").is_none());
        assert!(cut("memo", b"", 0, &vec![0; MAX_VALUE_BYTES + 1]).is_none());
    }
}
