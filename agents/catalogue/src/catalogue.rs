//! A catalogue: its definition, and its expressions and schema, compiled when first needed.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use quire_proto::{Digest, DigestBuilder, Format, Item, Problem, Severity};

use crate::{
    bundle::Bundle,
    decode::{self, Limits},
    definition::{self, Definition, Expression, FileRef, Neuprint},
    diagnostics::{Diagnostic, Diagnostics},
    document::{self, FieldExprs, IndexDocument},
    encode,
    expr::{Expr, Flaw, Program},
    judge::{self, Assessment, Judging},
    locate,
    schema::Schema,
};

/// Version of everything in this crate that a verdict depends on. Raised when the same item and the same
/// catalogue may be judged otherwise than before; then nothing that was validated earlier counts as unchanged.
pub const VALIDATION_VERSION: u64 = 3;

/// File that defines a catalogue.
const FILE: &str = "catalogue.yaml";

/// A catalogue, ready to judge. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Catalogue(Arc<Inner>);

struct Inner {
    definition: Definition,
    bundle: Bundle,
    validation: OnceLock<Digest>,
    // A run in which nothing changed asks for none of these, so it does not pay for them.
    judging: OnceLock<Result<Judging, Diagnostics>>,
    fields: OnceLock<Result<FieldExprs, Diagnostics>>,
    splits: OnceLock<Vec<(String, Result<Expr, Diagnostics>)>>,
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue")
            .field("name", &self.name())
            .field("bundle", &self.0.bundle.digest())
            .finish()
    }
}

