//! Words: how text is taken apart, for the index, for queries and for snippets alike.
//!
//! A word is a run of letters and digits, in lower case, without diacritics; an ideograph is a word by itself.
//! Words are indexed as they are: their other forms are found through the dictionary when somebody asks.

use std::str::CharIndices;

use tantivy::tokenizer::{
    Language, RawTokenizer, Stemmer as StemFilter, TextAnalyzer, Token, TokenStream, Tokenizer,
};
use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// Longest word, in bytes; a longer one is cut.
pub(crate) const MAX_WORD_BYTES: usize = 64;
/// Longest folded phrase, in bytes; a longer one is cut.
const MAX_PHRASE_BYTES: usize = 1_000;
/// Positions of one field: the field of an occurrence is its position divided by this.
pub(crate) const POSITIONS_PER_FIELD: u32 = 1 << 16;
/// Positions between two values of a field.
const VALUE_GAP: u32 = 8;
/// Starts a value in indexed text; the next character says of which field.
const MARK: char = '\u{1}';
const FIRST_FIELD: u32 = 0x100;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Folded.
    pub(crate) text: String,
    /// First byte in the text.
    pub(crate) start: usize,
    /// The byte after the last one.
    pub(crate) end: usize,
}

/// The words of `text`, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Word> + '_ {
    let mut cutter = Cutter::new(text);
    std::iter::from_fn(move || {
        let mut word = Word { text: String::new(), start: 0, end: 0 };
        loop {
            match cutter.next(&mut word.text)? {
                Cut::Field(_) => {}
                Cut::Word { start, end } => {
                    (word.start, word.end) = (start, end);
                    return Some(word);
                }
            }
        }
    })
}

/// How many words `text` has.
pub(crate) fn count_words(text: &str) -> usize {
    let (mut cutter, mut buffer, mut count) = (Cutter::new(text), String::new(), 0);
    while let Some(cut) = cutter.next(&mut buffer) {
        count += usize::from(matches!(cut, Cut::Word { .. }));
    }
    count
}

/// A whole text as exact look-ups compare it: lower case, no diacritics, single blanks.
pub(crate) fn fold_phrase(text: &str) -> String {
    let mut folded = String::with_capacity(text.len().min(MAX_PHRASE_BYTES));
    for part in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        part.chars().for_each(|c| fold_char(c, &mut folded));
        if folded.len() > MAX_PHRASE_BYTES {
            folded.truncate(folded.floor_char_boundary(MAX_PHRASE_BYTES));
            break;
        }
    }
    folded
}

/// Text with the values of a record's text fields, as [`FieldTokenizer`] reads it.
#[derive(Debug, Default)]
pub(crate) struct MarkedText(String);

impl MarkedText {
    pub(crate) fn push(&mut self, field: usize, value: &str) {
        let field = u32::try_from(field).ok().and_then(|field| char::from_u32(FIRST_FIELD + field));
        self.0.push(MARK);
        self.0.push(field.unwrap_or('\u{100}'));
        if value.contains(MARK) {
            self.0.extend(value.chars().map(|c| if c == MARK { ' ' } else { c }));
        } else {
            self.0.push_str(value);
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// Takes [`MarkedText`] apart for the index: a word's position says in which field it stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldTokenizer {
    token: Token,
}

impl Tokenizer for FieldTokenizer {
    type TokenStream<'a> = FieldTokens<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> FieldTokens<'a> {
        self.token.reset();
        FieldTokens { cutter: Cutter::new(text), token: &mut self.token, field: None, next: 0 }
    }
}

/// The words of [`MarkedText`].
pub(crate) struct FieldTokens<'a> {
    cutter: Cutter<'a>,
    token: &'a mut Token,
    field: Option<u32>,
    next: u32,
}

impl TokenStream for FieldTokens<'_> {
    fn advance(&mut self) -> bool {
        loop {
            match self.cutter.next(&mut self.token.text) {
                None => return false,
                Some(Cut::Field(field)) => {
                    let same = self.field.replace(field) == Some(field);
                    self.next = if same { self.next + VALUE_GAP } else { field * POSITIONS_PER_FIELD };
                }
                Some(Cut::Word { start, end }) => {
                    // What does not fit into a field's range counts as standing at its end.
                    let last = (self.field.unwrap_or(0) + 1) * POSITIONS_PER_FIELD - 1;
                    (self.token.offset_from, self.token.offset_to) = (start, end);
                    self.token.position = self.next.min(last) as usize;
                    self.next = self.next.saturating_add(1).min(last);
                    return true;
                }
            }
        }
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// Reduces words to their stems (English).
pub(crate) struct Stems(TextAnalyzer);

impl Stems {
    pub(crate) fn new() -> Self {
        Self(
            TextAnalyzer::builder(RawTokenizer::default()).filter(StemFilter::new(Language::English)).build(),
        )
    }

    /// The stem of a folded word.
    pub(crate) fn stem(&mut self, word: &str) -> String {
        let mut stream = self.0.token_stream(word);
        stream.next().map_or_else(|| word.to_owned(), |token| token.text.clone())
    }
}

/// What [`Cutter`] finds.
enum Cut {
    /// From here on, the text belongs to this field.
    Field(u32),
    /// A word was written into the buffer.
    Word { start: usize, end: usize },
}

/// Walks over a text word by word.
struct Cutter<'a> {
    text: &'a str,
    chars: CharIndices<'a>,
    /// A character that ended a word and has not been looked at yet.
    ahead: Option<(usize, char)>,
}

impl<'a> Cutter<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, chars: text.char_indices(), ahead: None }
    }

    fn next(&mut self, word: &mut String) -> Option<Cut> {
        word.clear();
        let mut start = None;
        while let Some((at, c)) = self.ahead.take().or_else(|| self.chars.next()) {
            let inside = c.is_alphanumeric() || (start.is_some() && is_combining_mark(c));
            if inside && !(stands_alone(c) && start.is_some()) {
                start.get_or_insert(at);
                if word.len() < MAX_WORD_BYTES {
                    fold_char(c, word);
                }
                if !stands_alone(c) {
                    continue;
                }
                return Some(Cut::Word { start: at, end: at + c.len_utf8() });
            }
            if let Some(start) = start {
                self.ahead = Some((at, c));
                return Some(finish(word, start, at));
            }
            if c == MARK
                && let Some((_, field)) = self.chars.next()
            {
                return Some(Cut::Field(u32::from(field).saturating_sub(FIRST_FIELD)));
            }
        }
        start.map(|start| finish(word, start, self.text.len()))
    }
}

