//! Letters as strokes, for pictures that must not depend on the fonts of a machine.
//!
//! A glyph is a list of strokes separated by blanks; a stroke is a list of points, each a digit for x (0 left) and one
//! for y (2 the baseline, 8 the height of capitals, 6 that of small letters, 0 the lowest).

use crate::text::push_fixed;

/// Units of an em: the letters are as high as those of common sans-serif fonts.
pub(crate) const EM: f64 = 8.6;

/// From one letter to the next.
const GAP: f64 = 1.6;

/// Width of a blank.
const BLANK: f64 = 2.0;

/// What is drawn for a letter that has no glyph: an empty box.
const MISSING: &str = "0232380802";

/// Strokes of the characters from `!` to `~`.
#[rustfmt::skip]
const ASCII: [&str; 94] = [
    // ! " # $ % & ' ( ) * + , - . /
    "0804 0202", "0806 2826", "1812 3832 0646 0444", "473818070615354443321203 2921", "0248 0818170708 3343423233",
    "42071827260403122244", "0806", "18060412", "08161402", "2824 0745 0547", "2723 0545", "1201", "0535", "0202", "0148",
    // 0 to 9
    "183847433212030718", "071812 0222", "07183847460242", "07183847463525 354443321203", "32380444",
    "480805354443321203", "4738180703123243443505", "084812", "15060718384746351504031232434435",
    "4515060718384743321203",
    // : ; < = > ? @
    "0606 0202", "1616 1201", "470543", "0646 0444", "074503", "07183847462524 2222", "433212030718384744242646",
    // A to Z
    "022842 1434", "02083847463505 3544433202", "4738180703123243", "02082846442202", "48080242 0535", "480802 0535",
    "47381807031232434525", "0208 4248 0545", "0828 1812 0222", "4843321203", "0208 480542", "080242", "0208254842",
    "02084248", "183847433212030718", "02083847463505", "183847433212030718 2442", "02083847463505 2542",
    "473818070615354443321203", "0848 2822", "080312324348", "082248", "0812253248", "0248 0842", "082548 2522",
    "08480242",
    // [ \ ] ^ _ `
    "18080212", "0841", "08181202", "062846", "0141", "0817",
    // a to z
    "16364542 441403123243", "0802 0516364543321203", "4536160503123243", "4842 4536160503123243",
    "04444536160503123243", "38281712 0626", "46413010 4536160503123243", "0802 0516364542", "0602 0808",
    "26211000 2828", "0802 360432", "080312", "0602 05162522 25364542", "0602 0516364542", "163645433212030516",
    "0600 0516364543321203", "4640 4536160503123243", "0602 052636", "45361605143443321203", "18132232 0636",
    "0603123243 4642", "062246", "0612243246", "0642 0246", "0622 461000", "06460242",
    // { | } ~
    "28171605141322", "0901", "08171625141302", "05163445",
];

/// Letters with marks, and the letter that is drawn for each.
#[rustfmt::skip]
const MARKED: [(&str, char); 20] = [
    ("ÀÁÂÃÄÅĀĂ", 'A'), ("ÇĆČ", 'C'), ("ÈÉÊËĒĚ", 'E'), ("ÌÍÎÏĪ", 'I'), ("ÑŃŇ", 'N'), ("ÒÓÔÕÖØŌŐ", 'O'), ("ŚŠŞ", 'S'),
    ("ÙÚÛÜŪŰ", 'U'), ("ÝŸ", 'Y'), ("ŹŻŽ", 'Z'), ("àáâãäåāă", 'a'), ("çćč", 'c'), ("èéêëēě", 'e'), ("ìíîïīı", 'i'),
    ("ñńň", 'n'), ("òóôõöøōő", 'o'), ("śšş", 's'), ("ùúûüūű", 'u'), ("ýÿ", 'y'), ("źżž", 'z'),
];

fn strokes(letter: char) -> &'static str {
    let of_ascii = |letter: char| ASCII.get((letter as usize).wrapping_sub('!' as usize)).copied();
    match letter {
        ' ' | '\u{a0}' => "",
        '‐'..='—' | '−' => "0545",
        '‘' | '’' | '′' => "0806",
        '“' | '”' | '″' => "0806 2826",
        '…' => "0202 2222 4242",
        '·' => "0505",
        '×' => "0743 0347",
        'α' => "4622120305162642",
        'β' => "000718283736253443321203",
        'γ' => "0622 4622 2220",
        'µ' | 'μ' => "0600 0603123243 4642",
        _ => of_ascii(letter).unwrap_or_else(|| {
            let base = MARKED.iter().find(|(marked, _)| marked.contains(letter));
            base.and_then(|(_, base)| of_ascii(*base)).unwrap_or(MISSING)
        }),
    }
}

/// The points of a glyph's stroke.
fn points(stroke: &str) -> impl Iterator<Item = (f64, f64)> {
    let digit = |byte: u8| f64::from(byte.wrapping_sub(b'0'));
    stroke.as_bytes().chunks_exact(2).map(move |point| (digit(point[0]), digit(point[1])))
}

fn advance(letter: char) -> f64 {
    if letter == ' ' || letter == '\u{a0}' {
        return BLANK + GAP;
    }
    let of_strokes = strokes(letter).split(' ').flat_map(points);
    GAP + of_strokes.fold(0.0, |widest: f64, (x, _)| widest.max(x))
}

/// Width of a text in units of the glyphs.
pub(crate) fn width(text: &str) -> f64 {
    text.chars().map(advance).sum::<f64>() - if text.is_empty() { 0.0 } else { GAP }
}

/// Appends a text as the `d` of a path that begins at (0, 0) on the baseline.
pub(crate) fn push_path(out: &mut Vec<u8>, text: &str) {
    let mut left = 0.0;
    for letter in text.chars() {
        for stroke in strokes(letter).split(' ') {
            for (at, (x, y)) in points(stroke).enumerate() {
                out.push(if at == 0 { b'M' } else { b'L' });
                push_fixed(out, left + x);
                out.push(b' ');
                push_fixed(out, 2.0 - y);
            }
        }
        left += advance(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_glyph_is_of_points_and_no_two_are_alike() {
        for (at, glyph) in ASCII.iter().enumerate() {
            for stroke in glyph.split(' ') {
                assert!(stroke.len() >= 4 && stroke.len() % 2 == 0, "{at}: {stroke}");
                let fits = |(x, _): (f64, f64)| x <= 4.0;
                assert!(
                    stroke.bytes().all(|byte| byte.is_ascii_digit()) && points(stroke).all(fits),
                    "{stroke}"
                );
            }
            let twin = ASCII[..at].iter().position(|other| other == glyph);
            // A nought and an O may be taken for each other, as in many fonts.
            assert!(twin.is_none() || at + 33 == usize::from(b'O'), "{at} is drawn like {twin:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_a_box_and_marks_are_left_out() {
        assert_eq!(strokes('ä'), strokes('a'));
        assert_eq!(strokes('猫'), MISSING);
        assert_eq!(width(""), 0.0);
        assert!(width("ab") > width("a"));
        let mut path = Vec::new();
        push_path(&mut path, "l.");
        assert_eq!(String::from_utf8(path).unwrap(), "M0 -6L0 -1L1 0M2.6 0L2.6 0");
    }
}
