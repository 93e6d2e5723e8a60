//! Names of queue files. The other tool turns `/` and blanks into `_`, so that two types may share a file; ours are
//! injective, and files are read whatever they are named.

use quire_proto::Digest;

/// Longest name that is written out, in bytes; file systems allow 255 with its ending.
const MAX_NAME: usize = 200;
/// How much of a longer one is kept beside its digest.
const KEPT: usize = 160;

/// The name of the job of `key`, without an ending: letters, digits and `-_.'+(),` stay, other bytes become `%XX`.
/// A name that would be too long is cut and gets a digest.
#[must_use]
pub fn file_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for (position, byte) in key.bytes().enumerate() {
        let stays = byte.is_ascii_alphanumeric() || b"-_'+(),".contains(&byte);
        // A name that begins with a dot is hidden.
        if stays || byte == b'.' && position > 0 {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    if name.len() > MAX_NAME {
        name.truncate(KEPT);
        name = with_digest(&name, key);
    }
    name
}

/// Another name for the job of `key`, for when the first one is that of another job: another catalogue's, one whose name
/// differs in case only on some file systems, or one of the other tool. No other name holds a `~`.
pub(crate) fn second_name(key: &str, catalogue: Option<&str>) -> String {
    let mut name = file_name(key);
    name.truncate(KEPT);
    match catalogue {
        Some(catalogue) => with_digest(&name, &format!("{key}\0{catalogue}")),
        None => with_digest(&name, key),
    }
}

fn with_digest(name: &str, key: &str) -> String {
    let digest = Digest::of(key.as_bytes()).to_hex();
    format!("{name}~{}", digest.get(..32).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_files_and_no_two_keys_share_one() {
        let long = "x".repeat(1_000);
        let keys = [
            "A B",
            "A_B",
            "A/B",
            "A%20B",
            "A%B",
            "KC/a",
            "KC_a",
            "KCa",
            "KCa'b'-ap1",
            "a\"b",
            ".hidden",
            "hidden",
            "..",
            "é",
            "e\u{301}",
            "a~b",
            "a\nb",
            "a\0b",
            "Mi1",
            &long,
            &long[1..],
        ];
        let names: BTreeSet<String> = keys.iter().map(|key| file_name(key)).collect();
        assert_eq!(names.len(), keys.len(), "{names:?}");
        for name in &names {
            assert!(
                name.len() <= 250 && !name.starts_with('.') && !name.contains(['/', '\0', '\n']),
                "{name}"
            );
        }
        assert_eq!(file_name("KCa'b'-ap1"), "KCa'b'-ap1");
        assert_eq!(file_name("Acc. ti flexor MN"), "Acc.%20ti%20flexor%20MN");
        let second = |key, catalogue| second_name(key, catalogue).to_lowercase();
        assert_ne!(second("mi1", None), second("Mi1", None));
        assert_ne!(second("Mi1", Some("neurons")), second("Mi1", Some("findings")));
    }
}
