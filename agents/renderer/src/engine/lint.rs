//! Checks of templates beyond their syntax: what would fail on the first record, and what would let a record
//! break out of the place where it is printed.

use minijinja::{Environment, ErrorKind};

use super::{
    TemplateProblem,
    html::{Place, Walk},
    scan::{Code, Piece, Token, pieces},
};
use crate::look::Look;

/// Adds the problems of all templates of `look`, which are in `env` as far as they compile.
pub(super) fn lint(look: &Look, env: &Environment<'_>, problems: &mut Vec<TemplateProblem>) {
    for (name, source) in &look.templates {
        let found = Found { file: format!("templates/{name}"), env, problems, look };
        found.template(source, name.ends_with(".html") || name.ends_with(".xml"));
    }
    let wanted = [Some(&look.record), look.markdown.as_ref(), Some(&look.list)];
    for name in wanted.into_iter().flatten().filter(|name| env.get_template(name).is_err()) {
        let file = format!("templates/{name}");
        if !problems.iter().any(|problem| problem.file == file) {
            problems.push(TemplateProblem { file, line: 0, message: "there is no such template".into() });
        }
    }
}

struct Found<'a> {
    file: String,
    env: &'a Environment<'a>,
    problems: &'a mut Vec<TemplateProblem>,
    look: &'a Look,
}

impl Found<'_> {
    fn add(&mut self, line: u32, message: String) {
        self.problems.push(TemplateProblem { file: self.file.clone(), line, message });
    }

    fn template(mut self, source: &str, is_html: bool) {
        let mut walk = Walk::new();
        let pieces = pieces(source);
        self.names(&pieces);
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => walk.over(literal),
                Piece::Print(code) => {
                    self.filters(&code);
                    if is_html {
                        self.printed(&code, walk.place());
                    }
                }
                Piece::Block(code) => {
                    self.filters(&code);
                    self.block(&code);
                }
            }
        }
    }

    /// Aggregates and figures that the catalogue does not have.
    fn names(&mut self, pieces: &[Piece<'_>]) {
        let codes = || pieces.iter().filter_map(Piece::code);
        let figures: Vec<&str> = self.look.figures.iter().map(|figure| figure.name.as_str()).collect();
        let aggregates: Vec<&str> = self.look.aggregates.iter().map(String::as_str).collect();
        for (word, what, known) in [("aggregates", "aggregate", &aggregates), ("figures", "figure", &figures)]
        {
            if codes().any(|code| code.binds(word)) {
                continue;
            }
            for (line, name) in codes().flat_map(|code| code.members_of(word)) {
                if !known.contains(&name) {
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    self.add(line, format!("there is no {what} {name:?}: the catalogue has {known}"));
                }
            }
        }
    }

    fn filters(&mut self, code: &Code<'_>) {
        let pairs = code.tokens.windows(2).filter_map(|pair| match pair {
            [Token::Sign('|'), Token::Word(name)] => Some(*name),
            _ => None,
        });
        let block = match code.tokens.as_slice() {
            [Token::Word("filter"), Token::Word(name), ..] => Some(*name),
            _ => None,
        };
        for name in pairs.chain(block) {
            if name == "safe" {
                self.add(
                    code.line,
                    "the filter safe is not allowed: text of a record never becomes HTML".into(),
                );
            } else if !self.has_filter(name) {
                self.add(code.line, format!("there is no filter {name:?}"));
            }
        }
    }

    /// The environment cannot be asked, but it says so when an unknown filter is used.
    fn has_filter(&self, name: &str) -> bool {
        let used = format!("''|{name}");
        let outcome = self.env.compile_expression(&used).and_then(|expression| expression.eval(()));
        outcome.err().is_none_or(|error| error.kind() != ErrorKind::UnknownFilter)
    }

    fn block(&mut self, code: &Code<'_>) {
        match code.tokens.as_slice() {
            [Token::Word("autoescape"), ..] => {
                self.add(code.line, "autoescape cannot be changed: every page is escaped".into());
            }
            [Token::Word("extends" | "include" | "import" | "from"), Token::Text(name), rest @ ..]
                if !rest.contains(&Token::Word("missing")) && self.env.get_template(name).is_err() =>
            {
                self.add(code.line, format!("there is no template {name:?}"));
            }
            _ => {}
        }
    }

    fn printed(&mut self, code: &Code<'_>, place: Place) {
        let tojson = code.tokens.windows(2).any(|pair| pair == [Token::Sign('|'), Token::Word("tojson")]);
        let message = match place {
            Place::Tag => "a value in a tag must stand between quotes",
            Place::Script if !tojson => "a value in a script must be printed with tojson",
            Place::Style => "a value cannot be printed into a style sheet",
            Place::Attribute { active: true, .. } => {
                "a value cannot be printed into a script or style attribute"
            }
            Place::Attribute { quote: b'"', .. } if tojson => {
                "tojson in an attribute must stand between single quotes"
            }
            _ => return,
        };
        self.add(code.line, message.into());
    }
}
