//! What the templates of a record's page see.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};

use super::Shared;

/// The top level of a record page's context.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) record: Value,
    pub(super) page: Value,
    pub(super) key: Value,
    pub(super) title: Value,
    pub(super) slug: Value,
    pub(super) summary: Value,
    pub(super) source: Value,
    pub(super) lookups: Value,
    pub(super) twins: Value,
    pub(super) fields: Value,
    /// Name of the variant; none on the main page.
    pub(super) variant: Value,
    pub(super) variants: Value,
    pub(super) figures: Value,
    pub(super) aggregates: Value,
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
            "variant" => &self.variant,
            "variants" => &self.variants,
            "figures" => &self.figures,
            "aggregates" => &self.aggregates,
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
            "variant",
            "variants",
            "figures",
            "aggregates",
            "root",
            "base",
            "catalogue",
            "site",
        ])
    }
}
