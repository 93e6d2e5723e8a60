//! Reads a whole location, decompressed if its name says so, within limits.
//!
//! Both the size and the ratio are watched while reading, so that a bomb costs no more memory than its
//! first megabytes. Only one layer is taken off: what is inside is the item, whatever it looks like.

use std::{
    cell::Cell,
    io::{self, BufReader, Read},
    rc::Rc,
};

use flate2::bufread::MultiGzDecoder;

/// Output up to this size may have any ratio: small files of blanks are common.
const FREE_BYTES: u64 = 1024 * 1024;
/// Past [`FREE_BYTES`], output bytes a compressed byte.
const MAX_RATIO: u64 = 100;
/// Largest window of a Zstandard frame (2^25 = 32 MiB): what one reader may take in memory.
const MAX_WINDOW_LOG: u32 = 25;
const CHUNK_BYTES: usize = 64 * 1024;

/// How a location is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// By the ending of the name.
    pub(crate) fn of(location: &str) -> Self {
        match location.rsplit_once('.') {
            Some((_, "gz")) => Self::Gzip,
            Some((_, "zst")) => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// Why a location could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InflateError {
    /// The upstream's fault.
    #[error(transparent)]
    Io(io::Error),
    /// More bytes than allowed.
    #[error("more than {limit} bytes")]
    TooLarge { limit: u64 },
    /// Expands beyond reason.
    #[error("expands to more than {MAX_RATIO} times its compressed size: a decompression bomb")]
    Bomb,
    /// Not what the ending of the name says.
    #[error("cannot be decompressed: {0}")]
    Corrupt(String),
}

/// Reads everything, at most `limit` bytes.
pub(crate) fn read_all(source: impl Read, packing: Packing, limit: u64) -> Result<Vec<u8>, InflateError> {
    let meter = Rc::new(Meter::default());
    let metered = Metered { inner: source, meter: Rc::clone(&meter) };
    match packing {
        Packing::Plain => pump(metered, &meter, limit, false),
        Packing::Gzip => pump(MultiGzDecoder::new(BufReader::new(metered)), &meter, limit, true),
        Packing::Zstd => {
            let mut decoder = zstd::Decoder::new(metered).map_err(InflateError::Io)?;
            decoder.window_log_max(MAX_WINDOW_LOG).map_err(InflateError::Io)?;
            pump(decoder, &meter, limit, true)
        }
    }
}

fn pump(mut from: impl Read, meter: &Meter, limit: u64, packed: bool) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok(out),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The decoder passes on what its own reader told it; only the meter knows which it was.
            Err(error) if !packed || meter.failed.get() => return Err(InflateError::Io(error)),
            Err(error) => return Err(InflateError::Corrupt(error.to_string())),
        };
        out.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let total = out.len() as u64;
        if total > limit {
            return Err(InflateError::TooLarge { limit });
        }
        if packed && total > FREE_BYTES && total > meter.bytes.get().saturating_mul(MAX_RATIO) {
            return Err(InflateError::Bomb);
        }
    }
}

/// What went through a [`Metered`] reader.
#[derive(Debug, Default)]
struct Meter {
    bytes: Cell<u64>,
    failed: Cell<bool>,
}

