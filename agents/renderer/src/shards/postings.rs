//! Postings as text: the documents of a term, by class, in digits that need no escaping in JSON.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The digit for the lowest six bits of `value`.
pub(crate) fn digit(value: u32) -> char {
    DIGITS.get((value & 63) as usize).map_or('A', |&digit| char::from(digit))
}

/// Postings `(document, class)`, ascending by document and with each document once, as text.
pub(crate) fn encode(postings: &[(u32, u8)]) -> String {
    let classes = postings.iter().map(|&(_, class)| class).max().unwrap_or(0);
    let mut text = String::new();
    for class in 0..=classes {
        if class > 0 {
            text.push('.');
        }
        let documents: Vec<u32> =
            postings.iter().filter(|&&(_, of)| of == class).map(|&(document, _)| document).collect();
        text.push_str(&list(&documents));
    }
    text
}

/// The shorter of gaps and bit set; gaps on a tie.
fn list(documents: &[u32]) -> String {
    let gaps = gaps(documents);
    let bits = documents.last().map_or(0, |&last| last as usize / 6 + 2);
    if gaps.len() <= bits { gaps } else { bit_set(documents) }
}

fn gaps(documents: &[u32]) -> String {
    let mut text = String::with_capacity(documents.len() * 2);
    let mut before = 0;
    for &document in documents {
        let mut gap = document.saturating_sub(before);
        before = document;
        while gap >= 32 {
            text.push(digit(gap & 31 | 32));
            gap >>= 5;
        }
        text.push(digit(gap));
    }
    text
}

fn bit_set(documents: &[u32]) -> String {
    let mut text = String::from("!");
    let (mut position, mut value) = (0, 0);
    for &document in documents {
        while position < document / 6 {
            text.push(digit(value));
            value = 0;
            position += 1;
        }
        value |= 1 << (document % 6);
    }
    text.push(digit(value));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_documents_are_gaps_and_many_are_bits() {
        assert_eq!(encode(&[(0, 0), (31, 0), (63, 0)]), "Afg\u{42}");
        assert_eq!(encode(&(0..12).map(|document| (document, 0)).collect::<Vec<_>>()), "!__");
    }

    #[test]
    fn classes_are_parted_by_dots_and_trailing_ones_left_out() {
        assert_eq!(encode(&[(1, 1), (2, 3)]), ".B..C");
        assert_eq!(encode(&[]), "");
    }
}
