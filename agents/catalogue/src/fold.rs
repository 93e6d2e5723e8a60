//! `fold: case`: how values are compared when their case does not matter.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// NFC and lower case: the `fold: case` rule. Two texts that a reader takes for the same name fold to
/// the same text; folding twice changes nothing.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Lower case of composed text may decompose (`İ` becomes `i` and a dot above), so compose last.
    nfc(&nfc(text).to_lowercase()).into_owned()
}

fn nfc(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfc().collect()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fold;

    #[test]
    fn case_and_composition_do_not_matter() {
        assert_eq!(fold("Pulmonary EMBOLISM"), "pulmonary embolism");
        assert_eq!(fold("Ménière"), fold("ME\u{301}NIE\u{300}RE"));
        assert_eq!(fold("Straße"), "straße");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC*") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