struct Metered<R> {
    inner: R,
    meter: Rc<Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(read) => {
                self.meter.bytes.set(self.meter.bytes.get() + read as u64);
                Ok(read)
            }
            Err(error) => {
                self.meter.failed.set(error.kind() != io::ErrorKind::Interrupted);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const LIMIT: u64 = 64 * 1024 * 1024;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// `blocks` MiB of zeros, compressed without ever being held.
    fn gzip_zeros(blocks: usize) -> Vec<u8> {
        let block = vec![0; 1024 * 1024];
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        for _ in 0..blocks {
            encoder.write_all(&block).unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn the_ending_of_the_name_says_how_it_is_packed() {
        assert_eq!(Packing::of("a/b.json"), Packing::Plain);
        assert_eq!(Packing::of("a/b.json.gz"), Packing::Gzip);
        assert_eq!(Packing::of("a.gz/b.jsonl.zst"), Packing::Zstd);
    }

    #[test]
    fn plain_gzip_and_zstandard_give_the_same_bytes() {
        let text = "{\"a\": 1}\n".repeat(1000);
        let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
        assert_eq!(read_all(text.as_bytes(), Packing::Plain, LIMIT).unwrap(), text.as_bytes());
        assert_eq!(read_all(&gzip(text.as_bytes())[..], Packing::Gzip, LIMIT).unwrap(), text.as_bytes());
        assert_eq!(read_all(&zstd[..], Packing::Zstd, LIMIT).unwrap(), text.as_bytes());
    }

    #[test]
    fn members_and_frames_in_a_row_are_all_read() {
        let twice = [gzip(b"one\n"), gzip(b"two\n")].concat();
        assert_eq!(read_all(&twice[..], Packing::Gzip, LIMIT).unwrap(), b"one\ntwo\n");
        let twice =
            [zstd::encode_all(&b"one\n"[..], 0).unwrap(), zstd::encode_all(&b"two\n"[..], 0).unwrap()];
        assert_eq!(read_all(&twice.concat()[..], Packing::Zstd, LIMIT).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn only_one_layer_is_taken_off() {
        let inner = gzip(b"{}");
        assert_eq!(read_all(&gzip(&inner)[..], Packing::Gzip, LIMIT).unwrap(), inner);
    }

    #[test]
    fn a_bomb_is_refused_after_its_first_megabytes() {
        let bomb = gzip_zeros(64);
        assert!(matches!(read_all(&bomb[..], Packing::Gzip, u64::MAX), Err(InflateError::Bomb)));
        let bomb = zstd::encode_all(io::repeat(0).take(64 * 1024 * 1024), 3).unwrap();
        assert!(matches!(read_all(&bomb[..], Packing::Zstd, u64::MAX), Err(InflateError::Bomb)));
    }

    #[test]
    fn a_small_file_may_have_any_ratio() {
        let blank = gzip(&vec![b' '; 1024 * 1024]);
        assert_eq!(read_all(&blank[..], Packing::Gzip, LIMIT).unwrap().len(), 1024 * 1024);
    }

    #[test]
    fn the_limit_holds_for_what_comes_out() {
        let text = vec![b'x'; 5000];
        for (bytes, packing) in [(text.clone(), Packing::Plain), (gzip(&text), Packing::Gzip)] {
            assert_eq!(read_all(&bytes[..], packing, 5000).unwrap().len(), 5000);
            assert!(matches!(
                read_all(&bytes[..], packing, 4999),
                Err(InflateError::TooLarge { limit: 4999 })
            ));
        }
    }

    #[test]
    fn damaged_or_cut_off_archives_are_corrupt_not_failed() {
        let whole = gzip(b"some text that is long enough to be cut");
        for bytes in [&whole[..whole.len() - 9], b"not gzip at all", b""] {
            assert!(matches!(read_all(bytes, Packing::Gzip, LIMIT), Err(InflateError::Corrupt(_))));
        }
        let whole = zstd::encode_all(&b"some text"[..], 0).unwrap();
        for bytes in [&whole[..whole.len() - 3], b"not zstandard"] {
            assert!(matches!(read_all(bytes, Packing::Zstd, LIMIT), Err(InflateError::Corrupt(_))));
        }
    }

    #[test]
    fn an_error_of_the_disk_is_not_the_archives_fault() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk on fire"))
            }
        }
        for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
            let head =
                if packing == Packing::Zstd { zstd::encode_all(&b"x"[..], 0).unwrap() } else { gzip(b"x") };
            let source = head[..5].chain(Broken);
            assert!(matches!(read_all(source, packing, LIMIT), Err(InflateError::Io(_))), "{packing:?}");
        }
    }
}
