//! What a catalogue defines: `catalogue.yaml` as plain data, read and checked.
//!
//! [`Definition`] is what the other parts of Quire ask; expressions stay text here (see [`Expression`]), the catalogue
//! compiles them when they are first needed.

mod aggregates;
mod eyemap;
mod figures;
mod neuprint;
mod read;
mod reader;
mod rules;
mod site;

use quire_proto::Severity;

pub use aggregates::Aggregate;
pub use eyemap::{EyemapOptions, FigureTooltips};
pub use figures::{Figure, FigureKind, FigureOf};
pub use neuprint::{Neuprint, Token, TypePatterns};
pub(crate) use read::read;

/// A catalogue's definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// `catalogue:`, the slug: `[a-z0-9-]+`.
    pub catalogue: String,
    /// `title:`, shown to readers.
    pub title: String,
    /// `description:`.
    pub description: Option<String>,
    /// `site:`.
    pub site: Site,
    /// `sources:`, at least one.
    pub sources: Vec<Source>,
    /// `record:`.
    pub record: RecordSection,
    /// `validate:`.
    pub validate: Validate,
    /// `index: { fields: … }`.
    pub index: Index,
    /// `lookups:`.
    pub lookups: Vec<Lookup>,
    /// `aggregates:`.
    pub aggregates: Vec<Aggregate>,
    /// `figures:`.
    pub figures: Vec<Figure>,
    /// `pages:`.
    pub pages: Pages,
}

impl Definition {
    /// A source by name.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }
}

/// `site:`: facts about the published site, all optional.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site {
    /// Where the site will be reached; without it no canonical links and no sitemap. Without a final `/`.
    pub base_url: Option<String>,
    /// Licence of the published data (an SPDX expression or a name).
    pub licence: Option<String>,
    /// Language of the pages (BCP 47); `en` if it is not given.
    pub language: Option<String>,
    /// Origins (`https://host`) that pages of records may show in a frame; none if it is not given.
    pub frames: Vec<String>,
}

/// One of `sources:`: where records come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// `name:`, unique in the catalogue: `[a-z0-9-]+`.
    pub name: String,
    /// Where they come from, with its settings.
    pub connector: Connector,
    /// `split:`, one location to many records.
    pub split: Option<Expression>,
}

/// What reads a source, by its key in `catalogue.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connector {
    /// `files:`.
    Files(Files),
    /// `neuprint:`.
    Neuprint(Neuprint),
}

impl Connector {
    /// Its settings, if it reads files.
    #[must_use]
    pub const fn files(&self) -> Option<&Files> {
        match self {
            Self::Files(files) => Some(files),
            Self::Neuprint(_) => None,
        }
    }

    /// Its settings, if it asks a neuPrint server.
    #[must_use]
    pub const fn neuprint(&self) -> Option<&Neuprint> {
        match self {
            Self::Neuprint(neuprint) => Some(neuprint),
            Self::Files(_) => None,
        }
    }

    /// What is in its locations.
    #[must_use]
    pub const fn format(&self) -> SourceFormat {
        match self {
            Self::Files(files) => files.format,
            Self::Neuprint(_) => SourceFormat::Json,
        }
    }

    /// Most bytes of one item, unpacked.
    #[must_use]
    pub const fn max_bytes(&self) -> u64 {
        match self {
            Self::Files(files) => files.max_bytes,
            Self::Neuprint(_) => neuprint::MAX_RECORD_BYTES,
        }
    }

    /// Deepest nesting of one item.
    #[must_use]
    pub const fn max_depth(&self) -> usize {
        match self {
            Self::Files(files) => files.max_depth,
            Self::Neuprint(_) => neuprint::MAX_RECORD_DEPTH,
        }
    }
}

/// `files:`: records in files below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Folder, relative to the catalogue's; `${VAR:-default}` is expanded where the source is read.
    pub root: String,
    /// Glob patterns of the files to read, relative to `root`.
    pub include: Vec<String>,
    /// Glob patterns of files left out.
    pub exclude: Vec<String>,
    /// What is in the files; `.gz` and `.zst` are unpacked by their ending.
    pub format: SourceFormat,
    /// Whether symbolic links are followed.
    pub follow_symlinks: bool,
    /// Most bytes of one item, unpacked.
    pub max_bytes: u64,
    /// Deepest nesting of one item.
    pub max_depth: usize,
}

/// What is in a source's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFormat {
    /// One JSON text a file.
    Json,
    /// One YAML document a file.
    Yaml,
    /// One JSON text a line.
    Jsonl,
    /// Comma-separated values with a header; a row becomes an object of strings.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
}

impl SourceFormat {
    /// All formats with their word in `catalogue.yaml`.
    pub const ALL: [(&'static str, Self); 5] = [
        ("json", Self::Json),
        ("yaml", Self::Yaml),
        ("jsonl", Self::Jsonl),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
    ];

    /// The word in `catalogue.yaml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("json", |(word, _)| word)
    }
}

/// A jq expression and where it stands in `catalogue.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The expression.
    pub code: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters of the value, counted from 1.
    pub column: u32,
    /// Characters of the value on its first line.
    pub len: u32,
    /// Column of the expression's first character, where the value is written as it reads on one line.
    pub(crate) inside: Option<u32>,
}

