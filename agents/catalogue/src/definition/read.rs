//! `catalogue.yaml` to a [`Definition`].

use super::{
    Connector, Definition, Expression, FacetOrder, Field, FieldKind, FileRef, Files, Index, Lookup, Pages,
    RecordSection, Site, Source, SourceFormat, aggregates, figures, neuprint,
    reader::{Fields, Reader},
    rules,
    site::site,
};
use crate::{
    decode::MAX_DEPTH,
    diagnostics::Diagnostics,
    slug as page_name,
    yaml_tree::{self, Kind, Node, Span},
};

/// File that defines a catalogue.
pub(crate) const FILE: &str = "catalogue.yaml";
/// Most fields, look-ups, rules and sources, each.
const MOST: usize = 64;

const TOP: [&str; 12] = [
    "catalogue",
    "title",
    "description",
    "site",
    "sources",
    "record",
    "validate",
    "index",
    "lookups",
    "aggregates",
    "figures",
    "pages",
];

/// Reads a definition, or says everything that is wrong with it.
pub(crate) fn read(text: &str) -> Result<Definition, Diagnostics> {
    let mut reader = Reader::new(FILE, text);
    let tree = yaml_tree::read(text, MAX_DEPTH);
    let definition = match &tree {
        Ok(Some(tree)) => definition(&mut reader, tree),
        Ok(None) => {
            reader.error(Span::default(), "expected a catalogue's definition, found an empty file");
            None
        }
        Err(fault) => {
            reader.error(fault.span, fault.message.clone());
            None
        }
    };
    match definition {
        Some(definition) if reader.found.is_empty() => Ok(definition),
        _ => {
            reader.found.sort();
            Err(reader.found)
        }
    }
}

fn definition<'t>(r: &mut Reader<'t>, tree: &'t Node) -> Option<Definition> {
    let top = r.fields(tree, "the catalogue", &TOP)?;
    let catalogue = r.required(&top, "catalogue", "the catalogue").and_then(|node| slug(r, node));
    let title = r.required(&top, "title", "the catalogue").and_then(|node| r.text(node, "a title"));
    let description = r.optional_text(&top, "description", "a description");
    let site = top.get("site").map_or_else(Site::default, |node| site(r, node));
    let sources = r.required(&top, "sources", "the catalogue").map(|node| sources(r, node));
    let record = r.required(&top, "record", "the catalogue").and_then(|node| record(r, node));
    let validate = top.get("validate").map(|node| rules::validate(r, node)).unwrap_or_default();
    let index = top.get("index").map(|node| index(r, node)).unwrap_or_default();
    let lookups = top.get("lookups").map(|node| lookups(r, node)).unwrap_or_default();
    let aggregates = top.get("aggregates").map(|node| aggregates::aggregates(r, node)).unwrap_or_default();
    let figures = top.get("figures").map(|node| figures::figures(r, node)).unwrap_or_default();
    let pages = top.get("pages").map(|node| pages(r, node, &index)).unwrap_or_default();
    Some(Definition {
        catalogue: catalogue?,
        title: title?,
        description,
        site,
        sources: sources?,
        record: record?,
        validate,
        index,
        lookups,
        aggregates,
        figures,
        pages,
    })
}

/// The catalogue's slug: the name of its folder in the site, where `assets` is the assets' folder.
fn slug(r: &mut Reader<'_>, node: &Node) -> Option<String> {
    let slug = r.name(node, "a slug", "-")?;
    if !page_name::is_plain(&slug) {
        r.error(
            node.span,
            format!("`{slug}` cannot be a catalogue's slug: sites, or Windows, have another use for it"),
        );
        return None;
    }
    Some(slug)
}

fn sources<'t>(r: &mut Reader<'t>, node: &'t Node) -> Vec<Source> {
    let items = list(r, node, "`sources`");
    if items.is_empty() && matches!(node.kind, Kind::Seq(_)) {
        r.error(node.span, "expected at least one source");
    }
    let mut sources: Vec<Source> = Vec::new();
    for item in items {
        let Some(fields) = r.fields(item, "a source", &["name", "files", "neuprint", "split"]) else {
            continue;
        };
        let name = r.required(&fields, "name", "a source").and_then(|node| r.name(node, "a name", "-"));
        let connector = connector(r, &fields);
        let split = r.optional_expression(&fields, "split");
        let (Some(name), Some(connector)) = (name, connector) else { continue };
        if !is_new(r, &fields, &name, sources.iter().map(|source| source.name.as_str()), "source") {
            continue;
        }
        sources.push(Source { name, connector, split });
    }
    sources
}

