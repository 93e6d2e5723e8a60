//! Expressions of pages: jq over a record and the catalogue's aggregates.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jaq_json::Val;

use super::{Aggregated, EvalError, Evaluated, Filter, Flaw, collect, compile};

/// A compiled expression that sees `$aggregates`. Whoever gives them learns which it looked at.
pub struct Program(Filter);

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Program")
    }
}

impl Program {
    /// Compiles `code` for a catalogue with these aggregates; [`crate::Catalogue::check`] tells better what is wrong with it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(code: &str, aggregates: &[String]) -> Result<Self, String> {
        Self::compile(code, aggregates).map_err(|flaw| flaw.message)
    }

    /// Compiles `code` for a catalogue with these aggregates.
    pub(crate) fn compile(code: &str, aggregates: &[String]) -> Result<Self, Flaw> {
        compile::program(code, aggregates).map(Self)
    }

    /// All outputs on `input`, in order. Bounded in steps and outputs as all expressions are.
    ///
    /// # Errors
    /// Why there are none, in words.
    pub fn outputs(&self, input: Val, aggregated: &dyn Aggregated) -> Result<Vec<Val>, String> {
        self.evaluate(input, aggregated).map_err(|error| error.to_string())
    }

    /// All aggregates as one object: the input of what is made from them alone.
    ///
    /// # Errors
    /// Why one of them cannot be had.
    pub fn input_of(aggregated: &dyn Aggregated) -> Result<Val, String> {
        let members = aggregated.names().iter().enumerate();
        let members = members.map(|(at, name)| Ok((Val::from(name.clone()), aggregated.get(at)?)));
        members.collect::<Result<_, String>>().map(Val::obj)
    }

    fn evaluate(&self, input: Val, aggregated: &dyn Aggregated) -> Evaluated<Vec<Val>> {
        let outputs = catch_unwind(AssertUnwindSafe(|| collect(&self.0, input, Some(aggregated))));
        outputs.unwrap_or_else(|_| Err(EvalError::Failed("a number or size is out of range".into())))
    }
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Program>();
};
