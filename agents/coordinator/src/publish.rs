//! Brings a catalogue's files into the site: record pages, then what lists them. What is there already is not written.

use std::{collections::HashMap, sync::Arc};

use quire_proto::{
    Digest, FileCopy, MAX_PARCEL_BYTES, MAX_PARCEL_RECORDS, Outcome, PageFile, Settlement, Work,
    manifest::{Chunk, Entry},
};
use quire_runtime::{crash_point, telemetry::trace};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{
    RunError, SiteEdge,
    flight::Lines,
    manifest_io::{Committed, RowPart, RowReader, part_of_entries},
    runs::{Row, SortedRuns},
    shelf::Shelf,
    task::{blocking, send},
    workspace::Workspace,
};

/// Files verified at once.
const BATCH: usize = 1_024;

/// A file that the site should hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) path: String,
    pub(crate) digest: Digest,
}

impl Row for Wanted {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.path.cmp(&other.path).then_with(|| self.digest.cmp(&other.digest))
    }

    fn weight(&self) -> usize {
        64 + self.path.len()
    }
}

/// What publishing wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Pages; other files count by their bytes only.
    pub(crate) pages: u64,
    pub(crate) bytes: u64,
}

impl std::ops::AddAssign for Written {
    fn add_assign(&mut self, other: Self) {
        self.pages += other.pages;
        self.bytes += other.bytes;
    }
}

/// The part of an entry that publishing needs.
#[derive(Deserialize)]
struct Files {
    files: Vec<PageFile>,
}

impl RowPart for Files {
    fn read(shelf: &Shelf, chunk: &Chunk) -> Result<Vec<Self>, RunError> {
        part_of_entries(shelf, chunk, |entry: &Entry| Self { files: entry.files.clone() })
    }
}

/// Publishes a catalogue's pages and lists; every file that it wants goes to `wanted`.
pub(crate) async fn publish_catalogue(
    lines: &mut Lines,
    site: &Arc<dyn SiteEdge>,
    shelf: &Shelf,
    committed: &Committed,
    workspace: &Workspace,
    wanted: SortedRuns<Wanted>,
) -> Result<(SortedRuns<Wanted>, Written), RunError> {
    let manifest = &committed.manifest;
    let pages = Source::Pages(manifest.entries.clone());
    let (wanted, mut written) =
        publish_files(lines, "publish pages", pages, site, shelf, workspace, wanted).await?;
    crash_point("publish.pages");
    let lists = Source::Lists(manifest.files.clone());
    let (wanted, more) = publish_files(lines, "publish lists", lists, site, shelf, workspace, wanted).await?;
    written += more;
    Ok((wanted, written))
}

enum Source {
    Pages(Vec<Chunk>),
    Lists(Vec<PageFile>),
}

async fn publish_files(
    lines: &mut Lines,
    kind: &'static str,
    source: Source,
    site: &Arc<dyn SiteEdge>,
    shelf: &Shelf,
    workspace: &Workspace,
    wanted: SortedRuns<Wanted>,
) -> Result<(SortedRuns<Wanted>, Written), RunError> {
    let (sender, works) = mpsc::channel(4);
    let (site, shelf, workspace) = (Arc::clone(site), shelf.clone(), workspace.clone());
    let comparing = trace::spawn_blocking(move || {
        if matches!(source, Source::Pages(_)) {
            site.look_afresh();
        }
        let mut comparison = Comparison { site, workspace, wanted, sender, batch: Vec::new(), bytes: 0 };
        comparison.run(source, &shelf)?;
        Ok::<_, RunError>(comparison.wanted)
    });
    let mut outcome = Copied::default();
    let flown = lines.fly((kind, 0), works, &mut |_, settlement| outcome.take(settlement)).await;
    // The flight's own error is the cause; the comparison only sees that nobody takes its work any more.
    let compared = blocking(comparing).await;
    flown?;
    let wanted = compared?;
    Ok((wanted, outcome.finish()?))
}

/// Compares what is wanted with the site; what differs becomes parcels.
struct Comparison {
    site: Arc<dyn SiteEdge>,
    workspace: Workspace,
    wanted: SortedRuns<Wanted>,
    sender: mpsc::Sender<Work>,
    batch: Vec<FileCopy>,
    bytes: u64,
}

impl Comparison {
    fn run(&mut self, source: Source, shelf: &Shelf) -> Result<(), RunError> {
        let mut files = Vec::new();
        match source {
            Source::Pages(chunks) => {
                for row in RowReader::<Files>::new(shelf, chunks) {
                    files.extend(row?.files);
                    if files.len() >= BATCH {
                        self.compare(std::mem::take(&mut files))?;
                    }
                }
            }
            Source::Lists(lists) => files = lists,
        }
        self.compare(files)?;
        self.close()
    }

    fn compare(&mut self, files: Vec<PageFile>) -> Result<(), RunError> {
        self.workspace.check()?;
        let mut expected = files.iter().map(|file| (file.path.clone(), file.digest));
        let differ = self.site.verify(&mut expected).map_err(RunError::Site)?;
        let mut by_path: HashMap<&str, &PageFile> = HashMap::new();
        if !differ.is_empty() {
            by_path = files.iter().map(|file| (file.path.as_str(), file)).collect();
        }
        for path in &differ {
            if let Some(file) = by_path.get(path.as_str()) {
                self.copy(file)?;
            }
        }
        for PageFile { path, digest, .. } in files {
            self.wanted.push(Wanted { path, digest }).map_err(RunError::Spill)?;
        }
        Ok(())
    }

    fn copy(&mut self, file: &PageFile) -> Result<(), RunError> {
        let full =
            self.batch.len() >= MAX_PARCEL_RECORDS || self.bytes + file.from.len > MAX_PARCEL_BYTES as u64;
        if full {
            self.close()?;
        }
        self.bytes += file.from.len;
        self.batch.push(FileCopy { path: file.path.clone(), digest: file.digest, from: file.from });
        Ok(())
    }

    fn close(&mut self) -> Result<(), RunError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() { Ok(()) } else { send(&self.sender, Work::Publish(batch)) }
    }
}

/// What the publishing stage says.
#[derive(Default)]
struct Copied {
    written: Written,
    failed: Vec<(String, String)>,
}

impl Copied {
    fn take(&mut self, settlement: Settlement) -> Result<(), RunError> {
        match settlement.outcome {
            Outcome::Published { pages, bytes } => self.written += Written { pages, bytes },
            Outcome::Dead { error, subjects, .. } => self.failed.push((subjects.join(", "), error)),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Written, RunError> {
        match self.failed.into_iter().min() {
            Some((what, error)) => Err(RunError::Publish { what, error }),
            None => Ok(self.written),
        }
    }
}