/// What reads a source: one of the keys that name it.
fn connector<'t>(r: &mut Reader<'t>, fields: &Fields<'t>) -> Option<Connector> {
    match (fields.get("files"), fields.get("neuprint")) {
        (Some(node), None) => files(r, node).map(Connector::Files),
        (None, Some(node)) => r.hiding(|r| neuprint::neuprint(r, node)).map(Connector::Neuprint),
        (Some(_), Some(node)) => {
            r.error(node.span, "expected one of `files` and `neuprint` in a source, found both");
            None
        }
        (None, None) => {
            r.required(fields, "files", "a source");
            None
        }
    }
}

fn files<'t>(r: &mut Reader<'t>, node: &'t Node) -> Option<Files> {
    const KEYS: [&str; 7] =
        ["root", "include", "exclude", "format", "follow_symlinks", "max_bytes", "max_depth"];
    let fields = r.fields(node, "`files`", &KEYS)?;
    let format = r.required(&fields, "format", "`files`").and_then(|node| r.choice(node, &SourceFormat::ALL));
    let include = patterns(r, &fields, "include");
    if let Some(node) = r.required(&fields, "include", "`files`")
        && include.is_empty()
    {
        r.error(node.span, "expected at least one pattern");
    }
    Some(Files {
        root: r.optional_text(&fields, "root", "a folder").unwrap_or_else(|| ".".to_owned()),
        include,
        exclude: patterns(r, &fields, "exclude"),
        format: format?,
        follow_symlinks: r.boolean(&fields, "follow_symlinks", false),
        max_bytes: r.whole(&fields, "max_bytes", [1, 8 * 1024 * 1024, 256 * 1024 * 1024]),
        max_depth: usize::try_from(r.whole(&fields, "max_depth", [1, 64, MAX_DEPTH as u64])).unwrap_or(64),
    })
}

fn patterns<'t>(r: &mut Reader<'t>, fields: &Fields<'t>, key: &str) -> Vec<String> {
    if let Some(node) = fields.get(key) {
        for item in r.items(node, key) {
            if let Some(Err(error)) = item.text().map(globset::Glob::new) {
                r.error(item.span, format!("expected a pattern like `**/*.json`: {}", error.kind()));
            }
        }
    }
    r.texts(fields, key, "a pattern")
}

fn record<'t>(r: &mut Reader<'t>, node: &'t Node) -> Option<RecordSection> {
    let fields = r.fields(node, "`record`", &["normalise", "key", "title", "summary", "slug"])?;
    let key = r.required(&fields, "key", "`record`").and_then(|node| r.expression(node));
    let title = r.required(&fields, "title", "`record`").and_then(|node| r.expression(node));
    let normalise = r.optional_expression(&fields, "normalise");
    let summary = r.optional_expression(&fields, "summary");
    let slug = r.optional_expression(&fields, "slug");
    Some(RecordSection { normalise, key: key?, title: title?, summary, slug })
}

fn index<'t>(r: &mut Reader<'t>, node: &'t Node) -> Index {
    let Some(top) = r.fields(node, "`index`", &["fields"]) else { return Index::default() };
    let items = top.get("fields").map(|node| list(r, node, "`fields`")).unwrap_or_default();
    let mut fields: Vec<Field> = Vec::new();
    for item in items {
        if let Some((at, field)) = field(r, item)
            && is_new(r, &at, &field.name, fields.iter().map(|field| field.name.as_str()), "field")
        {
            fields.push(field);
        }
    }
    Index { fields }
}

fn field<'t>(r: &mut Reader<'t>, node: &'t Node) -> Option<(Fields<'t>, Field)> {
    let keys = ["name", "label", "from", "type", "boost", "facet", "synonym", "shards", "infix", "order"];
    let fields = r.fields(node, "a field", &keys)?;
    let name = r.required(&fields, "name", "a field").and_then(|node| r.name(node, "a name", "_"));
    let from = r.required(&fields, "from", "a field").and_then(|node| r.expression(node));
    let label = r.optional_text(&fields, "label", "a label");
    let kind = match fields.get("type") {
        None => Some(FieldKind::Text),
        Some(node) => r.choice(node, &FieldKind::ALL),
    };
    #[allow(clippy::cast_possible_truncation)] // between 0 and 1000
    let boost = r.number(&fields, "boost", [0.0, 1.0, 1000.0]) as f32;
    let facet = r.boolean(&fields, "facet", false);
    let synonym = r.boolean(&fields, "synonym", false);
    let [shards, infix] =
        [("shards", true), ("infix", false)].map(|(key, otherwise)| r.boolean(&fields, key, otherwise));
    let order = match fields.get("order") {
        None => Some(FacetOrder::default()),
        Some(node) => r.choice(node, &FacetOrder::ALL),
    };
    let (name, from, kind, order) = (name?, from?, kind?, order?);
    let field = Field { name, label, from, kind, boost, facet, synonym, shards, infix, order };
    Some((fields, field))
}

