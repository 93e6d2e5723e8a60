//! The pages of one record: HTML, its machine-readable twin, and Markdown where the catalogue has it.

mod context;
mod further;
mod values;

use std::sync::Arc;

use minijinja::value::Value;
use quire_catalogue::{FigureOf, Program};
use quire_proto::{RenderRecord, UsedAggregate};
use quire_runtime::StoreError;

use crate::{
    draw::{DrawError, Drawer},
    engine::{Engine, Output, RenderError, from_json, object, squeeze, texts},
    look::Field,
    sight::{AggregatesView, Decoded, Read, Sight},
    twin::{NotJson, twin},
};
use context::Context;
use values::{listed, source, text, twins};
pub(crate) use values::{page, site, site_titled};

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
    /// A figure's input is wrong.
    #[error("cannot draw")]
    Draw(#[from] DrawError),
    /// The expression of `pages.variants` failed, or its outputs are no names.
    #[error("cannot tell the variants of the page: {0}")]
    Variants(String),
    /// An aggregate cannot be had.
    #[error("cannot read an aggregate")]
    Aggregate(#[source] StoreError),
}

impl PageError {
    /// Whether the record or its template is at fault, and not the store.
    pub(crate) const fn is_of_record(&self) -> bool {
        !matches!(self, Self::Aggregate(_))
    }
}

/// A file of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Path in the catalogue's folder.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// All files of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Sorted by path.
    pub pages: Vec<Page>,
    /// The aggregates that they were made from, ascending.
    pub used: Vec<UsedAggregate>,
}

impl Made {
    /// The first file with this ending, such as `html`.
    #[must_use]
    pub fn ending(&self, ending: &str) -> Option<&Page> {
        self.pages.iter().find(|page| page.path.rsplit('.').next() == Some(ending))
    }
}

/// Makes the pages of records of one catalogue; holds what all their contexts share.
#[derive(Debug)]
pub struct Pages {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    /// Of records.
    drawers: Vec<Drawer>,
    /// Of the catalogue.
    shared_drawers: Vec<Drawer>,
    variants: Option<Result<Program, String>>,
    /// Names of aggregates.
    aggregates: Arc<[String]>,
    /// Names of the catalogue's figures, with their positions behind the aggregates.
    listings: Arc<[(String, usize)]>,
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
        let look = engine.look();
        let drawers =
            |of| look.drawn_from(of).map(|figure| Drawer::new(figure, &look.aggregates)).collect::<Vec<_>>();
        let (drawers, shared_drawers) = (drawers(FigureOf::Record), drawers(FigureOf::Catalogue));
        let listed = look.drawn_from(FigureOf::Catalogue).map(|figure| figure.name.clone());
        let listings = listed.zip(look.aggregates.len()..).collect();
        let variants = look.variants.as_ref().map(|each| Program::new(each, &look.aggregates));
        let aggregates = look.aggregates.clone().into();
        Self { engine, shared, drawers, shared_drawers, variants, aggregates, listings }
    }

    /// Makes the files of `record`, whose canonical body is `body`. What it needs of aggregates comes from `read`, or was
    /// `decoded` before.
    ///
    /// # Errors
    /// [`PageError`]; unless an aggregate cannot be had it is the record's or the template's fault and will not go away by
    /// itself.
    pub fn make(
        &self,
        record: &RenderRecord,
        body: &[u8],
        decoded: &Decoded,
        read: &Read,
    ) -> Result<Made, PageError> {
        let (names, refs) = (Arc::clone(&self.aggregates), record.aggregates.clone());
        let sight = Arc::new(Sight::new(names, refs, decoded.clone(), Arc::clone(read)));
        let pages = self.files(record, body, &sight);
        match sight.failure() {
            Some(error) => Err(PageError::Aggregate(error)),
            None => Ok(Made { pages: pages?, used: sight.used() }),
        }
    }

    fn files(&self, record: &RenderRecord, body: &[u8], sight: &Arc<Sight>) -> Result<Vec<Page>, PageError> {
        let mut pages = Vec::with_capacity(3);
        let input = self.input(body)?;
        let figures = self.draw(record, input.as_ref(), sight, &mut pages)?;
        let variants = self.variants(input, sight)?;
        let look = self.engine.look();
        let mut context = self.bare_context(record, body)?;
        (context.figures, context.variants) = (figures, listed(&record.slug, &variants));
        context.aggregates = Value::from_object(AggregatesView(Arc::clone(sight)));
        let mut add = |ending: &str, bytes| {
            pages.push(Page { path: format!("{}.{ending}", record.slug), bytes });
        };
        let html = self.engine.render(&look.record, Output::Html, Value::from_object(context.clone()))?;
        add("html", html.into_bytes());
        add("json", twin(&look.slug, record, body)?);
        if let Some(template) = &look.markdown {
            let text = self.engine.render(template, Output::Text, Value::from_object(context.clone()))?;
            add("md", squeeze(&text).into_bytes());
        }
        for (name, file) in &variants {
            let path = format!("{}/{}.{file}.html", look.slug, record.slug);
            let own = page("record", &path, &record.title, &record.row.summary, look.base_url.as_deref());
            let context = Context { page: own, variant: Value::from(name.as_str()), ..context.clone() };
            let html = self.engine.render(&look.record, Output::Html, Value::from_object(context))?;
            add(&format!("{file}.html"), html.into_bytes());
        }
        pages.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(pages)
    }

    /// What the templates of a record's page see, without figures, aggregates and variants.
    ///
    /// # Errors
    /// When the body is not JSON.
    pub fn context(&self, record: &RenderRecord, body: &[u8]) -> Result<Value, serde_json::Error> {
        self.bare_context(record, body).map(Value::from_object)
    }

    fn bare_context(&self, record: &RenderRecord, body: &[u8]) -> Result<Context, serde_json::Error> {
        let look = self.engine.look();
        let markdown = look.markdown.is_some();
        let path = format!("{}/{}.html", look.slug, record.slug);
        let none = || Value::from(());
        Ok(Context {
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
            variant: none(),
            variants: none(),
            figures: none(),
            aggregates: none(),
        })
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