impl Catalogue {
    /// Reads the definition out of a bundle: YAML and structure, not yet expressions, schema and files.
    ///
    /// # Errors
    /// Everything that is wrong with `catalogue.yaml`, at once.
    pub fn load(bundle: Bundle) -> Result<Self, Diagnostics> {
        let text = match bundle.file(FILE).map(std::str::from_utf8) {
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                return Err(whole_file(format!(
                    "expected UTF-8, found another byte at offset {}",
                    error.valid_up_to()
                )));
            }
            None => return Err(whole_file("the catalogue has no catalogue.yaml".to_owned())),
        };
        let definition = definition::read(text)?;
        Ok(Self(Arc::new(Inner {
            definition,
            bundle,
            validation: OnceLock::new(),
            judging: OnceLock::new(),
            fields: OnceLock::new(),
            splits: OnceLock::new(),
        })))
    }

    /// Everything that is wrong beyond the structure: expressions, schema, files that are not there.
    #[must_use]
    pub fn check(&self) -> Diagnostics {
        let mut found = Diagnostics::default();
        for expression in self.definition().expressions() {
            if let Err(flaws) = self.compile(expression) {
                flaws.iter().for_each(|flaw| found.push(flaw.clone()));
            }
        }
        for expression in self.definition().programs() {
            if let Err(flaws) = self.program(expression) {
                flaws.iter().for_each(|flaw| found.push(flaw.clone()));
            }
        }
        for file in self.definition().files() {
            if self.0.bundle.file(&file.path).is_none() {
                found.push(self.at_file(file, format!("the catalogue has no file `{}`", file.path)));
            }
        }
        if let Err(flaws) = self.schema() {
            flaws.iter().for_each(|flaw| found.push(flaw.clone()));
        }
        found.sort();
        found
    }

    /// The definition as plain data.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.0.definition
    }

    /// The files of the catalogue.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.0.bundle
    }

    /// The catalogue's slug.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.definition.catalogue
    }

    /// Where the item of this key lies, as source and location, if the sources themselves tell: whoever looks there need
    /// not look elsewhere. `None`: it may be anywhere.
    #[must_use]
    pub fn places_of(&self, key: &str) -> Option<Vec<(String, String)>> {
        let mut places = Vec::new();
        for source in &self.definition().sources {
            let neuprint = source.connector.neuprint().filter(|_| source.split.is_none())?;
            let locations = neuprint.locations_of(key).into_iter();
            places.extend(locations.map(|location| (source.name.clone(), location)));
        }
        Some(places)
    }

    /// Where items lie that all others look at, as source and location: a site that grows key by key needs them from the start.
    #[must_use]
    pub fn common_places(&self) -> Vec<(String, String)> {
        let sources = self.definition().sources.iter();
        let shared = sources.filter(|source| source.split.is_none() && source.connector.neuprint().is_some());
        shared.map(|source| (source.name.clone(), Neuprint::DATASET.to_owned())).collect()
    }

    /// The key of the item at a location, if the source itself tells.
    #[must_use]
    pub fn key_at(&self, source: &str, location: &str) -> Option<String> {
        let source = self.definition().sources.iter().find(|known| known.name == source)?;
        source.connector.neuprint().filter(|_| source.split.is_none())?.key_at(location)
    }

    /// Digest of everything that a verdict depends on; while it stays, an item with the same content has the
    /// same verdict.
    #[must_use]
    pub fn validation_digest(&self) -> Digest {
        *self.0.validation.get_or_init(|| validation_digest(&self.0.definition, &self.0.bundle))
    }

    /// Judges one item by itself: decodes, normalises, validates. Pure; never panics, whatever the bytes.
    #[must_use]
    pub fn judge(&self, item: &Item) -> Assessment {
        judge::judge(self, item)
    }

    /// The index document of a record from its canonical body. Without a title, `record.title` is evaluated.
    ///
    /// # Errors
    /// A problem if the body is not a canonical body of this catalogue.
    pub fn document(&self, key: &str, title: Option<&str>, body: &[u8]) -> Result<IndexDocument, Problem> {
        let fields = self.fields().map_err(unusable)?;
        document::document(self.definition(), fields, key, title, body)
    }

    /// Takes one location's bytes apart into items, by the source's `split`; each is JSON text.
    /// A source without `split` yields the bytes as they are.
    ///
    /// # Errors
    /// A problem of the location as a whole.
    pub fn split(&self, source: &str, format: Format, raw: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
        let splits = self.0.splits.get_or_init(|| {
            let sources = self.definition().sources.iter();
            let split = |source: &definition::Source| {
                source.split.as_ref().map(|split| (source.name.clone(), self.compile(split)))
            };
            sources.filter_map(split).collect()
        });
        let Some((_, split)) = splits.iter().find(|(name, _)| name == source) else {
            return Ok(vec![raw.to_vec()]);
        };
        let split = split.as_ref().map_err(unusable)?;
        let raw = Bytes::copy_from_slice(raw);
        let value =
            decode::decode(format, &raw, self.limits(source)).map_err(|fault| fault.into_problem(1))?;
        let items = split.values(&value).map_err(|error| problem("split", error.to_string()))?;
        let encode = |item: &decode::Value| {
            let mut out = Vec::new();
            encode::write(item, &mut out).map(|()| out)
        };
        let items: Result<_, _> = items.iter().map(|item| encode(item)).collect();
        items.map_err(|error| problem("split", error.to_string()))
    }

    /// JSON Schema of `catalogue.yaml`, for editors.
    #[must_use]
    pub fn definition_schema() -> serde_json::Value {
        serde_json::from_str(include_str!("definition.schema.json")).unwrap_or_default()
    }

    /// The bounds of a source's items.
    pub(crate) fn limits(&self, source: &str) -> Limits {
        self.definition().source(source).map_or_else(Limits::default, |source| Limits {
            max_bytes: usize::try_from(source.connector.max_bytes()).unwrap_or(usize::MAX),
            max_depth: source.connector.max_depth(),
        })
    }

    pub(crate) fn judging(&self) -> Result<&Judging, &Diagnostics> {
        self.0.judging.get_or_init(|| Judging::compile(self)).as_ref()
    }

    pub(crate) fn fields(&self) -> Result<&FieldExprs, &Diagnostics> {
        self.0.fields.get_or_init(|| FieldExprs::compile(self)).as_ref()
    }

    /// Compiles an expression of the definition.
    pub(crate) fn compile(&self, expression: &Expression) -> Result<Expr, Diagnostics> {
        Expr::compile(&expression.code).map_err(|flaw| self.flawed(expression, flaw))
    }

    /// Compiles an expression of the definition that sees `$aggregates`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn program(&self, expression: &Expression) -> Result<Program, Diagnostics> {
        let names: Vec<String> =
            self.definition().aggregates.iter().map(|aggregate| aggregate.name.clone()).collect();
        Program::compile(&expression.code, &names).map_err(|flaw| self.flawed(expression, flaw))
    }

    fn flawed(&self, expression: &Expression, flaw: Flaw) -> Diagnostics {
        {
            let chars =
                |text: Option<&str>| u32::try_from(text.unwrap_or_default().chars().count()).unwrap_or(0);
            let code = expression.code.as_str();
            let (line, column, len) = match expression.inside {
                Some(inside) => {
                    let before = code.get(..flaw.offset).unwrap_or_default();
                    let last = before.rsplit('\n').next();
                    let line = expression.line + u32::try_from(before.matches('\n').count()).unwrap_or(0);
                    let flawed = code.get(flaw.offset..flaw.offset + flaw.len);
                    (line, inside + chars(last), chars(flawed).max(1))
                }
                None => (expression.line, expression.column, expression.len),
            };
            let mut found = Diagnostics::default();
            found.push(self.diagnostic(line, column, len, format!("jq: {}", flaw.message), flaw.help));
            found
        }
    }

    /// Compiles the schema, if there is one.
    pub(crate) fn schema(&self) -> Result<Option<Schema>, Diagnostics> {
        let Some(file) = &self.definition().validate.schema else { return Ok(None) };
        let mut found = Diagnostics::default();
        let Some(bytes) = self.0.bundle.file(&file.path) else {
            found.push(self.at_file(file, format!("the catalogue has no file `{}`", file.path)));
            return Err(found);
        };
        match Schema::compile(bytes) {
            Ok(schema) => Ok(Some(schema)),
            Err(flaw) => {
                let (line, column) =
                    flaw.line.unwrap_or_else(|| (locate::line(Format::Json, bytes, &flaw.pointer), 1));
                let snippet = String::from_utf8_lossy(bytes);
                let snippet = snippet.lines().nth(line.saturating_sub(1) as usize).map(str::to_owned);
                let (path, message) = (file.path.clone(), flaw.message);
                found.push(Diagnostic { file: path, line, column, len: 1, message, help: None, snippet });
                Err(found)
            }
        }
    }

    fn at_file(&self, file: &FileRef, message: String) -> Diagnostic {
        let near = crate::diagnostics::nearest(&file.path, self.0.bundle.files().map(|(path, _)| path));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        self.diagnostic(file.line, file.column, file.len, message, help)
    }

    fn diagnostic(
        &self,
        line: u32,
        column: u32,
        len: u32,
        message: String,
        help: Option<String>,
    ) -> Diagnostic {
        let text = self.0.bundle.file(FILE).map(String::from_utf8_lossy).unwrap_or_default();
        let snippet = (line as usize).checked_sub(1).and_then(|at| text.lines().nth(at)).map(str::to_owned);
        Diagnostic { file: FILE.to_owned(), line, column, len, message, help, snippet }
    }
}

