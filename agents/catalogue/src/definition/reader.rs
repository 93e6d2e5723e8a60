//! Reads a tree with positions: notes every unknown key, wrong type and missing key, and goes on.

use crate::{
    decode::scalar::{self, Plain, short},
    definition::{Expression, FileRef, neuprint},
    diagnostics::{Diagnostic, Diagnostics, nearest},
    yaml_tree::{Kind, Node, Span},
};

/// Collects what is wrong with one file.
pub(super) struct Reader<'t> {
    file: &'static str,
    lines: Vec<&'t str>,
    pub(super) found: Diagnostics,
    /// Whether lines are shown without values that may be secrets.
    hides: bool,
}

/// The members of a mapping whose keys are all known.
pub(super) struct Fields<'t> {
    /// Where the mapping stands, or the key that it belongs to.
    pub(super) span: Span,
    members: Vec<(&'t str, &'t Node)>,
    /// Known keys that unknown ones were taken for: their absence is explained.
    mistaken: Vec<String>,
}

impl<'t> Fields<'t> {
    pub(super) fn get(&self, key: &str) -> Option<&'t Node> {
        self.members.iter().find(|(known, _)| *known == key).map(|(_, node)| *node)
    }
}

impl<'t> Reader<'t> {
    pub(super) fn new(file: &'static str, text: &'t str) -> Self {
        Self { file, lines: text.lines().collect(), found: Diagnostics::default(), hides: false }
    }

