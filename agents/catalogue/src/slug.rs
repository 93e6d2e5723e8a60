//! Slugs: the names of pages, made from any text.
//!
//! [`page_name`] is *total* (every text has one), *injective* (different texts have different ones, up to
//! collisions of 65 bits of BLAKE3) and stays so on file systems that ignore case. Its alphabet is
//! `a-z 0-9 _ - ~`, so a name needs no escaping in a URL, a shell or a file system.
//!
//! * Text that is a fine name already (`[a-z0-9_-]`, 1 to 120 bytes, not reserved) is its own name.
//! * All other text becomes a readable form and a mark: `Café au lait` → `caf-au-lait~…` with 13 characters of
//!   base32 of the BLAKE3 digest of the text. No name of the first kind contains `~`, so the kinds cannot meet.

/// Longest text that is taken as it is, in bytes.
pub const MAX_PLAIN: usize = 120;
/// Longest readable part before the mark.
const MAX_READABLE: usize = 60;
/// Characters of base32 after the `~`.
const MARK: usize = 13;

/// Names that mean something else in a catalogue's folder.
const RESERVED: [&str; 7] = ["index", "rejects", "data", "search", "assets", "manifest", "figures"];
/// Device names, which Windows does not let a file have, whatever its ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The name of the page of `text`; see the module's description.
#[must_use]
pub fn page_name(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { marked(text) }
}

/// A part of a file's name for each of `texts`, with upper case folded: a variant of a page, a drawing. Total, and injective
/// within `texts` if they differ: of two that fold to the same, the later one has a mark.
#[must_use]
pub fn folded_names(texts: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(texts.len());
    for text in texts {
        let lower = text.to_ascii_lowercase();
        let fine = (1..=MAX_READABLE).contains(&lower.len()) && lower.bytes().all(is_safe);
        names.push(if fine && !names.contains(&lower) { lower } else { marked(text) });
    }
    names
}

/// Whether `text` is taken as it is.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    (1..=MAX_PLAIN).contains(&text.len()) && text.bytes().all(is_safe) && !is_reserved(text)
}

/// Every character outside `A-Z a-z 0-9` becomes `_`, the rest lower case; one `_` a character.
/// This is jq's `slugify`; it is neither total nor injective by itself.
#[must_use]
pub fn slugify(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

const fn is_safe(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

fn is_reserved(text: &str) -> bool {
    RESERVED.contains(&text) || DEVICES.contains(&text) || is_numbered_device(text)
}

/// `com1` … `lpt9`.
fn is_numbered_device(text: &str) -> bool {
    let number = text.strip_prefix("com").or_else(|| text.strip_prefix("lpt"));
    number.is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
}

fn marked(text: &str) -> String {
    let mut name = readable(text);
    name.push('~');
    name.push_str(&mark(text));
    name
}

/// Safe characters as they are, upper case lowered, everything else one `-`; at most [`MAX_READABLE`] bytes.
fn readable(text: &str) -> String {
    let mut name = String::with_capacity(MAX_READABLE + MARK + 1);
    for c in text.chars() {
        if name.len() >= MAX_READABLE {
            break;
        }
        let c = c.to_ascii_lowercase();
        if c.is_ascii() && is_safe(c as u8) {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    while name.ends_with('-') {
        name.pop();
    }
    name
}

/// 65 bits of the digest of `text` in the alphabet of RFC 4648 base32, lower case.
fn mark(text: &str) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digest = blake3::hash(text.as_bytes());
    let mut bits: u128 = 0;
    for &byte in digest.as_bytes().iter().take(16) {
        bits = (bits << 8) | u128::from(byte);
    }
    (0..MARK)
        .map(|place| {
            let five = (bits >> (128 - 5 * (place + 1))) & 31;
            usize::try_from(five).ok().and_then(|at| ALPHABET.get(at)).map_or('a', |&c| char::from(c))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn safe_text_is_its_own_name() {
        for text in ["abdominal_abscess", "a", "x-1", "0", &"a".repeat(120)] {
            assert_eq!(page_name(text), text);
        }
    }

    #[test]
    fn unsafe_text_gets_a_readable_form_and_a_mark() {
        assert_eq!(page_name("Café au lait"), "caf-au-lait~qsriycaaid577");
        assert_eq!(page_name(""), "~v4jutopv7gq2n");
        assert!(page_name("../../etc/passwd").starts_with("etc-passwd~"));
        assert!(page_name("index").starts_with("index~"));
        assert!(page_name("com1").starts_with("com1~"));
        assert!(page_name(&"a".repeat(121)).len() < 121);
    }

    #[test]
    fn names_of_parts_fold_case_and_stay_apart() {
        let names = folded_names(&["L", "all-1", "l", "ME (R)", ""]);
        assert_eq!(names[..2], ["l", "all-1"]);
        assert!(names[2].starts_with("l~") && names[3].starts_with("me-r~") && names[4].starts_with('~'));
    }

    #[test]
    fn texts_that_differ_in_case_have_names_that_differ_in_any_case() {
        let names = ["OIFM_1", "oifm_1", "Oifm_1"].map(page_name);
        assert_ne!(names[0].to_lowercase(), names[1].to_lowercase());
        assert_ne!(names[0].to_lowercase(), names[2].to_lowercase());
    }

    proptest! {
        #[test]
        fn every_text_has_a_short_safe_name(text in any::<String>()) {
            let name = page_name(&text);
            prop_assert!(!name.is_empty() && name.len() <= MAX_PLAIN);
            prop_assert!(name.bytes().all(|b| is_safe(b) || b == b'~'));
            prop_assert!(!is_reserved(&name));
        }

        #[test]
        fn different_texts_have_different_names(a in "[A-Za-z .~_/-]{0,6}", b in "[A-Za-z .~_/-]{0,6}") {
            prop_assert_eq!(a == b, page_name(&a) == page_name(&b));
        }

        #[test]
        fn a_name_names_itself_or_is_marked(text in any::<String>()) {
            let name = page_name(&text);
            prop_assert_eq!(name == text, !name.contains('~'));
        }
    }
}
