//! Where in an HTML document the end of a piece of literal text lies: what may be printed there depends on it.

/// A place in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between elements: printed values are text.
    Text,
    /// In a tag, outside quotes.
    Tag,
    /// In the value of an attribute, in these quotes.
    Attribute {
        /// The quotes.
        quote: u8,
        /// Whether the value is a script or a style.
        active: bool,
    },
    /// In a script.
    Script,
    /// In a style sheet.
    Style,
    /// In a comment.
    Comment,
}

/// Follows literal text through a document, piece by piece.
#[derive(Debug)]
pub(super) struct Walk {
    place: Place,
    /// Element whose tag is open, lower case.
    element: String,
    /// Attribute whose name was read last, lower case.
    attribute: String,
}

impl Walk {
    pub(super) const fn new() -> Self {
        Self { place: Place::Text, element: String::new(), attribute: String::new() }
    }

    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// Goes on over `literal`.
    pub(super) fn over(&mut self, literal: &str) {
        let mut rest = literal.as_bytes();
        while !rest.is_empty() {
            let taken = match self.place {
                Place::Text => self.in_text(rest),
                Place::Tag => self.in_tag(rest),
                Place::Attribute { quote, .. } => self.until(rest, &[quote], Place::Tag),
                Place::Script => self.until(rest, b"</script", Place::Tag),
                Place::Style => self.until(rest, b"</style", Place::Tag),
                Place::Comment => self.until(rest, b"-->", Place::Text),
            };
            rest = rest.get(taken.max(1)..).unwrap_or_default();
        }
    }

    /// Goes on to `end`, where `then` begins; returns how many bytes were taken.
    fn until(&mut self, rest: &[u8], end: &[u8], then: Place) -> usize {
        match rest.windows(end.len()).position(|window| window.eq_ignore_ascii_case(end)) {
            Some(at) => {
                if self.place == Place::Script || self.place == Place::Style {
                    self.element.clear();
                }
                self.place = then;
                at + end.len()
            }
            None => rest.len(),
        }
    }

    fn in_text(&mut self, rest: &[u8]) -> usize {
        let Some(at) = rest.iter().position(|&byte| byte == b'<') else { return rest.len() };
        let tail = rest.get(at + 1..).unwrap_or_default();
        if tail.starts_with(b"!--") {
            self.place = Place::Comment;
            return at + 4;
        }
        let closing = usize::from(tail.first() == Some(&b'/'));
        let name: Vec<u8> =
            tail.iter().skip(closing).copied().take_while(u8::is_ascii_alphanumeric).collect();
        if name.is_empty() && tail.first() != Some(&b'!') {
            return at + 1;
        }
        self.place = Place::Tag;
        self.element = if closing == 0 { lower(&name) } else { String::new() };
        self.attribute.clear();
        at + 1 + closing + name.len()
    }

    fn in_tag(&mut self, rest: &[u8]) -> usize {
        match rest.first() {
            Some(b'>') => {
                self.place = match self.element.as_str() {
                    "script" => Place::Script,
                    "style" => Place::Style,
                    _ => Place::Text,
                };
                1
            }
            Some(&quote @ (b'"' | b'\'')) => {
                let active = self.attribute.starts_with("on") || self.attribute == "style";
                self.place = Place::Attribute { quote, active };
                1
            }
            Some(byte) if byte.is_ascii_alphabetic() => {
                let name: Vec<u8> =
                    rest.iter().copied().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').collect();
                self.attribute = lower(&name);
                name.len()
            }
            _ => 1,
        }
    }
}

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(literal: &str) -> Place {
        let mut walk = Walk::new();
        walk.over(literal);
        walk.place()
    }

    #[test]
    fn the_place_after_a_piece_of_html_is_known() {
        let attribute = |quote, active| Place::Attribute { quote, active };
        for (literal, expected) in [
            ("<p>a < b", Place::Text),
            ("<a href=", Place::Tag),
            ("<a href=\"", attribute(b'"', false)),
            ("<a title='", attribute(b'\'', false)),
            ("<a onclick=\"", attribute(b'"', true)),
            ("<p STYLE=\"", attribute(b'"', true)),
            ("<a href=\"x\">", Place::Text),
            ("<script type=\"application/ld+json\">", Place::Script),
            ("<script></script >", Place::Text),
            ("<style>", Place::Style),
            ("<!-- <a href=\"", Place::Comment),
            ("<!doctype html><html lang=\"en\"><head>", Place::Text),
            ("</p", Place::Tag),
        ] {
            assert_eq!(place(literal), expected, "{literal}");
        }
    }
}