/// `record:`: how an item becomes a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSection {
    /// `normalise:`, applied before everything else; its one output is the record.
    pub normalise: Option<Expression>,
    /// `key:`, the record's identity.
    pub key: Expression,
    /// `title:`.
    pub title: Expression,
    /// `summary:`.
    pub summary: Option<Expression>,
    /// `slug:`, text from which the page's name is made; the key if it is not given.
    pub slug: Option<Expression>,
}

/// `validate:`: what is valid.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Validate {
    /// `schema:`, a JSON Schema file.
    pub schema: Option<FileRef>,
    /// `rules:`, with unique names.
    pub rules: Vec<Rule>,
}

/// A file of the catalogue, named in `catalogue.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// Path in the catalogue's folder.
    pub path: String,
    /// Line where it is named.
    pub line: u32,
    /// Column where it is named.
    pub column: u32,
    /// Characters of the name.
    pub len: u32,
}

/// One of `validate: { rules: … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `name:`, unique; claims are compared within it.
    pub name: String,
    /// What the rule says.
    pub kind: RuleKind,
    /// `severity:`, `reject` if it is not given.
    pub severity: Severity,
    /// `fold: case`: values are compared by [`crate::fold`].
    pub fold: bool,
    /// `message:`, in place of ours.
    pub message: Option<String>,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleKind {
    /// No other record, and no other place in the record, may hold one of the values.
    Unique(Expression),
    /// Records may share the value of `by` while the whole of what `of` yields is equal.
    Consistent {
        /// Yields the things that must agree.
        of: Expression,
        /// Identity of a thing, evaluated on it.
        by: Expression,
    },
    /// Each value must be held by some record under the rule `to`.
    Reference {
        /// The values.
        of: Expression,
        /// Name of the rule whose claims must hold them.
        to: String,
    },
    /// No other record may hold one of the values under the rule `from`.
    Excludes {
        /// The values.
        of: Expression,
        /// Name of the rule whose claims must not hold them.
        from: String,
    },
    /// The values must differ from each other within the record.
    Distinct(Expression),
    /// Every output must be true, and there must be one.
    Expect {
        /// The condition.
        of: Expression,
        /// Where to point to in the record.
        at: Option<String>,
    },
}

impl RuleKind {
    /// The word in `catalogue.yaml`, and first part of a problem's rule.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unique(_) => "unique",
            Self::Consistent { .. } => "consistent",
            Self::Reference { .. } => "reference",
            Self::Excludes { .. } => "excludes",
            Self::Distinct(_) => "distinct",
            Self::Expect { .. } => "expect",
        }
    }

    /// Whether records claim values under the rule.
    #[must_use]
    pub const fn claims(&self) -> bool {
        matches!(self, Self::Unique(_) | Self::Consistent { .. })
    }
}

/// `index:`: what search knows of a record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Index {
    /// The fields, in the order of rows and documents.
    pub fields: Vec<Field>,
}

/// One of `index: { fields: … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// `name:`, unique: `[a-z0-9_]+`.
    pub name: String,
    /// `label:`, what readers see; the name with blanks if it is not given.
    pub label: Option<String>,
    /// `from:`, the values.
    pub from: Expression,
    /// `type:`.
    pub kind: FieldKind,
    /// `boost:`, weight in free-text search.
    pub boost: f32,
    /// `facet:`, offered as a filter.
    pub facet: bool,
    /// `synonym:`, found by exact look-up like the title.
    pub synonym: bool,
    /// `shards:`, kept in list rows, data files and the static search.
    pub shards: bool,
    /// `infix:`, found by what stands inside its words as well, in the static search.
    pub infix: bool,
    /// `order:`, how a filter's values are sorted.
    pub order: FacetOrder,
}

/// How the values of a filter are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FacetOrder {
    /// The most frequent first.
    #[default]
    Frequent,
    /// By name, numbers by size: 2 before 10.
    Natural,
}

impl FacetOrder {
    /// All orders with their word in `catalogue.yaml`.
    pub const ALL: [(&'static str, Self); 2] = [("frequent", Self::Frequent), ("natural", Self::Natural)];
}

/// How a field is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Words, stemmed.
    Text,
    /// Whole values.
    Keyword,
    /// Numbers.
    Number,
}

impl FieldKind {
    /// All kinds with their word in `catalogue.yaml`.
    pub const ALL: [(&'static str, Self); 3] =
        [("text", Self::Text), ("keyword", Self::Keyword), ("number", Self::Number)];
}

/// One of `lookups:`: other records found by shared terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// `name:`, unique: `[a-z0-9_]+`.
    pub name: String,
    /// `by:`, the terms that a record looks for.
    pub by: Expression,
    /// `in:`, the terms under which a record is found.
    pub within: Expression,
    /// `fold: case`.
    pub fold: bool,
}

/// `pages:`: how a record looks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pages {
    /// `record:`, template of a record's page; a default exists.
    pub record: Option<FileRef>,
    /// `markdown:`, template of its Markdown form.
    pub markdown: Option<FileRef>,
    /// `list:`, template of the list; a default exists.
    pub list: Option<FileRef>,
    /// `list_columns:`, names of the facets whose values the list shows, in their order; all where none is named.
    pub list_columns: Vec<String>,
    /// `list_apart:`, name of a facet: records that have a value of it come last in the list, and under no letter.
    pub list_apart: Option<String>,
    /// `variants: { each: … }`, names of further pages of a record; sees `$aggregates`.
    pub variants: Option<Expression>,
}