fn finish(word: &mut String, start: usize, end: usize) -> Cut {
    word.truncate(word.floor_char_boundary(MAX_WORD_BYTES));
    Cut::Word { start, end }
}

/// Lower case without diacritics; may be several characters, or none.
fn fold_char(c: char, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
        return;
    }
    for lower in c.to_lowercase() {
        decompose_compatible(lower, |part| {
            if !is_combining_mark(part) {
                out.extend(part.to_lowercase());
            }
        });
    }
}

/// Scripts that write no blanks between words.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        words(text).map(|word| word.text).collect()
    }

    #[test]
    fn text_is_cut_into_folded_words() {
        assert_eq!(all("T2-hypointense Ménière’s (MASS)"), ["t2", "hypointense", "meniere", "s", "mass"]);
        assert_eq!(all("me\u{301}nie\u{300}re ﬁne x²"), ["meniere", "fine", "x2"]);
        assert_eq!(all("肺結節 CT"), ["肺", "結", "節", "ct"]);
        assert_eq!(all("a肺b"), ["a", "肺", "b"]);
        assert_eq!(all(" \u{1}\u{1} — "), Vec::<String>::new());
    }

    #[test]
    fn a_words_place_is_where_it_stands_in_the_text() {
        let text = "Große Übung, naïve";
        for word in words(text) {
            assert_eq!(fold_phrase(&text[word.start..word.end]), word.text);
        }
    }

    #[test]
    fn a_long_word_is_cut_and_not_dropped() {
        assert_eq!(all(&"é".repeat(500)), ["e".repeat(MAX_WORD_BYTES)]);
        assert_eq!(all(&"ж".repeat(500)), ["ж".repeat(MAX_WORD_BYTES / 2)]);
    }

    #[test]
    fn positions_tell_the_field() {
        let mut text = MarkedText::default();
        text.push(0, "one two");
        text.push(2, "three");
        text.push(2, "four \u{1}five");
        let (text, mut tokenizer) = (text.into_text(), FieldTokenizer::default());
        let mut stream = tokenizer.token_stream(&text);
        let mut found = Vec::new();
        while let Some(token) = stream.next() {
            found.push((token.text.clone(), token.position as u32));
        }
        let field = 2 * POSITIONS_PER_FIELD;
        let expected = [("one", 0), ("two", 1), ("three", field), ("four", field + 9), ("five", field + 10)];
        assert_eq!(found, expected.map(|(word, at)| (word.to_owned(), at)));
    }

    #[test]
    fn a_field_with_too_many_words_stays_in_its_range() {
        let mut text = MarkedText::default();
        text.push(1, &"w ".repeat(70_000));
        let (text, mut tokenizer) = (text.into_text(), FieldTokenizer::default());
        let mut stream = tokenizer.token_stream(&text);
        while let Some(token) = stream.next() {
            assert_eq!(token.position as u32 / POSITIONS_PER_FIELD, 1);
        }
    }

    #[test]
    fn phrases_are_compared_without_case_diacritics_and_extra_blanks() {
        assert_eq!(fold_phrase("  Ménière \t DISEASE* "), "meniere disease*");
        assert!(fold_phrase(&"x".repeat(5_000)).len() <= MAX_PHRASE_BYTES);
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        let mut stems = Stems::new();
        assert_eq!(stems.stem("calcifications"), stems.stem("calcification"));
        assert_ne!(stems.stem("nodule"), stems.stem("lung"));
    }
}
