//! Takes a template's text apart as far as the checks of [`super::lint`] need: literal text, and the tokens
//! between `{{ }}` and `{% %}`.

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text that is printed as it is.
    Literal(&'a str),
    /// `{{ … }}`.
    Print(Code<'a>),
    /// `{% … %}`.
    Block(Code<'a>),
}

/// What stands between two delimiters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Code<'a> {
    /// Line of the opening delimiter, counted from 1.
    pub(super) line: u32,
    /// The tokens; blanks are dropped.
    pub(super) tokens: Vec<Token<'a>>,
}

impl<'a> Piece<'a> {
    /// What stands between delimiters.
    pub(super) const fn code(&self) -> Option<&Code<'a>> {
        match self {
            Self::Literal(_) => None,
            Self::Print(code) | Self::Block(code) => Some(code),
        }
    }
}

impl<'a> Code<'a> {
    /// Members of the variable `word` that are written out (`word.name`, `word["name"]`), with their line.
    pub(super) fn members_of(&self, word: &str) -> Vec<(u32, &'a str)> {
        let mut members = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let free =
                at.checked_sub(1).and_then(|before| self.tokens.get(before)) != Some(&Token::Sign('.'));
            if *token != Token::Word(word) || !free {
                continue;
            }
            if let Some([Token::Sign('.'), Token::Word(name)] | [Token::Sign('['), Token::Text(name)]) =
                self.tokens.get(at + 1..at + 3)
            {
                members.push((self.line, *name));
            }
        }
        members
    }

    /// Whether a variable of this name may be the template's own.
    pub(super) fn binds(&self, word: &str) -> bool {
        let keyword = matches!(
            self.tokens.first(),
            Some(Token::Word("set" | "for" | "macro" | "with" | "import" | "from"))
        );
        let names =
            self.tokens.iter().take_while(|token| !matches!(token, Token::Sign('=') | Token::Word("in")));
        keyword && names.skip(1).any(|token| *token == Token::Word(word))
    }
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name, keyword or number.
    Word(&'a str),
    /// A string, without its quotes.
    Text(&'a str),
    /// Anything else, character by character.
    Sign(char),
}

/// The pieces of `source`, comments left out.
pub(super) fn pieces(source: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some((literal, kind, from)) = next_opening(rest) {
        pieces.push(Piece::Literal(literal));
        line += lines(literal);
        let (code, after) = match kind {
            '#' => {
                let (comment, after) = from.split_once("#}").unwrap_or((from, ""));
                line += lines(comment);
                rest = after;
                continue;
            }
            '{' => code(from, line, "}}"),
            _ => code(from, line, "%}"),
        };
        line += lines(from) - lines(after);
        rest = after;
        if kind == '%' && code.tokens.first() == Some(&Token::Word("raw")) {
            let (raw, after) = split_raw(rest);
            pieces.push(Piece::Literal(raw));
            line += lines(rest) - lines(after);
            rest = after;
            continue;
        }
        pieces.push(if kind == '{' { Piece::Print(code) } else { Piece::Block(code) });
    }
    pieces.push(Piece::Literal(rest));
    pieces
}

fn lines(text: &str) -> u32 {
    u32::try_from(text.bytes().filter(|&byte| byte == b'\n').count()).unwrap_or(u32::MAX / 2)
}

/// The text before the next delimiter, its second character, and what follows it.
fn next_opening(text: &str) -> Option<(&str, char, &str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find('{')?;
        match text.get(at + 1..)?.chars().next()? {
            kind @ ('{' | '%' | '#') => return Some((text.get(..at)?, kind, text.get(at + 2..)?)),
            _ => from = at + 1,
        }
    }
}

/// Splits behind `{% endraw %}`, in any spacing.
fn split_raw(text: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|tail| tail.find("{%")).map(|at| from + at) {
        let inside = text.get(at + 2..).unwrap_or_default();
        if inside.trim_start_matches(['-', '+']).trim_start().starts_with("endraw") {
            let after = inside.split_once("%}").map_or("", |(_, after)| after);
            return (text.get(..at).unwrap_or_default(), after);
        }
        from = at + 2;
    }
    (text, "")
}

/// The tokens up to `end`, and what follows it.
fn code<'a>(text: &'a str, line: u32, end: &str) -> (Code<'a>, &'a str) {
    let mut tokens = Vec::new();
    let mut rest = text;
    // In open brackets the delimiter is two brackets of an expression.
    let mut open = 0_usize;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { break };
        if let Some(after) = rest.strip_prefix(end).filter(|_| open == 0) {
            rest = after;
            break;
        }
        let length = match first {
            '"' | '\'' => {
                let length = string_length(rest, first);
                let inside = rest.get(1..length.saturating_sub(1)).unwrap_or_default();
                tokens.push(Token::Text(inside));
                length
            }
            _ if is_word(first) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest.get(..length).unwrap_or_default()));
                length
            }
            sign => {
                match sign {
                    '(' | '[' | '{' => open += 1,
                    ')' | ']' | '}' => open = open.saturating_sub(1),
                    _ => {}
                }
                tokens.push(Token::Sign(sign));
                sign.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    (Code { line, tokens }, rest)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Length of the string literal at the start of `text`, quotes included.
fn string_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_falls_into_text_and_code_with_lines() {
        let source =
            "a\n{{ x | safe }}{# {{ no }} \n #}\n{% include \"b}}.html\" %}{% raw %}{{ y }}{%- endraw %}z {";
        let found = pieces(source);
        assert_eq!(
            found,
            [
                Piece::Literal("a\n"),
                Piece::Print(Code {
                    line: 2,
                    tokens: vec![Token::Word("x"), Token::Sign('|'), Token::Word("safe")]
                }),
                Piece::Literal(""),
                Piece::Literal("\n"),
                Piece::Block(Code { line: 4, tokens: vec![Token::Word("include"), Token::Text("b}}.html")] }),
                Piece::Literal(""),
                Piece::Literal("{{ y }}"),
                Piece::Literal("z {"),
            ]
        );
    }

    #[test]
    fn brackets_of_an_expression_do_not_end_it() {
        let found = pieces("{{ {'a': {'b': 1}} | tojson }}.");
        assert_eq!(found.len(), 3);
        assert!(
            matches!(&found[1], Piece::Print(code) if code.tokens.last() == Some(&Token::Word("tojson")))
        );
    }

    #[test]
    fn an_unfinished_template_is_taken_apart_all_the_same() {
        for source in ["{{", "{% x", "{{ 'a", "{% raw %}{{", "{#", "{{ \"\\", "é{{é"] {
            pieces(source);
        }
    }
}
