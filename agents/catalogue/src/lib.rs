//! What a catalogue is, and what it says of records: pure functions, no I/O, no clock.
//!
//! Start with [`Catalogue`]: it is loaded from a [`Bundle`], [`Catalogue::check`] says everything that is wrong with it,
//! [`Catalogue::judge`] turns an item into a verdict, [`Catalogue::document`] a record into an index document.
//! [`Definition`] is `catalogue.yaml` as plain data.

mod bundle;
mod catalogue;
mod catalogues;
pub mod decode;
mod definition;
mod diagnostics;
mod document;
pub mod encode;
mod expr;
mod fold;
mod judge;
pub mod locate;
mod rules;
mod scan;
mod schema;
mod shares;
pub mod slug;
mod yaml_tree;

pub use bundle::{Bundle, BundleError, MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES};
pub use catalogue::{Catalogue, VALIDATION_VERSION};
pub use catalogues::{Catalogues, CataloguesError};
pub use definition::{
    Aggregate, Connector, Definition, Expression, EyemapOptions, FacetOrder, Field, FieldKind, Figure,
    FigureKind, FigureOf, FigureTooltips, FileRef, Files, Index, Lookup, Neuprint, Pages, RecordSection,
    Rule, RuleKind, Site, Source, SourceFormat, Token, TypePatterns, Validate,
};
pub use diagnostics::{Diagnostic, Diagnostics};
pub use document::IndexDocument;
pub use expr::{Aggregated, Program};
pub use fold::fold;
pub use judge::Assessment;
