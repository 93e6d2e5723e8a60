//! Text to [`Expr`]: parse, lint, split into place and rest, compile.

use std::sync::OnceLock;

use jaq_core::{
    Compiler,
    load::{
        Arena, File, Lexer, Loader,
        parse::{Def, Parser, Term},
    },
};

use super::{
    Expr, Fallback, Place,
    library::{self, Quire},
    lint,
    path::Paths,
    term::{self, Jq},
};
use crate::decode::scalar::short;

pub(super) type Filter = jaq_core::Filter<Quire>;

/// Name of the definition that holds the expression; the program is a call of it.
const MAIN: &str = "quire_main";

/// Why text is not an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// First byte in the expression.
    pub(crate) offset: usize,
    /// Bytes.
    pub(crate) len: usize,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Flaw {
    /// A flaw of `part`, which is a slice of `code` (or stands for all of it).
    pub(super) fn new(code: &str, part: &str, message: impl Into<String>) -> Self {
        let start = (part.as_ptr() as usize).checked_sub(code.as_ptr() as usize);
        let offset = start.filter(|&offset| offset + part.len() <= code.len());
        let (offset, len) = offset.map_or((0, code.len()), |offset| (offset, part.len()));
        Self { offset, len, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

pub(super) fn expression(code: &str) -> Result<Expr, Flaw> {
    let parsed = parse(code)?;
    // The whole must compile whatever way it will be evaluated: variables that cross the split would not.
    compile(code, parsed.clone())?;
    let mut stages = term::into_pipe(parsed);
    let placed = stages.iter().take_while(|stage| term::has_places(stage)).count();
    let rest = term::from_pipe(stages.split_off(placed));
    let rest = rest.map(|rest| compile(code, rest)).transpose()?;
    let place = match term::from_pipe(stages) {
        None => Place::Whole,
        Some(place) => match Paths::of(&place) {
            Some(paths) => Place::Fast(paths, Box::new(fallback(code))),
            None => Place::Jaq(compile(code, with_path(place))?),
        },
    };
    Ok(Expr { place, rest })
}

/// The fallback of simple paths; when a rest follows, its code is cut off again on compiling.
fn fallback(code: &str) -> Fallback {
    Fallback { code: code.to_owned(), filter: OnceLock::new() }
}

/// A filter that makes `[path, value]` of the leading stages of `code` that have places.
pub(super) fn place_filter(code: &str) -> Result<Filter, Flaw> {
    let mut stages = term::into_pipe(parse(code)?);
    let placed = stages.iter().take_while(|stage| term::has_places(stage)).count();
    stages.truncate(placed);
    compile(code, with_path(term::from_pipe(stages).unwrap_or_default()))
}

fn with_path(term: Jq<'_>) -> Jq<'_> {
    Term::Call("path_value", vec![term])
}

fn parse(code: &str) -> Result<Jq<'_>, Flaw> {
    lint::text(code)?;
    let tokens = Lexer::new(code).lex().map_err(|errors| match errors.into_iter().next() {
        Some((expected, rest)) => {
            let mut first = rest.char_indices().skip(1);
            let found = first.next().map_or(rest, |(end, _)| rest.get(..end).unwrap_or(rest));
            Flaw::new(code, found, format!("expected {}, found {}", expected.as_str(), quoted(found)))
        }
        None => Flaw::new(code, code, "not an expression"),
    })?;
    let parsed = Parser::new(&tokens).parse(|p| p.term()).map_err(|errors| match errors.into_iter().next() {
        Some((expected, found)) => {
            let found = found.map_or_else(|| code.get(code.len()..).unwrap_or_default(), |token| token.0);
            Flaw::new(code, found, format!("expected {}, found {}", expected.as_str(), quoted(found)))
        }
        None => Flaw::new(code, code, "not an expression"),
    });
    let mut parsed = parsed?;
    lint::term(code, &mut parsed)?;
    term::meter_products(&mut parsed);
    Ok(parsed)
}

fn quoted(found: &str) -> String {
    if found.is_empty() { "the end of the expression".to_owned() } else { format!("`{}`", short(found)) }
}

fn compile<'s>(code: &'s str, mut term: Jq<'s>) -> Result<Filter, Flaw> {
    let mut definitions = reachable(&mut term);
    definitions.push(Def { name: MAIN, args: Vec::new(), body: term });
    let arena = Arena::default();
    let program = File { code: MAIN, path: () };
    let modules = Loader::new(definitions).load(&arena, program);
    let modules = modules.map_err(|_| Flaw::new(code, code, "modules cannot be used"))?;
    let filter = Compiler::default().with_funs(library::natives()).compile(modules);
    filter.map_err(|files| match files.into_iter().flat_map(|(_, errors)| errors).next() {
        Some((name, undefined)) => unknown(code, name, &undefined),
        None => Flaw::new(code, code, "not an expression"),
    })
}

fn unknown(code: &str, name: &str, undefined: &jaq_core::compile::Undefined) -> Flaw {
    let flaw = Flaw::new(code, name, format!("unknown {} `{name}`", undefined.as_str()));
    let jaq_core::compile::Undefined::Filter(arity) = undefined else { return flaw };
    let defined = library::definitions().iter().map(|def| (def.name, def.args.len()));
    let natives: Vec<_> = library::natives().map(|(name, args, _)| (name, args.len())).collect();
    let known: Vec<_> =
        defined.chain(natives).filter(|(known, _)| known.starts_with(char::is_alphabetic)).collect();
    if let Some((_, other)) = known.iter().find(|(known, _)| *known == name) {
        return flaw.help(format!("`{name}` takes {other} argument(s), not {arity}"));
    }
    match crate::diagnostics::nearest(name, known.iter().map(|(known, _)| *known)) {
        Some(near) => flaw.help(format!("did you mean `{near}`?")),
        None => flaw,
    }
}

/// The library's definitions that `term` needs, in the library's order: compiling all of them for every
/// expression would take most of the time of a short run.
fn reachable<'s>(term: &mut Jq<'s>) -> Vec<Def<&'s str>> {
    let library = library::definitions();
    let mut needed = vec![false; library.len()];
    let mut open = Vec::new();
    term::calls(term, &mut |name, arity| open.push((name, arity)));
    while let Some((name, arity)) = open.pop() {
        for (def, needed) in library.iter().zip(&mut needed) {
            if def.name == name && def.args.len() == arity && !*needed {
                *needed = true;
                term::calls(&mut def.body.clone(), &mut |name, arity| open.push((name, arity)));
            }
        }
    }
    library.iter().zip(needed).filter(|(_, needed)| *needed).map(|(def, _)| def.clone()).collect()
}
