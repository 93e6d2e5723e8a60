//! Figures and further pages of a record: what expressions make of it.

use std::sync::Arc;

use bytes::Bytes;
use minijinja::value::Value;
use quire_catalogue::{
    decode::{self, Limits, MAX_DEPTH, Value as Jq},
    slug,
};
use quire_proto::{AggregateRef, Format, RenderRecord};

use super::{Page, PageError, Pages};
use crate::{
    engine::from_json,
    sight::{Decoded, FiguresView, Read, Sight},
};

/// Most further pages of a record.
const MAX_VARIANTS: usize = 16;
/// Largest body that expressions are evaluated on, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

impl Pages {
    /// Draws a figure of the catalogue, by its number among them: files by path in the catalogue's folder, and the JSON of
    /// what templates know of it.
    ///
    /// # Errors
    /// [`PageError`], as [`Pages::make`].
    pub fn draw_shared(
        &self,
        number: usize,
        aggregates: Vec<AggregateRef>,
        decoded: &Decoded,
        read: &Read,
    ) -> Result<(Vec<Page>, Vec<u8>), PageError> {
        let sight = Sight::new(Arc::clone(&self.aggregates), aggregates, decoded.clone(), Arc::clone(read));
        let Some(drawer) = self.shared_drawers.get(number) else { return Ok((Vec::new(), b"[]".to_vec())) };
        let drawn = drawer.draw_shared(&sight);
        if let Some(error) = sight.failure() {
            return Err(PageError::Aggregate(error));
        }
        let drawn = drawn?;
        let page = |(path, bytes)| Page { path: format!("figures/{path}"), bytes };
        Ok((drawn.files.into_iter().map(page).collect(), serde_json::to_vec(&drawn.listing)?))
    }

    /// The record as expressions see it, if there are any.
    pub(super) fn input(&self, body: &[u8]) -> Result<Option<Jq>, PageError> {
        if self.drawers.is_empty() && self.variants.is_none() {
            return Ok(None);
        }
        let limits = Limits { max_bytes: MAX_BODY_BYTES, max_depth: MAX_DEPTH };
        let input = decode::decode(Format::Json, &Bytes::copy_from_slice(body), limits);
        input.map(Some).map_err(|fault| PageError::Variants(fault.message))
    }

    /// Draws the record's figures; what templates see of them and of the catalogue's.
    pub(super) fn draw(
        &self,
        record: &RenderRecord,
        input: Option<&Jq>,
        sight: &Arc<Sight>,
        pages: &mut Vec<Page>,
    ) -> Result<Value, PageError> {
        let mut own = Vec::with_capacity(self.drawers.len());
        for drawer in &self.drawers {
            let folder = format!("{}/", record.slug);
            let drawn = drawer.draw(input.cloned().unwrap_or_default(), sight, &folder)?;
            for (path, bytes) in drawn.files {
                let path = format!("figures/{path}");
                if pages.iter().any(|page| page.path == path) {
                    return Err(drawer.clash(&path).into());
                }
                pages.push(Page { path, bytes });
            }
            own.push((drawer.name().to_owned(), from_json(&serde_json::to_vec(&drawn.listing)?)?));
        }
        let (shared, sight) = (Arc::clone(&self.listings), Arc::clone(sight));
        Ok(Value::from_object(FiguresView { own, shared, sight }))
    }

    /// Names of the record's variants, with their part of the file's name.
    pub(super) fn variants(
        &self,
        input: Option<Jq>,
        sight: &Sight,
    ) -> Result<Vec<(String, String)>, PageError> {
        let Some(each) = &self.variants else { return Ok(Vec::new()) };
        let outputs = each
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|each| each.outputs(input.unwrap_or_default(), sight))
            .map_err(PageError::Variants)?;
        if outputs.len() > MAX_VARIANTS {
            let message = format!("{} names, at most {MAX_VARIANTS} are allowed", outputs.len());
            return Err(PageError::Variants(message));
        }
        let mut names: Vec<String> = Vec::with_capacity(outputs.len());
        for output in &outputs {
            let Jq::TStr(name) = output else {
                return Err(PageError::Variants(format!("expected names, found {output}")));
            };
            let name = String::from_utf8_lossy(name).into_owned();
            if names.contains(&name) {
                return Err(PageError::Variants(format!("the name `{name}` is there twice")));
            }
            names.push(name);
        }
        let files = slug::folded_names(&names.iter().map(String::as_str).collect::<Vec<_>>());
        Ok(names.into_iter().zip(files).collect())
    }
}
