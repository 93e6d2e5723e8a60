//! The third level: values that several processes share, somewhere else.

/// Where values lie that several processes share. Disposable as the other levels: it may lose anything, and may be away.
///
/// Keys are made of letters, digits, `-` and `/`; values carry their own checksum.
pub trait SharedLevel: Send + Sync {
    /// The bytes last put under `key`; `None` also if they cannot be had in good time. Blocks.
    fn get(&self, key: &str) -> Option<Vec<u8>>;
    /// Keeps bytes if that can be done; returns before it is.
    fn put(&self, key: String, bytes: Vec<u8>);
    /// Forgets what is under `key`; returns before it is done.
    fn remove(&self, key: String);
    /// Keys that start with `prefix`, at most `most`; none if the level is away. Blocks.
    fn keys(&self, prefix: &str, most: usize) -> Vec<String>;
    /// Forgets all keys that start with `prefix`; or says why some may still be there. Blocks.
    ///
    /// # Errors
    /// In words, what went wrong.
    fn clear(&self, prefix: &str) -> Result<(), String>;
}

/// Longest key that is shared, in bytes: digests are, paths are not.
pub(crate) const MAX_SHARED_KEY: usize = 64;

/// What keys of the cache `name` begin with.
pub(crate) fn prefix(name: &str) -> String {
    format!("{name}/")
}

/// The shared key of `key` in the cache `name`; `None` if it is too long.
pub(crate) fn key_of(name: &str, key: &[u8]) -> Option<String> {
    if key.len() > MAX_SHARED_KEY {
        return None;
    }
    let mut shared = prefix(name);
    for byte in key {
        for half in [byte >> 4, byte & 15] {
            shared.extend(char::from_digit(u32::from(half), 16));
        }
    }
    Some(shared)
}

/// The caller's key of a shared one.
pub(crate) fn parse(name: &str, shared: &str) -> Option<Vec<u8>> {
    let digits = shared.strip_prefix(&prefix(name))?;
    if digits.len() % 2 != 0 || !digits.is_ascii() {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2).map(|at| digits.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_keys_read_back_and_foreign_ones_are_left_alone() {
        for key in [&b""[..], b"\x00\xff", b"twelve bytes"] {
            let shared = key_of("results", key).unwrap();
            assert_eq!(parse("results", &shared).unwrap(), key);
            assert_eq!(parse("memo", &shared), None);
        }
        assert_eq!(key_of("results", &[0; 65]), None);
        for foreign in ["results/0", "results/zz", "results/\u{e9}\u{e9}", "results"] {
            assert_eq!(parse("results", foreign), None, "{foreign}");
        }
    }
}
