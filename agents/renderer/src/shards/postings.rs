//! Postings as text: the documents of a term, by class, in digits that need no escaping in JSON.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Bits of a posting that hold its class.
const CLASS_BITS: u32 = 3;

/// A document that has a term in this class, in one number.
pub(super) const fn posting(document: u32, class: u8) -> u32 {
    document << CLASS_BITS | class as u32
}

/// The document of a posting.
pub(super) const fn document(posting: u32) -> u32 {
    posting >> CLASS_BITS
}

/// The class of a posting.
pub(super) const fn class(posting: u32) -> u8 {
    (posting & ((1 << CLASS_BITS) - 1)) as u8
}

/// The digit for the lowest six bits of `value`.
pub(super) fn digit(value: u32) -> char {
    DIGITS.get((value & 63) as usize).map_or('A', |&digit| char::from(digit))
}

/// Appends postings, ascending by document and with each document once, as text.
pub(super) fn encode(postings: &[u32], text: &mut String) {
    let classes = postings.iter().map(|&posting| class(posting)).max().unwrap_or(0);
    for wanted in 0..=classes {
        if wanted > 0 {
            text.push('.');
        }
        let documents = || postings.iter().filter(|&&posting| class(posting) == wanted).map(|&p| document(p));
        let before = text.len();
        gaps(documents(), text);
        let bits = documents().next_back().map_or(0, |last| last as usize / 6 + 2);
        if text.len() - before > bits {
            text.truncate(before);
            bit_set(documents(), text);
        }
    }
}

fn gaps(documents: impl Iterator<Item = u32>, text: &mut String) {
    let mut before = 0;
    for document in documents {
        let mut gap = document.saturating_sub(before);
        before = document;
        while gap >= 32 {
            text.push(digit(gap & 31 | 32));
            gap >>= 5;
        }
        text.push(digit(gap));
    }
}

fn bit_set(documents: impl Iterator<Item = u32>, text: &mut String) {
    text.push('!');
    let (mut position, mut value) = (0, 0);
    for document in documents {
        while position < document / 6 {
            text.push(digit(value));
            value = 0;
            position += 1;
        }
        value |= 1 << (document % 6);
    }
    text.push(digit(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(postings: &[(u32, u8)]) -> String {
        let mut text = String::new();
        encode(
            &postings.iter().map(|&(document, class)| posting(document, class)).collect::<Vec<_>>(),
            &mut text,
        );
        text
    }

    #[test]
    fn few_documents_are_gaps_and_many_are_bits() {
        assert_eq!(encoded(&[(0, 0), (31, 0), (63, 0)]), "AfgB");
        assert_eq!(encoded(&(0..12).map(|document| (document, 0)).collect::<Vec<_>>()), "!__");
    }

    #[test]
    fn classes_are_parted_by_dots_and_trailing_ones_left_out() {
        assert_eq!(encoded(&[(1, 1), (2, 3)]), ".B..C");
        assert_eq!(encoded(&[]), "");
    }
}
