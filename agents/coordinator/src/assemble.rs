//! The manifest's rows, once everything is made.

use std::{cmp::Ordering, iter::Peekable, sync::Arc};

use quire_proto::{
    Digest, Epoch, Outcome, PackSlice, PageFile, Problem, RecordCounts, Settlement, UsedAggregate,
    manifest::{Chunk, Entry, UNREAD},
};
use serde::{Deserialize, Serialize};

use crate::{
    RunError,
    dead::{Death, Tried, cause},
    make::{Planned, same_files},
    manifest_io::ChunkWriter,
    runs::{Row, Sorted, SortedRuns, Spooled},
    shelf::Shelf,
    workspace::Workspace,
};

/// What a stage made of a record, or that it could not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Product {
    key: String,
    what: What,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum What {
    Pages { inputs: Digest, used: Vec<UsedAggregate>, files: Vec<PageFile>, warnings: Vec<Problem> },
    Document(PackSlice),
    Dead(String),
}

impl Row for Product {
    fn order(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }

    fn weight(&self) -> usize {
        let what = match &self.what {
            What::Pages { files, warnings, used, .. } => {
                files.len() * 160 + warnings.len() * 256 + used.len() * 40
            }
            What::Document(_) => 0,
            What::Dead(error) => error.len(),
        };
        192 + self.key.len() + what
    }
}

/// Takes the settlements of the second phase.
pub(crate) struct Products(SortedRuns<Product>);

impl Products {
    pub(crate) fn new(workspace: &Workspace) -> Self {
        Self(workspace.record_runs())
    }

    pub(crate) fn take(&mut self, settlement: Settlement) -> Result<(), RunError> {
        let mut push = |key, what| self.0.push(Product { key, what }).map_err(RunError::Spill);
        match settlement.outcome {
            Outcome::Rendered { pages } => pages.into_iter().try_for_each(|page| {
                let (inputs, used, files, warnings) = (page.inputs, page.used, page.files, page.warnings);
                push(page.key, What::Pages { inputs, used, files, warnings })
            }),
            Outcome::Indexed { documents } => documents
                .into_iter()
                .try_for_each(|document| push(document.key, What::Document(document.document))),
            Outcome::Dead { error, subjects, .. } => {
                subjects.into_iter().try_for_each(|key| push(key, What::Dead(error.clone())))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn finish(self) -> Sorted<Product> {
        self.0.finish()
    }
}

/// The manifest's entries and what became of their items.
pub(crate) struct Assembled {
    pub(crate) entries: Vec<Chunk>,
    pub(crate) counts: RecordCounts,
    /// What could not be made.
    pub(crate) deaths: Vec<Death>,
    /// How many of them the run did not look at: their pages were to be made all the same.
    pub(crate) held_died: u64,
}

/// Joins what was planned with what was made, and tells what was not.
pub(crate) fn assemble(
    planned: Spooled<Planned>,
    products: Sorted<Product>,
    epoch: Epoch,
    shelf: &Shelf,
    workspace: &Workspace,
) -> Result<Assembled, RunError> {
    let mut products = products.into_rows().map_err(RunError::Spill)?.peekable();
    let mut writer = ChunkWriter::new(shelf);
    let mut assembled =
        Assembled { entries: Vec::new(), counts: RecordCounts::default(), deaths: Vec::new(), held_died: 0 };
    for (number, row) in planned.into_rows().enumerate() {
        let row = row.map_err(RunError::Spill)?;
        if number.is_multiple_of(1024) {
            workspace.check()?;
        }
        let own = products_of(&mut products, &row.entry.record.key)?;
        if let Some(entry) = assembled.entry(row, own, epoch) {
            writer.push(entry)?;
        }
    }
    assembled.entries = writer.finish()?;
    Ok(assembled)
}

fn products_of(
    products: &mut Peekable<impl Iterator<Item = std::io::Result<Product>>>,
    key: &str,
) -> Result<Vec<Product>, RunError> {
    let mut own = Vec::new();
    while let Some(product) =
        products.next_if(|product| product.as_ref().map_or(true, |product| product.key.as_str() <= key))
    {
        let product = product.map_err(RunError::Spill)?;
        if product.key == key {
            own.push(product);
        }
    }
    Ok(own)
}

impl Assembled {
    /// The row of a record, counted; `None` if it is dead and never had a page: the next run tries it again, as the manifest
    /// knows nothing of it.
    fn entry(&mut self, row: Planned, products: Vec<Product>, epoch: Epoch) -> Option<Arc<Entry>> {
        let Planned { mut entry, former, render, index, made, mut died, dead, held, seen, together } = row;
        if held {
            // It is not of this run.
        } else if dead {
            self.counts.dead += 1;
        } else if !render && !index && !made && died.is_none() {
            self.counts.unchanged += 1;
        }
        if !render && !index && !made && died.is_none() {
            return Some(entry);
        }
        let new = Arc::make_mut(&mut entry);
        let (mut rendered, mut indexed) = (!render, !index);
        for product in products {
            match product.what {
                What::Pages { inputs, used, files, warnings } if inputs == new.inputs => {
                    (new.files, new.page_warnings, new.used) = (files, warnings, used);
                    rendered = true;
                }
                What::Document(document) => (new.document, indexed) = (document, true),
                What::Dead(why) => died = Some(why),
                What::Pages { .. } => {}
            }
        }
        if died.is_some() || !rendered || !indexed {
            self.held_died += u64::from(held);
            self.counts.dead += u64::from(!dead && !held);
            let died = died.unwrap_or_else(|| "made without a result".to_owned());
            let Entry { item, record, inputs, .. } = &*entry;
            let was = former.as_ref().map(|former| &former.record);
            self.deaths.push(Death {
                item: item.clone(),
                key: record.key.clone(),
                of: Tried { body: record.digest, inputs: *inputs, together },
                pack: record.body.pack,
                error: cause(&died, &record.key),
                is_new: was != Some(record),
                gives: was.is_none_or(|was| was.shares != record.shares) && !record.shares.is_empty(),
                seen,
                unindexed: !indexed,
            });
            return former.and_then(|former| stays(former, &entry));
        }
        let same = former.as_ref().is_some_and(|former| same_files(&former.files, &entry.files));
        if let (false, same) = (dead || held, same) {
            *(if same { &mut self.counts.unchanged } else { &mut self.counts.published }) += 1;
        }
        Some(keep_if_equal(entry, former, epoch))
    }
}

/// The last row of a record that died: its last page stays, unless its name may be another's by now.
fn stays(mut former: Arc<Entry>, entry: &Entry) -> Option<Arc<Entry>> {
    if former.record.slug != entry.record.slug {
        return None;
    }
    let content = if former.record == entry.record { entry.content } else { UNREAD };
    if (&former.item, former.content) != (&entry.item, content) {
        let row = Arc::make_mut(&mut former);
        (row.item, row.content) = (entry.item.clone(), content);
    }
    Some(former)
}

/// The former row if the new one differs in its epoch only: what did not change keeps its address.
fn keep_if_equal(mut entry: Arc<Entry>, former: Option<Arc<Entry>>, epoch: Epoch) -> Arc<Entry> {
    let made = Arc::make_mut(&mut entry);
    if let Some(former) = former {
        made.epoch = former.epoch;
        if *made == *former {
            return former;
        }
    }
    made.epoch = epoch;
    entry
}
