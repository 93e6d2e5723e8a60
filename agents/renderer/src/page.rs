//! The pages of one record: HTML, its machine-readable twin, and Markdown where the catalogue has it.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};
use quire_proto::RenderRecord;

use crate::{
    engine::{Engine, Output, RenderError, from_json, object, squeeze, texts},
    look::{Field, Look},
    project::SITE_TITLE,
    text::{absolute, shorten},
    twin::{NotJson, twin},
};

/// Longest description of a page, in characters.
const MAX_DESCRIPTION: usize = 200;

/// Why the pages of a record could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The body is not JSON.
    #[error("cannot read the body")]
    Body(#[from] serde_json::Error),
    /// The body is not JSON.
    #[error("cannot lay out the body")]
    Twin(#[from] NotJson),
    /// A template failed.
    #[error("cannot render")]
    Render(#[from] RenderError),
}

/// A file of a record, by the ending of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `html`, `json` or `md`.
    pub ending: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Makes the pages of records of one catalogue; holds what all their contexts share.
#[derive(Debug)]
pub struct Pages {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: Value,
    base: Value,
    catalogue: Value,
    site: Value,
    lookups: Vec<Value>,
    fields: Vec<FieldNames>,
}

/// The parts of a field's value that are the same for all records.
#[derive(Debug)]
struct FieldNames {
    name: Value,
    label: Value,
    kind: Value,
    facet: Value,
}

impl FieldNames {
    fn new(field: &Field) -> Self {
        Self {
            name: Value::from(field.name.as_str()),
            label: Value::from(field.label.as_str()),
            kind: Value::from(field.kind.as_str()),
            facet: Value::from(field.facet),
        }
    }
}

impl Pages {
    /// Prepares pages made by `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        let look = engine.look();
        let shared = Arc::new(Shared {
            root: Value::from("../"),
            base: Value::from(""),
            catalogue: object([
                ("slug", text(&look.slug)),
                ("title", text(&look.title)),
                ("description", text(&look.description)),
            ]),
            site: site(look),
            lookups: look.lookups.iter().map(|name| Value::from(name.as_str())).collect(),
            fields: look.fields.iter().map(FieldNames::new).collect(),
        });
        Self { engine, shared }
    }

    /// Makes the files of `record`, whose canonical body is `body`, sorted by ending.
    ///
    /// # Errors
    /// [`PageError`]; it is the record's or the template's fault and will not go away by itself.
    pub fn make(&self, record: &RenderRecord, body: &[u8]) -> Result<Vec<Page>, PageError> {
        let look = self.engine.look();
        let context = self.context(record, body)?;
        let html = self.engine.render(&look.record, Output::Html, context.clone())?;
        let mut pages = Vec::with_capacity(3);
        pages.push(Page { ending: "html", bytes: html.into_bytes() });
        pages.push(Page { ending: "json", bytes: twin(&look.slug, record, body)? });
        if let Some(template) = &look.markdown {
            let text = squeeze(&self.engine.render(template, Output::Text, context)?);
            pages.push(Page { ending: "md", bytes: text.into_bytes() });
        }
        Ok(pages)
    }

    /// What the templates of a record's page see.
    ///
    /// # Errors
    /// When the body is not JSON.
    pub fn context(&self, record: &RenderRecord, body: &[u8]) -> Result<Value, serde_json::Error> {
        let look = self.engine.look();
        let markdown = look.markdown.is_some();
        let path = format!("{}/{}.html", look.slug, record.slug);
        let record = Context {
            shared: Arc::clone(&self.shared),
            record: from_json(body)?,
            page: page("record", &path, &record.title, &record.row.summary, look.base_url.as_deref()),
            key: Value::from(record.key.as_str()),
            title: Value::from(record.title.as_str()),
            slug: Value::from(record.slug.as_str()),
            summary: Value::from(record.row.summary.as_str()),
            source: source(record),
            lookups: self.lookups(record),
            twins: twins(&record.slug, markdown),
            fields: self.fields(record),
        };
        Ok(Value::from_object(record))
    }

    fn lookups(&self, record: &RenderRecord) -> Value {
        let hits = |position: usize| {
            let hits = record.lookups.get(position).map_or(&[][..], Vec::as_slice);
            let values = hits.iter().map(|hit| {
                object([
                    ("key", text(&hit.key)),
                    ("title", text(&hit.title)),
                    ("slug", text(&hit.slug)),
                    ("via", texts(&hit.via)),
                ])
            });
            Value::from(values.collect::<Vec<_>>())
        };
        Value::from_pairs(self.shared.lookups.iter().enumerate().map(|(at, name)| (name.clone(), hits(at))))
    }

    fn fields(&self, record: &RenderRecord) -> Value {
        let fields = self.shared.fields.iter().enumerate().map(|(position, field)| {
            let values = record.row.fields.get(position).map_or(&[][..], Vec::as_slice);
            object([
                ("name", field.name.clone()),
                ("label", field.label.clone()),
                ("type", field.kind.clone()),
                ("facet", field.facet.clone()),
                ("values", texts(values)),
            ])
        });
        Value::from(fields.collect::<Vec<_>>())
    }
}

fn text(text: &str) -> Value {
    Value::from(text)
}

/// What every page of a catalogue knows of the site: nothing of other catalogues, so that a page does not
/// change when one comes or goes.
pub(crate) fn site(look: &Look) -> Value {
    site_titled(SITE_TITLE, look, look.base_url.as_deref())
}

/// A site of this title.
pub(crate) fn site_titled(title: &str, look: &Look, base_url: Option<&str>) -> Value {
    let optional = |text: Option<&str>| text.map_or(Value::from(()), Value::from);
    object([
        ("title", text(title)),
        ("base_url", optional(base_url)),
        ("licence", optional(look.licence.as_deref())),
        ("language", optional(look.language.as_deref())),
        ("frames", texts(&look.frames)),
    ])
}

/// What a page knows of itself.
pub(crate) fn page(kind: &str, path: &str, title: &str, summary: &str, base_url: Option<&str>) -> Value {
    let parts = [
        ("kind", text(kind)),
        ("path", text(path)),
        ("title", text(title)),
        ("description", Value::from(shorten(summary, MAX_DESCRIPTION))),
    ];
    let [kind, path_part, title, description] = parts;
    match absolute(base_url, path) {
        Some(canonical) => {
            object([kind, path_part, title, description, ("canonical", Value::from(canonical))])
        }
        None => object([kind, path_part, title, description]),
    }
}

fn source(record: &RenderRecord) -> Value {
    object([
        ("name", text(&record.item.source)),
        ("location", text(&record.item.location)),
        ("ordinal", Value::from(record.item.ordinal)),
        ("label", Value::from(record.item.to_string())),
    ])
}

fn twins(slug: &str, markdown: bool) -> Value {
    let json = ("json", Value::from(format!("{slug}.json")));
    if markdown { object([json, ("md", Value::from(format!("{slug}.md")))]) } else { object([json]) }
}

/// The top level of a record page's context.
#[derive(Debug)]
struct Context {
    shared: Arc<Shared>,
    record: Value,
    page: Value,
    key: Value,
    title: Value,
    slug: Value,
    summary: Value,
    source: Value,
    lookups: Value,
    twins: Value,
    fields: Value,
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let value = match key {
            "record" => &self.record,
            "page" => &self.page,
            "key" => &self.key,
            "title" => &self.title,
            "slug" => &self.slug,
            "summary" => &self.summary,
            "source" => &self.source,
            "lookups" => &self.lookups,
            "twins" => &self.twins,
            "fields" => &self.fields,
            "root" => &self.shared.root,
            "base" => &self.shared.base,
            "catalogue" => &self.shared.catalogue,
            "site" => &self.shared.site,
            _ => return None,
        };
        Some(value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&[
            "record",
            "page",
            "key",
            "title",
            "slug",
            "summary",
            "source",
            "lookups",
            "twins",
            "fields",
            "root",
            "base",
            "catalogue",
            "site",
        ])
    }
}
