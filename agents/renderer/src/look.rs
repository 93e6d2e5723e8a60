//! What the renderer needs to know of a catalogue: how its pages look and what its lists show.

use std::collections::BTreeMap;

use quire_catalogue::{Catalogue, FacetOrder, FieldKind, Figure, FigureOf};

/// A catalogue as the renderer sees it.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Folder of the catalogue in the site.
    pub slug: String,
    /// What readers see.
    pub title: String,
    /// One paragraph, may be empty.
    pub description: String,
    /// Where the site will stand, with a `/` at its end; without it there are no absolute addresses.
    pub base_url: Option<String>,
    /// Licence of the data.
    pub licence: Option<String>,
    /// Language of the pages.
    pub language: Option<String>,
    /// Origins that pages of records may show in a frame.
    pub frames: Vec<String>,
    /// Index fields in their order.
    pub fields: Vec<Field>,
    /// Which of them tells records apart that the list has after all others.
    pub apart: Option<usize>,
    /// Names of the look-ups in their order.
    pub lookups: Vec<String>,
    /// Names of the aggregates in their order.
    pub aggregates: Vec<String>,
    /// Figures in their order.
    pub figures: Vec<Figure>,
    /// Expression of the names of a record's further pages.
    pub variants: Option<String>,
    /// Template of a record's page.
    pub record: String,
    /// Template of a record's Markdown form, if there is one.
    pub markdown: Option<String>,
    /// Template of the list.
    pub list: String,
    /// The catalogue's own templates by name.
    pub templates: BTreeMap<String, String>,
    /// The catalogue's own assets by path below `assets/`.
    pub assets: BTreeMap<String, Vec<u8>>,
}

/// Folder of a catalogue's templates.
const TEMPLATES: &str = "templates/";
/// Folder of a catalogue's assets.
const ASSETS: &str = "assets/";
/// A text field of this weight or more holds other names of the record, if no field says that it does.
const NAMES_BOOST: f32 = 2.0;

impl Look {
    /// How `catalogue` looks.
    #[must_use]
    pub fn of(catalogue: &Catalogue) -> Self {
        let definition = catalogue.definition();
        let pages = &definition.pages;
        let name = |path: &str| path.strip_prefix(TEMPLATES).unwrap_or(path).to_owned();
        let (mut templates, mut assets) = (BTreeMap::new(), BTreeMap::new());
        for (path, bytes) in catalogue.bundle().files() {
            if let Some(path) = path.strip_prefix(ASSETS) {
                assets.insert(path.to_owned(), bytes.to_vec());
            } else if let (Some(path), Ok(text)) = (path.strip_prefix(TEMPLATES), std::str::from_utf8(bytes))
            {
                templates.insert(path.to_owned(), text.to_owned());
            }
        }
        Self {
            slug: definition.catalogue.clone(),
            title: definition.title.clone(),
            description: definition.description.clone().unwrap_or_default(),
            base_url: definition.site.base_url.clone(),
            licence: definition.site.licence.clone(),
            language: definition.site.language.clone(),
            frames: definition.site.frames.clone(),
            fields: fields(&definition.index.fields, &pages.list_columns),
            apart: pages.list_apart.as_ref().and_then(|name| position(&definition.index.fields, name)),
            lookups: definition.lookups.iter().map(|lookup| lookup.name.clone()).collect(),
            aggregates: definition.aggregates.iter().map(|aggregate| aggregate.name.clone()).collect(),
            figures: definition.figures.clone(),
            variants: pages.variants.as_ref().map(|each| each.code.clone()),
            record: pages.record.as_ref().map_or_else(|| DEFAULT_RECORD.to_owned(), |file| name(&file.path)),
            markdown: pages.markdown.as_ref().map(|file| name(&file.path)),
            list: pages.list.as_ref().map_or_else(|| DEFAULT_LIST.to_owned(), |file| name(&file.path)),
            templates,
            assets,
        }
    }

    /// Figures that are drawn from `of`.
    pub(crate) fn drawn_from(&self, of: FigureOf) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(move |figure| figure.of == of)
    }

    /// No catalogue at all: only the built-in templates.
    #[must_use]
    pub fn bare() -> Self {
        Self { record: DEFAULT_RECORD.to_owned(), list: DEFAULT_LIST.to_owned(), ..Self::default() }
    }
}

/// Page of a record when the catalogue has no template of its own.
pub const DEFAULT_RECORD: &str = "quire/record.html";
/// List when the catalogue has no template of its own.
pub const DEFAULT_LIST: &str = "quire/list.html";

/// An index field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name in `catalogue.yaml`.
    pub name: String,
    /// What readers see.
    pub label: String,
    /// Kind of its values.
    pub kind: Kind,
    /// Whether readers filter by it.
    pub facet: bool,
    /// Where among a record's tags lists show its values; nowhere if `None`.
    pub column: Option<usize>,
    /// Whether its values are other names of the record.
    pub names: bool,
    /// Whether rows keep its values: what lists, data files and the static search know of it.
    pub shards: bool,
    /// Whether it is found by what stands inside its words.
    pub infix: bool,
    /// Whether a filter's values are in natural order, not by frequency.
    pub natural: bool,
}

fn position(fields: &[quire_catalogue::Field], name: &str) -> Option<usize> {
    fields.iter().position(|field| field.name == name)
}

/// Other names of a record are in the fields that say so; where none does, in those that weigh much. Lists show the
/// `columns`; where none is named, all that readers filter by.
fn fields(fields: &[quire_catalogue::Field], columns: &[String]) -> Vec<Field> {
    let any_synonym = fields.iter().any(|field| field.synonym);
    let names = |field: &quire_catalogue::Field| {
        field.shards && if any_synonym { field.synonym } else { field.boost >= NAMES_BOOST }
    };
    let shown = |field: &quire_catalogue::Field| match columns {
        [] => (field.facet && field.kind == FieldKind::Keyword).then_some(0),
        columns => columns.iter().position(|column| *column == field.name),
    };
    let look = |field: &quire_catalogue::Field| Field {
        name: field.name.clone(),
        label: field.label.clone().unwrap_or_else(|| default_label(&field.name)),
        kind: match field.kind {
            FieldKind::Text => Kind::Text,
            FieldKind::Keyword => Kind::Keyword,
            FieldKind::Number => Kind::Number,
        },
        facet: field.facet,
        column: shown(field),
        names: names(field),
        shards: field.shards,
        infix: field.infix && field.shards,
        natural: field.order == FacetOrder::Natural,
    };
    fields.iter().map(look).collect()
}

/// Kind of an index field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Running text.
    Text,
    /// Exact values.
    Keyword,
    /// Numbers.
    Number,
}

impl Kind {
    /// The word in `catalogue.yaml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Keyword => "keyword",
            Self::Number => "number",
        }
    }
}

/// The label of a field that has none of its own: `body_site` becomes `Body site`.
#[must_use]
pub fn default_label(name: &str) -> String {
    crate::engine::capfirst(&name.replace('_', " "))
}
