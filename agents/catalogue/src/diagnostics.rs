//! Diagnostics: everything wrong with a catalogue's files, all at once, each with its place.

use std::fmt;

use serde::Serialize;

/// Most diagnostics that are kept; a file with more has one cause.
const MAX_DIAGNOSTICS: usize = 100;

/// One problem of a catalogue's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// File, relative to the catalogue's folder.
    pub file: String,
    /// Line, counted from 1; 0 for the file as a whole.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// Characters to underline.
    pub len: u32,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The line itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
}

/// All problems found, in the order of the file. Displayed as blocks of `file:line:column`, source line and caret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many problems there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.0.len() < MAX_DIAGNOSTICS && !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    /// The same problems of a definition that is a file of another name than `catalogue.yaml`.
    #[must_use]
    pub fn of_file(mut self, name: &str) -> Self {
        for diagnostic in self.0.iter_mut().filter(|diagnostic| diagnostic.file == "catalogue.yaml") {
            name.clone_into(&mut diagnostic.file);
        }
        self
    }

    /// Puts the problems in the order of the files.
    pub(crate) fn sort(&mut self) {
        self.0.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, diagnostic) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        if self.line == 0 {
            writeln!(f, "  --> {}", self.file)?;
        } else {
            writeln!(f, "  --> {}:{}:{}", self.file, self.line, self.column)?;
        }
        let margin = " ".repeat(self.line.to_string().len());
        if let Some(snippet) = &self.snippet {
            let indent: String = snippet
                .chars()
                .take(self.column.saturating_sub(1) as usize)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let left = snippet.chars().count().saturating_sub(indent.chars().count());
            let carets = "^".repeat((self.len as usize).clamp(1, left.max(1)));
            writeln!(f, "{margin} |\n{} | {snippet}\n{margin} | {indent}{carets}", self.line)?;
        }
        match &self.help {
            Some(help) => writeln!(f, "{margin} = help: {help}"),
            None => Ok(()),
        }
    }
}

/// The known word nearest to `word`, if one is near enough to be what was meant.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| distance * 3 <= candidate.chars().count().max(word.chars().count()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_the_line_and_a_caret() {
        let diagnostic = Diagnostic {
            file: "catalogue.yaml".into(),
            line: 12,
            column: 3,
            len: 6,
            message: "unknown key `souces`".into(),
            help: Some("did you mean `sources`?".into()),
            snippet: Some("  souces: []".into()),
        };
        let expected = "error: unknown key `souces`\n  --> catalogue.yaml:12:3\n   |\n12 |   souces: []\n   |   \
                        ^^^^^^\n   = help: did you mean `sources`?\n";
        assert_eq!(diagnostic.to_string(), expected);
    }

    #[test]
    fn only_near_words_are_suggested() {
        assert_eq!(nearest("souces", ["sources", "site"]), Some("sources"));
        assert_eq!(nearest("zebra", ["sources", "site"]), None);
    }
}
