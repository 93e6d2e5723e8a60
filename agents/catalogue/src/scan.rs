//! Runs of bytes, eight at a time: most of a JSON text is the inside of strings and indentation.

const LOW: u64 = u64::MAX / 255;
const HIGH: u64 = LOW << 7;

/// Bytes from the start that are neither `"` nor `\` nor control characters.
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
    run(bytes, |word| {
        zeros(word ^ each(b'"')) | zeros(word ^ each(b'\\')) | (word.wrapping_sub(each(0x20)) & !word & HIGH)
    })
}

/// Blanks from the start.
pub(crate) fn blank_run(bytes: &[u8]) -> usize {
    run(bytes, |word| {
        let other = word ^ each(b' ');
        // The lowest byte that is no blank: its bits, moved to the top of the byte.
        ((other & !HIGH).wrapping_add(!HIGH) | other) & HIGH
    })
}

const fn each(byte: u8) -> u64 {
    LOW * byte as u64
}

/// The top bit of each byte that is zero; exact up to the lowest one.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// Bytes before the first that `ends` marks by its top bit.
fn run(bytes: &[u8], ends: impl Fn(u64) -> u64) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let marks = ends(u64::from_le_bytes(*word));
        if marks != 0 {
            return position * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let marks = ends(u64::from_le_bytes(last));
    let in_rest = (marks.trailing_zeros() as usize / 8).min(rest.len());
    words.len() * 8 + in_rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_end_where_a_plain_loop_ends(bytes in proptest::collection::vec(
            prop_oneof![3 => Just(b' '), 3 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\'), 1 => Just(0x1F)], 0..40)) {
            let plain = bytes.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(bytes.len());
            prop_assert_eq!(plain_run(&bytes), plain);
            let blank = bytes.iter().position(|&b| b != b' ').unwrap_or(bytes.len());
            prop_assert_eq!(blank_run(&bytes), blank);
        }
    }
}
