//! The part of a summary that shows what was found.

use std::{collections::HashSet, sync::Arc};

use serde::Serialize;

use crate::{
    query::text::WordHits,
    tokens::{Word, words},
};

/// Longest part, in bytes.
const MAX_BYTES: usize = 240;
/// What is read of a summary, in bytes.
const MAX_READ_BYTES: usize = 20_000;

/// Plain text with marks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Snippet {
    /// The text; `…` stands for what was cut off.
    pub text: String,
    /// Ranges of bytes of `text` that were found, ascending.
    pub marks: Vec<(usize, usize)>,
}

impl Snippet {
    /// The text with `open` and `close` around every mark, and all else passed through `escape`.
    #[must_use]
    pub fn with_marks(&self, open: &str, close: &str, escape: impl Fn(&str) -> String) -> String {
        let mut out = String::with_capacity(self.text.len() + self.marks.len() * (open.len() + close.len()));
        let mut at = 0;
        for &(start, end) in &self.marks {
            out += &escape(self.text.get(at..start).unwrap_or_default());
            out += open;
            out += &escape(self.text.get(start..end).unwrap_or_default());
            out += close;
            at = end;
        }
        out + &escape(self.text.get(at..).unwrap_or_default())
    }
}

/// The words to be marked.
pub(crate) struct Marks<'a> {
    words: HashSet<&'a str>,
}

impl<'a> Marks<'a> {
    pub(crate) fn new(found: &'a [Arc<WordHits>]) -> Self {
        Self { words: found.iter().flat_map(|hits| &hits.stands_for).map(String::as_str).collect() }
    }

    /// The part of `text` with the most marks, marked.
    pub(crate) fn cut(&self, text: &str) -> Snippet {
        let read = text.get(..text.floor_char_boundary(MAX_READ_BYTES)).unwrap_or_default();
        let marked: Vec<Word> = words(read).filter(|word| self.words.contains(word.text.as_str())).collect();
        let (start, end) = window(read, &marked);
        let mut out = String::with_capacity(end - start + 8);
        if start > 0 {
            out.push('…');
        }
        let shift = out.len();
        out += read.get(start..end).unwrap_or_default();
        if end < text.len() {
            out.push('…');
        }
        let inside = marked.iter().filter(|word| word.start >= start && word.end <= end);
        let marks = inside.map(|word| (word.start - start + shift, word.end - start + shift)).collect();
        Snippet { text: out, marks }
    }
}

/// The range of `text` to show: all of it if it is short, else what has the most different marked words, the first
/// such. It starts and ends between words.
fn window(text: &str, marked: &[Word]) -> (usize, usize) {
    if text.len() <= MAX_BYTES {
        return (0, text.len());
    }
    let different = |from: usize| {
        let end = marked.get(from).map_or(0, |word| word.start) + MAX_BYTES * 3 / 4;
        let inside = marked.iter().skip(from).take_while(|word| word.end <= end);
        inside.map(|word| word.text.as_str()).collect::<HashSet<_>>().len()
    };
    // Many marks mean that one window is as good as another.
    let best = (0..marked.len().min(100)).max_by_key(|at| (different(*at), std::cmp::Reverse(*at)));
    let first = best.and_then(|at| marked.get(at)).map_or(0, |word| word.start);
    let wanted = if first < MAX_BYTES / 2 { 0 } else { first - MAX_BYTES / 4 };
    let blank = |(at, c): (usize, char)| c.is_whitespace().then_some(at + c.len_utf8());
    let start = if wanted == 0 {
        0
    } else {
        let from = text.floor_char_boundary(wanted);
        text.get(from..first)
            .and_then(|part| part.char_indices().find_map(blank))
            .map_or(from, |at| from + at)
    };
    let limit = text.floor_char_boundary(start + MAX_BYTES);
    if limit == text.len() {
        return (start, limit);
    }
    let end = text
        .get(start..limit)
        .and_then(|part| part.trim_end().rfind(char::is_whitespace))
        .map_or(limit, |at| start + at);
    (start, end.max(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(words: &[&'static str]) -> Marks<'static> {
        Marks { words: words.iter().copied().collect() }
    }

    #[test]
    fn a_short_text_is_shown_whole_with_every_word_marked() {
        let cut = marks(&["nodule", "lung"]).cut("Nodule of the LUNG, no nodules.");
        assert_eq!(cut.text, "Nodule of the LUNG, no nodules.");
        assert_eq!(cut.with_marks("[", "]", str::to_owned), "[Nodule] of the [LUNG], no nodules.");
    }

    #[test]
    fn a_long_text_is_cut_around_what_was_found() {
        let text =
            format!("{}the nodule in the lung {}", "once upon a time é ".repeat(50), "and so on ".repeat(50));
        let cut = marks(&["nodule", "lung"]).cut(&text);
        assert!(cut.text.len() <= MAX_BYTES + 6, "{}", cut.text.len());
        assert!(cut.text.starts_with('…') && cut.text.ends_with('…'), "{}", cut.text);
        let marked: Vec<&str> = cut.marks.iter().map(|&(start, end)| &cut.text[start..end]).collect();
        assert_eq!(marked, ["nodule", "lung"]);
    }

    #[test]
    fn any_text_can_be_cut() {
        for text in ["", "…", &"é".repeat(10_000), &"x".repeat(10_000), &" ".repeat(500), &"肺".repeat(9_999)]
        {
            let cut = marks(&["肺", "x"]).cut(text);
            assert!(cut.text.len() <= MAX_BYTES + 6);
            cut.marks.iter().for_each(|&(start, end)| assert!(cut.text.get(start..end).is_some()));
        }
    }

    #[test]
    fn what_is_around_marks_can_be_escaped() {
        let cut = marks(&["b"]).cut("a<b>c");
        let html = cut.with_marks("<mark>", "</mark>", |text| text.replace('<', "&lt;").replace('>', "&gt;"));
        assert_eq!(html, "a&lt;<mark>b</mark>&gt;c");
    }
}
