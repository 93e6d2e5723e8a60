//! What the libraries by themselves take for what judging does.

use std::{error::Error, fs, path::Path};

use jaq_core::{
    Compiler, Ctx, Filter, Vars,
    data::JustLut,
    load::{Arena, File, Loader},
    unwrap_valr,
};
use jaq_json::Val;
use quire_catalogue::{Catalogue, RuleKind};
use quire_proto::{Digest, Item};

use super::cpu_ns;

/// Two functions that expressions may use, as cheap as jq can have them.
const OURS: &str = "def fold: ascii_downcase; def slugify: ascii_downcase; ";

/// Prints what each takes.
pub(super) fn measure(items: &[Item], home: &Path, catalogue: &Catalogue) -> Result<(), Box<dyn Error>> {
    let schema = serde_json::from_slice(&fs::read(home.join("schema.json"))?)?;
    let validator = jsonschema::validator_for(&schema)?;
    let each = |cpu: u64| (cpu_ns().saturating_sub(cpu)) / 1000 / items.len().max(1) as u64;
    let (cpu, mut valid, mut bytes) = (cpu_ns(), 0, 0);
    for item in items {
        bytes += Digest::of(&item.raw).to_string().len();
        let value: serde_json::Value = serde_json::from_slice(&item.raw)?;
        valid += usize::from(validator.is_valid(&value));
        bytes += serde_json::to_vec(&value)?.len();
    }
    println!("bare work of hashing, parsing, the schema and writing out: {} us CPU a record", each(cpu));

    let programs = Programs::new(catalogue)?;
    let values: Vec<Val> = items
        .iter()
        .map(|item| jaq_json::read::parse_single(&item.raw).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    let (cpu, mut outputs) = (cpu_ns(), 0);
    for value in values {
        outputs += programs.run(value);
    }
    println!("bare work of jaq: {} us CPU a record", each(cpu));
    println!("({valid} valid, {bytes} bytes written, {outputs} outputs of expressions)");
    Ok(())
}

type Program = Filter<JustLut<Val>>;

/// The expressions of a catalogue that judging evaluates.
struct Programs {
    normalise: Option<Program>,
    others: Vec<Program>,
}

impl Programs {
    fn new(catalogue: &Catalogue) -> Result<Self, String> {
        let definition = catalogue.definition();
        let record = &definition.record;
        let mut codes: Vec<&str> = vec![&record.key.code, &record.title.code];
        codes.extend([&record.summary, &record.slug].into_iter().flatten().map(|one| one.code.as_str()));
        codes.extend(definition.validate.rules.iter().map(|rule| match &rule.kind {
            RuleKind::Unique(of) | RuleKind::Distinct(of) => of.code.as_str(),
            RuleKind::Consistent { of, .. }
            | RuleKind::Reference { of, .. }
            | RuleKind::Excludes { of, .. }
            | RuleKind::Expect { of, .. } => of.code.as_str(),
        }));
        codes.extend(definition.index.fields.iter().map(|field| field.from.code.as_str()));
        codes.extend(definition.lookups.iter().flat_map(|one| [one.by.code.as_str(), &one.within.code]));
        let normalise = record.normalise.as_ref().map(|one| compile(&one.code)).transpose()?;
        Ok(Self { normalise, others: codes.into_iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// How many outputs there are.
    fn run(&self, value: Val) -> usize {
        let normal = self.normalise.as_ref().and_then(|program| outputs(program, value.clone()).next());
        let value = normal.unwrap_or(value);
        self.others.iter().map(|program| outputs(program, value.clone()).count()).sum()
    }
}

fn compile(code: &str) -> Result<Program, String> {
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let (arena, code) = (Arena::default(), format!("{OURS}{code}"));
    let modules = Loader::new(defs)
        .load(&arena, File { code: code.as_str(), path: () })
        .map_err(|_| format!("cannot be parsed: {code}"))?;
    Compiler::default().with_funs(funs).compile(modules).map_err(|_| format!("cannot be compiled: {code}"))
}

fn outputs(program: &Program, value: Val) -> impl Iterator<Item = Val> {
    let context = Ctx::<JustLut<Val>>::new(&program.lut, Vars::new([]));
    program.id.run((context, value)).map(unwrap_valr).filter_map(Result::ok)
}