    /// Reads something whose values may be secrets, also where they stand at the wrong place: mistakes show no values.
    pub(super) fn hiding<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.hides, true);
        let found = read(self);
        self.hides = before;
        found
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.error_with_help(span, message, None);
    }

    pub(super) fn error_with_help(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        let snippet = (span.line as usize).checked_sub(1).and_then(|at| self.lines.get(at));
        self.found.push(Diagnostic {
            file: self.file.to_owned(),
            line: span.line,
            column: span.column,
            len: span.len,
            message: message.into(),
            help,
            snippet: snippet
                .map(|line| if self.hides { neuprint::hidden(line) } else { neuprint::without_token(line) }),
        });
    }

    fn wrong(&mut self, node: &Node, expected: &str) {
        let found = describe(node);
        self.error(node.span, format!("expected {expected}, found {found}"));
    }

    /// A mapping with keys out of `known`; anything else in it is noted and left out.
    pub(super) fn fields(&mut self, node: &'t Node, what: &str, known: &[&str]) -> Option<Fields<'t>> {
        let Kind::Map(entries) = &node.kind else {
            self.wrong(node, &format!("{what} as a mapping"));
            return None;
        };
        let mut members: Vec<(&str, &Node)> = Vec::with_capacity(entries.len());
        let mut mistaken = Vec::new();
        for (key, value) in entries {
            let Some(name) = key.text() else {
                self.wrong(key, "a key");
                continue;
            };
            if !known.contains(&name) {
                let help = match nearest(name, known.iter().copied()) {
                    Some(near) => {
                        mistaken.push(near.to_owned());
                        format!("did you mean `{near}`?")
                    }
                    None => format!("known keys are {}", known.join(", ")),
                };
                self.error_with_help(
                    key.span,
                    format!("unknown key `{}` in {what}", short(name)),
                    Some(help),
                );
            } else if members.iter().any(|(seen, _)| *seen == name) {
                self.error(key.span, format!("the key `{name}` occurs twice"));
            } else {
                members.push((name, value));
            }
        }
        Some(Fields { span: node.span, members, mistaken })
    }

    /// A member that must be there.
    pub(super) fn required(&mut self, fields: &Fields<'t>, key: &str, what: &str) -> Option<&'t Node> {
        let node = fields.get(key);
        if node.is_none() && !fields.mistaken.iter().any(|mistaken| mistaken == key) {
            self.error(fields.span, format!("missing key `{key}` in {what}"));
        }
        node
    }

    /// Text; numbers and truths written without quotes count as what they read.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.kind {
            Kind::Scalar { text, plain, .. } if !(text.trim().is_empty() || *plain && is_null(text)) => {
                Some(text.clone())
            }
            _ => {
                self.wrong(node, what);
                None
            }
        }
    }

    pub(super) fn optional_text(&mut self, fields: &Fields<'t>, key: &str, what: &str) -> Option<String> {
        fields.get(key).and_then(|node| self.text(node, what))
    }

    /// Text of letters out of `allowed`.
    pub(super) fn name(&mut self, node: &Node, what: &str, allowed: &str) -> Option<String> {
        const LONGEST: usize = 64;
        let text = self.text(node, what)?;
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || allowed.contains(c);
        if text.len() <= LONGEST
            && text.chars().all(fine)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Some(text);
        }
        let allowed: String = allowed.chars().map(|c| format!(", `{c}`")).collect();
        let message = format!("expected {what} of at most {LONGEST} lower-case letters, digits{allowed}");
        self.error(node.span, format!("{message}; found `{}`", short(&text)));
        None
    }

    pub(super) fn boolean(&mut self, fields: &Fields<'t>, key: &str, default: bool) -> bool {
        let Some(node) = fields.get(key) else { return default };
        if let Kind::Scalar { text, plain: true, .. } = &node.kind
            && let Plain::Bool(truth) = scalar::plain(text)
        {
            return truth;
        }
        self.wrong(node, "`true` or `false`");
        default
    }

    /// A number between `least` and `most`.
    pub(super) fn number(&mut self, fields: &Fields<'t>, key: &str, [least, default, most]: [f64; 3]) -> f64 {
        let Some(node) = fields.get(key) else { return default };
        let number = match &node.kind {
            Kind::Scalar { text, plain: true, .. } => text.parse::<f64>().ok(),
            _ => None,
        };
        match number {
            Some(number) if (least..=most).contains(&number) => number,
            _ => {
                self.wrong(node, &format!("a number from {least} to {most}"));
                default
            }
        }
    }

    /// A whole number between `least` and `most`.
    pub(super) fn whole(&mut self, fields: &Fields<'t>, key: &str, [least, default, most]: [u64; 3]) -> u64 {
        let Some(node) = fields.get(key) else { return default };
        let number = match &node.kind {
            Kind::Scalar { text, plain: true, .. } => text.parse::<u64>().ok(),
            _ => None,
        };
        match number {
            Some(number) if (least..=most).contains(&number) => number,
            _ => {
                self.wrong(node, &format!("a whole number from {least} to {most}"));
                default
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = node.text().unwrap_or_default();
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let quoted: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
        let help = nearest(text, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let expected = match quoted.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => "none, as there is nothing to choose from".to_owned(),
        };
        self.error_with_help(node.span, format!("expected {expected}, found {}", describe(node)), help);
        None
    }

    /// The items of a list.
    pub(super) fn items(&mut self, node: &'t Node, what: &str) -> &'t [Node] {
        match &node.kind {
            Kind::Seq(items) => items,
            _ => {
                self.wrong(node, &format!("{what} as a list"));
                &[]
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, fields: &Fields<'t>, key: &str, what: &str) -> Vec<String> {
        let Some(node) = fields.get(key) else { return Vec::new() };
        let items = self.items(node, key);
        items.iter().filter_map(|item| self.text(item, what)).collect()
    }

    pub(super) fn expression(&mut self, node: &Node) -> Option<Expression> {
        let code = self.text(node, "a jq expression")?;
        let Span { line, column, len } = node.span;
        let inside = match node.kind {
            Kind::Scalar { verbatim: Some(inset), .. } => Some(column + inset),
            _ => None,
        };
        Some(Expression { code, line, column, len, inside })
    }

    pub(super) fn optional_expression(&mut self, fields: &Fields<'t>, key: &str) -> Option<Expression> {
        fields.get(key).and_then(|node| self.expression(node))
    }

    /// A file of the catalogue; it must lie inside its folder.
    pub(super) fn file(&mut self, node: &Node) -> Option<FileRef> {
        let path = self.text(node, "a path in the catalogue's folder")?;
        let outside = path.starts_with('/') || path.split('/').any(|part| part.is_empty() || part == "..");
        if outside || path.contains('\\') {
            self.error(
                node.span,
                format!("expected a path in the catalogue's folder, found `{}`", short(&path)),
            );
            return None;
        }
        let Span { line, column, len } = node.span;
        let path = path.trim_start_matches("./").to_owned();
        Some(FileRef { path, line, column, len })
    }
}

fn is_null(text: &str) -> bool {
    scalar::plain(text) == Plain::Null
}

fn describe(node: &Node) -> String {
    match &node.kind {
        Kind::Map(_) => "a mapping".to_owned(),
        Kind::Seq(_) => "a list".to_owned(),
        Kind::Scalar { text, plain, .. } if text.trim().is_empty() || (*plain && is_null(text)) => {
            "nothing".to_owned()
        }
        Kind::Scalar { text, .. } => format!("`{}`", short(text.lines().next().unwrap_or_default())),
    }
}
