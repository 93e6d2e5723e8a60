//! How text is folded into search tokens. The same rules, word for word, are in `search/words.js`.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Longest token, in characters.
pub(crate) const MAX_TOKEN: usize = 24;
/// Longest phrase, in characters.
pub(crate) const MAX_PHRASE: usize = 64;

/// Calls `found` with every token of `text`: folded, in order, repeats too.
pub(crate) fn each_token(text: &str, mut found: impl FnMut(&str)) {
    let folded = folded(text);
    let mut rest = &*folded;
    while let Some(start) = rest.find(|c: char| c.is_alphanumeric() || stands_alone(c)) {
        rest = rest.get(start..).unwrap_or_default();
        let alone = rest.chars().next().filter(|&first| stands_alone(first)).map(char::len_utf8);
        let end = alone.or_else(|| rest.find(|c: char| !c.is_alphanumeric() || stands_alone(c)));
        let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        found(named(token).unwrap_or_else(|| cut(token, MAX_TOKEN)));
    }
}

/// The tokens of `text` in one string: what a whole name is compared by.
pub(crate) fn phrase(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    each_token(text, |token| {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(token);
    });
    let kept = cut(&joined, MAX_PHRASE).trim_end().len();
    joined.truncate(kept);
    joined
}

/// At most `most` characters of `text`.
fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    match text.char_indices().nth(most) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

/// The name of a token that is one Greek letter.
fn named(token: &str) -> Option<&'static str> {
    let mut characters = token.chars();
    match (characters.next(), characters.next()) {
        (Some(letter), None) => greek_name(letter),
        _ => None,
    }
}

/// Compatibility decomposition, lower case, no marks, letters that do not decompose spelled out.
fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        return if is_lower { text.into() } else { text.to_ascii_lowercase().into() };
    }
    let lower = text.nfkd().collect::<String>().to_lowercase();
    let mut folded = String::with_capacity(lower.len());
    for character in lower.chars() {
        match character {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ł' => folded.push('l'),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            mark if is_combining_mark(mark) => {}
            other => folded.push(other),
        }
    }
    folded.into()
}

/// Scripts without blanks between words: every character is a token.
const fn stands_alone(character: char) -> bool {
    matches!(character,
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3134f}')
}

/// `α-ketoglutarate` is found as `alpha ketoglutarate`.
const fn greek_name(letter: char) -> Option<&'static str> {
    Some(match letter {
        'α' => "alpha",
        'β' => "beta",
        'γ' => "gamma",
        'δ' => "delta",
        'ε' => "epsilon",
        'ζ' => "zeta",
        'η' => "eta",
        'θ' => "theta",
        'ι' => "iota",
        'κ' => "kappa",
        'λ' => "lambda",
        'μ' => "mu",
        'ν' => "nu",
        'ξ' => "xi",
        'ο' => "omicron",
        'π' => "pi",
        'ρ' => "rho",
        'σ' => "sigma",
        'τ' => "tau",
        'υ' => "upsilon",
        'φ' => "phi",
        'χ' => "chi",
        'ψ' => "psi",
        'ω' => "omega",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        each_token(text, |token| tokens.push(token.to_owned()));
        tokens
    }

    #[test]
    fn case_marks_and_punctuation_do_not_matter() {
        assert_eq!(tokens("Ménière's  DISEASE—(T2)"), ["meniere", "s", "disease", "t2"]);
        assert_eq!(tokens("OIFM_GMTS_002863"), ["oifm", "gmts", "002863"]);
        assert_eq!(phrase("Straße, œdème"), "strasse oedeme");
    }

    #[test]
    fn a_greek_letter_by_itself_is_spelled_out() {
        assert_eq!(tokens("β-alanine TNFα"), ["beta", "alanine", "tnfα"]);
    }

    #[test]
    fn scripts_without_blanks_give_a_token_a_character() {
        assert_eq!(tokens("肺炎x"), ["肺", "炎", "x"]);
    }

    #[test]
    fn marks_by_themselves_and_signs_are_no_tokens() {
        assert_eq!(tokens("\u{301}\u{3099}、「」 — ´"), Vec::<String>::new());
        assert_eq!(tokens("a\u{3042}b"), ["a", "\u{3042}", "b"]);
    }

    #[test]
    fn tokens_and_phrases_are_bounded() {
        assert_eq!(tokens(&"é".repeat(100)).concat().chars().count(), MAX_TOKEN);
        assert!(phrase(&"ab ".repeat(100)).chars().count() <= MAX_PHRASE);
    }
}
