//! How text is folded into search tokens. The same rules, word for word, are in `search.js`.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Longest token, in characters.
pub(crate) const MAX_TOKEN: usize = 24;
/// Longest phrase, in characters.
pub(crate) const MAX_PHRASE: usize = 64;

/// The tokens of `text`: folded, in order, repeats kept.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    for character in folded(text).chars() {
        if stands_alone(character) {
            end_token(&mut token, &mut tokens);
            tokens.push(character.to_string());
        } else if character.is_alphanumeric() {
            token.push(character);
        } else {
            end_token(&mut token, &mut tokens);
        }
    }
    end_token(&mut token, &mut tokens);
    tokens
}

/// The tokens of `text` in one string: what a whole name is compared by.
pub(crate) fn phrase(text: &str) -> String {
    let joined = tokens(text).join(" ");
    match joined.char_indices().nth(MAX_PHRASE) {
        Some((end, _)) => joined.get(..end).unwrap_or_default().trim_end().to_owned(),
        None => joined,
    }
}

fn end_token(token: &mut String, tokens: &mut Vec<String>) {
    if token.is_empty() {
        return;
    }
    let mut characters = token.chars();
    let named = match (characters.next(), characters.next()) {
        (Some(letter), None) => greek_name(letter),
        _ => None,
    };
    tokens.push(match named {
        Some(name) => name.to_owned(),
        None => token.chars().take(MAX_TOKEN).collect(),
    });
    token.clear();
}

/// Compatibility decomposition, lower case, no marks, letters that do not decompose spelled out.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
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
    folded
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
    fn tokens_and_phrases_are_bounded() {
        assert_eq!(tokens(&"é".repeat(100)).concat().chars().count(), MAX_TOKEN);
        assert!(phrase(&"ab ".repeat(100)).chars().count() <= MAX_PHRASE);
    }
}