fn lookups<'t>(r: &mut Reader<'t>, node: &'t Node) -> Vec<Lookup> {
    let mut lookups: Vec<Lookup> = Vec::new();
    for item in list(r, node, "`lookups`") {
        let Some(fields) = r.fields(item, "a look-up", &["name", "by", "in", "fold"]) else { continue };
        let name = r.required(&fields, "name", "a look-up").and_then(|node| r.name(node, "a name", "_"));
        let by = r.required(&fields, "by", "a look-up").and_then(|node| r.expression(node));
        let within = r.required(&fields, "in", "a look-up").and_then(|node| r.expression(node));
        let fold = folds(r, &fields);
        let (Some(name), Some(by), Some(within)) = (name, by, within) else { continue };
        if is_new(r, &fields, &name, lookups.iter().map(|lookup| lookup.name.as_str()), "look-up") {
            lookups.push(Lookup { name, by, within, fold });
        }
    }
    lookups
}

fn pages<'t>(r: &mut Reader<'t>, node: &'t Node, index: &Index) -> Pages {
    let keys = ["record", "markdown", "list", "list_columns", "list_apart", "variants"];
    let Some(fields) = r.fields(node, "`pages`", &keys) else { return Pages::default() };
    let [record, markdown, list] =
        ["record", "markdown", "list"].map(|key| fields.get(key).and_then(|node| r.file(node)));
    let mut list_columns = Vec::new();
    if let Some(node) = fields.get("list_columns") {
        for item in r.items(node, "`list_columns`") {
            list_columns.extend(shown(r, item, index));
        }
    }
    let list_apart = fields.get("list_apart").and_then(|node| shown(r, node, index));
    let variants = fields.get("variants").and_then(|node| figures::variants(r, node));
    Pages { record, markdown, list, list_columns, list_apart, variants }
}

/// The name of a field that lists show: of one that readers filter by.
fn shown<'t>(r: &mut Reader<'t>, node: &'t Node, index: &Index) -> Option<String> {
    let is_shown = |field: &&Field| field.facet && field.kind == FieldKind::Keyword;
    let words: Vec<(&str, ())> =
        index.fields.iter().filter(is_shown).map(|field| (field.name.as_str(), ())).collect();
    let named = index.fields.iter().find(|field| Some(field.name.as_str()) == node.text());
    if let Some(field) = named.filter(|field| !is_shown(field)) {
        let name = &field.name;
        r.error_with_help(
            node.span,
            format!("lists show what readers filter by, and `{name}` is no keyword with `facet: true`"),
            Some("leave it out, or make it one under `index.fields`".to_owned()),
        );
        return None;
    }
    r.choice(node, &words)?;
    node.text().map(str::to_owned)
}

/// Whether `fold: case` is there.
pub(super) fn folds<'t>(r: &mut Reader<'t>, fields: &Fields<'t>) -> bool {
    fields.get("fold").is_some_and(|node| r.choice(node, &[("case", ())]).is_some())
}

/// The items of a list of at most [`MOST`].
pub(super) fn list<'t>(r: &mut Reader<'t>, node: &'t Node, what: &str) -> &'t [Node] {
    let items = r.items(node, what);
    if items.len() > MOST {
        r.error(node.span, format!("{what} has {} items, at most {MOST} are allowed", items.len()));
    }
    items
}

/// Notes a name that another one of its kind has.
pub(super) fn is_new<'n>(
    r: &mut Reader<'_>,
    at: &Fields<'_>,
    name: &str,
    mut others: impl Iterator<Item = &'n str>,
    what: &str,
) -> bool {
    let new = others.all(|other| other != name);
    if !new {
        let span = at.get("name").map_or(at.span, |node| node.span);
        r.error(span, format!("another {what} is named `{name}`"));
    }
    new
}

impl Definition {
    /// Every expression, with a word for where it stands.
    pub(crate) fn expressions(&self) -> Vec<&Expression> {
        let record = &self.record;
        let mut all: Vec<&Expression> =
            self.sources.iter().filter_map(|source| source.split.as_ref()).collect();
        all.extend([&record.normalise, &record.summary, &record.slug].into_iter().flatten());
        all.extend([&record.key, &record.title]);
        for rule in &self.validate.rules {
            all.extend(rule.kind.expressions());
        }
        all.extend(self.index.fields.iter().map(|field| &field.from));
        all.extend(self.lookups.iter().flat_map(|lookup| [&lookup.by, &lookup.within]));
        all.extend(self.aggregates.iter().map(|aggregate| &aggregate.of));
        all
    }

    /// Expressions that see `$aggregates`.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &Expression> {
        self.figures.iter().map(|figure| &figure.from).chain(&self.pages.variants)
    }

    /// How many figures are drawn from aggregates alone.
    #[must_use]
    pub fn shared_figures(&self) -> usize {
        self.figures.iter().filter(|figure| figure.of == super::FigureOf::Catalogue).count()
    }

    /// Every file that is named.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileRef> {
        let pages = &self.pages;
        [&self.validate.schema, &pages.record, &pages.markdown, &pages.list].into_iter().flatten()
    }
}
