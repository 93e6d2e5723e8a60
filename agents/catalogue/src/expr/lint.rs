//! What an expression must not do, found before it is compiled.

use super::{
    compile::Flaw,
    library::IMPURE,
    term::{self, Jq},
};

/// Longest expression, in bytes.
pub(super) const MAX_CODE_BYTES: usize = 16 * 1024;
/// Deepest nesting of brackets; the parser is recursive.
const MAX_BRACKETS: usize = 64;
/// Most pipes, commas and operators; the compiler is recursive.
const MAX_OPERATORS: usize = 600;

/// Bounds of the text, before it is parsed.
pub(super) fn text(code: &str) -> Result<(), Flaw> {
    if code.trim().is_empty() {
        return Err(Flaw::new(code, code, "expected an expression, found nothing"));
    }
    if code.len() > MAX_CODE_BYTES {
        let message = format!("expression has {} bytes, at most {MAX_CODE_BYTES} are allowed", code.len());
        return Err(Flaw::new(code, "", message));
    }
    let (mut open, mut operators) = (0_usize, 0_usize);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            '|' | ',' | '+' | '-' | '*' | '/' | '%' | '=' | '<' | '>' | ';' => operators += 1,
            _ => {}
        }
        if open > MAX_BRACKETS || operators > MAX_OPERATORS {
            let rest = code.get(at..at + 1).unwrap_or_default();
            return Err(Flaw::new(code, rest, "expression is nested too deeply or too long"));
        }
    }
    Ok(())
}

/// Impure functions and definitions that call themselves.
pub(super) fn term<'s>(code: &'s str, parsed: &mut Jq<'s>) -> Result<(), Flaw> {
    let mut impure = None;
    visit(parsed, &mut |term| {
        let name = match term {
            Jq::Call(name, _) | Jq::Var(name) => *name,
            _ => return,
        };
        if IMPURE.contains(&name) {
            impure.get_or_insert(name);
        }
    });
    if let Some(name) = impure {
        let flaw = Flaw::new(code, name, format!("`{name}` is not available"));
        return Err(flaw.help("an expression depends on the record alone"));
    }
    match recursion(parsed, &mut Vec::new()) {
        None => Ok(()),
        Some(name) => {
            let flaw = Flaw::new(code, name, format!("`{name}` calls itself"));
            Err(flaw.help("definitions must not be recursive; use `recurse`, `reduce` or `walk`"))
        }
    }
}

fn visit<'s>(term: &mut Jq<'s>, each: &mut dyn FnMut(&Jq<'s>)) {
    each(term);
    term::each_part(term, &mut |part| visit(part, each));
}

/// A call of a definition from inside itself.
fn recursion<'s>(parsed: &mut Jq<'s>, inside: &mut Vec<(&'s str, usize)>) -> Option<&'s str> {
    if let Some((defs, inner)) = term::definitions(parsed) {
        for def in defs {
            inside.push((def.name, def.args.len()));
            let found = recursion(&mut def.body, inside);
            inside.pop();
            if found.is_some() {
                return found;
            }
        }
        return recursion(inner, inside);
    }
    if let Jq::Call(name, args) = parsed
        && inside.contains(&(*name, args.len()))
    {
        return Some(name);
    }
    let mut found = None;
    term::each_part(parsed, &mut |part| {
        if found.is_none() {
            found = recursion(part, inside);
        }
    });
    found
}
