//! What the renderer needs to know of a catalogue: how its pages look and what its lists show.

use std::collections::BTreeMap;

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
    /// Index fields in their order.
    pub fields: Vec<Field>,
    /// Names of the look-ups in their order.
    pub lookups: Vec<String>,
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
    /// Whether its values are other names of the record.
    pub names: bool,
    /// Whether its words are in the static search.
    pub shards: bool,
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
    /// Dates.
    Date,
}

impl Kind {
    /// The word in `catalogue.yaml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Keyword => "keyword",
            Self::Number => "number",
            Self::Date => "date",
        }
    }

    /// Whether readers may sort by it.
    #[must_use]
    pub const fn is_sortable(self) -> bool {
        matches!(self, Self::Number | Self::Date)
    }
}

/// The label of a field that has none of its own: `body_site` becomes `Body site`.
#[must_use]
pub fn default_label(name: &str) -> String {
    crate::engine::capfirst(&name.replace('_', " "))
}
