//! Text to [`Expr`]: parse, lint, split into place and rest, compile.

use std::sync::OnceLock;

use jaq_core::{
    Compiler,
    load::{
        Arena, File, Lexer, Loader,
        parse::{BinaryOp, Def, Parser, Term},
    },
};

use super::{
    Alternative, Expr, Place, Rest, direct,
    library::{self, Quire},
    lint,
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
    let whole = direct::node(&parsed);
    let (place, rest) = split(parsed);
    let (place_filter, rest_filter) = (OnceLock::new(), OnceLock::new());
    let place = match place {
        None => Place::Whole,
        Some(place) => match alternatives(&place) {
            Some(alternatives) => Place::Direct(alternatives),
            None => {
                drop(place_filter.set(Some(compile(code, with_path(place))?)));
                Place::Jaq
            }
        },
    };
    let rest = match rest {
        None => Rest::Nothing,
        Some(rest) => match direct::node(&rest) {
            Some(node) => Rest::Direct(node),
            None => {
                drop(rest_filter.set(Some(compile(code, rest)?)));
                Rest::Jaq
            }
        },
    };
    Ok(Expr { code: code.to_owned(), place, rest, whole, place_filter, rest_filter })
}

/// The whole of `code` as a filter, in which `$aggregates` has these members.
pub(super) fn program(code: &str, aggregates: &[String]) -> Result<Filter, Flaw> {
    let mut parsed = parse(code)?;
    let mut unknown = None;
    term::name_aggregates(&mut parsed, &mut |name| {
        if !aggregates.iter().any(|known| known == name) {
            unknown.get_or_insert(name);
        }
    });
    let Some(name) = unknown else { return compile(code, parsed) };
    let flaw = Flaw::new(code, name, format!("there is no aggregate `{name}`"));
    Err(match crate::diagnostics::nearest(name, aggregates.iter().map(String::as_str)) {
        Some(near) => flaw.help(format!("did you mean `{near}`?")),
        None if aggregates.is_empty() => flaw.help("the catalogue has no `aggregates`"),
        None => flaw.help(format!("aggregates are {}", aggregates.join(", "))),
    })
}

/// The leading stages of a pipe whose outputs have places, and the others.
fn split(parsed: Jq<'_>) -> (Option<Jq<'_>>, Option<Jq<'_>>) {
    let mut stages = term::into_pipe(parsed);
    let placed = stages.iter().take_while(|stage| term::has_places(stage)).count();
    let rest = term::from_pipe(stages.split_off(placed));
    (term::from_pipe(stages), rest)
}

/// The paths that a term is made of, if it is nothing else.
fn alternatives(term: &Jq<'_>) -> Option<Vec<Alternative>> {
    match term {
        Term::BinOp(left, BinaryOp::Comma, right) => {
            let mut all = alternatives(left)?;
            all.extend(alternatives(right)?);
            Some(all)
        }
        Term::BinOp(left, BinaryOp::Alt, right) => {
            let empty = matches!(&**right, Term::Call("empty", args) if args.is_empty());
            let otherwise = Some(if empty { Vec::new() } else { alternatives(right)? });
            Some(vec![Alternative { steps: direct::steps_of(left)?, otherwise }])
        }
        _ => Some(vec![Alternative { steps: direct::steps_of(term)?, otherwise: None }]),
    }
}

/// A filter that makes `[path, value]` of the leading part of `code`.
pub(super) fn place_filter(code: &str) -> Result<Filter, Flaw> {
    let (place, _) = split(parse(code)?);
    compile(code, with_path(place.unwrap_or_default()))
}

/// The filter of the rest of `code`.
pub(super) fn rest_filter(code: &str) -> Result<Filter, Flaw> {
    let (_, rest) = split(parse(code)?);
    compile(code, rest.unwrap_or_default())
}

fn with_path(mut term: Jq<'_>) -> Jq<'_> {
    term::select_alternatives(&mut term);
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