fn whole_file(message: String) -> Diagnostics {
    let mut found = Diagnostics::default();
    let (file, help, snippet) = (FILE.to_owned(), None, None);
    found.push(Diagnostic { file, line: 0, column: 0, len: 0, message, help, snippet });
    found
}

/// The problem of every record of a catalogue that does not compile. `quire check` tells it better.
pub(crate) fn unusable(flaws: &Diagnostics) -> Problem {
    let first = flaws.iter().next();
    let text =
        first.map_or_else(String::new, |flaw| format!(" ({}:{}: {})", flaw.file, flaw.line, flaw.message));
    problem("catalogue", format!("the catalogue cannot be used{text}"))
}

pub(crate) fn problem(rule: &str, message: String) -> Problem {
    Problem {
        rule: rule.to_owned(),
        pointer: String::new(),
        line: None,
        message,
        holder: None,
        severity: Severity::Reject,
    }
}

fn validation_digest(definition: &Definition, bundle: &Bundle) -> Digest {
    let mut digest = DigestBuilder::new("quire validation").number(VALIDATION_VERSION);
    let code = |expression: Option<&Expression>| {
        expression.map_or("", |expression| expression.code.as_str()).to_owned()
    };
    for source in &definition.sources {
        let connector = &source.connector;
        digest = digest.text(&source.name).text(connector.format().as_str());
        digest = digest.text(&code(source.split.as_ref()));
        digest = digest.number(connector.max_bytes()).number(connector.max_depth() as u64);
    }
    let record = &definition.record;
    digest = digest.text("record").text(&code(record.normalise.as_ref())).text(&record.key.code);
    digest = digest
        .text(&record.title.code)
        .text(&code(record.summary.as_ref()))
        .text(&code(record.slug.as_ref()));
    digest = digest.text("rules");
    for rule in &definition.validate.rules {
        digest = digest.text(&rule.name).text(&format!("{:?}", (rule.severity, rule.fold, &rule.message)));
        digest = digest.text(rule.kind.word()).text(rule.kind.argument().unwrap_or_default());
        for expression in rule.kind.expressions() {
            digest = digest.text(&expression.code);
        }
    }
    digest = digest.text("fields");
    for field in &definition.index.fields {
        digest = digest
            .text(&field.name)
            .text(&field.from.code)
            .text(&format!("{:?}", (field.kind, field.shards)));
    }
    digest = digest.text("lookups");
    for lookup in &definition.lookups {
        digest = digest.text(&lookup.by.code).text(&lookup.within.code).number(u64::from(lookup.fold));
    }
    if !definition.aggregates.is_empty() {
        digest = digest.text("aggregates");
        for aggregate in &definition.aggregates {
            digest = digest.text(&aggregate.of.code);
        }
    }
    let schema = definition.validate.schema.as_ref().and_then(|file| bundle.file(&file.path));
    digest.text("schema").bytes(schema.unwrap_or_default()).finish()
}
