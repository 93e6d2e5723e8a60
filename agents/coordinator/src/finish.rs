//! Finishes the site: what runs did not publish, root files, removals, and `manifest.json` last.

use std::{collections::BTreeMap, sync::Arc};

use quire_proto::{Digest, Epoch, Lane, RunId, is_page};
use quire_runtime::{BoxError, Store, crash_point};
use tokio_util::sync::CancellationToken;

use crate::{
    CatalogueState, CoordinatorOptions, NoProgress, RunError, SiteEdge, SiteReport,
    flight::{Lines, RunFacts},
    manifest_io::{self, Committed},
    publish::{Wanted, Written, publish_catalogue},
    report::Tally,
    router::Router,
    runs::{Row, Sorted, SortedRuns},
    shelf::Shelf,
    site_manifest::{self, SiteManifest, SiteManifestWriter},
    site_record::{Shown, SiteRecord, SiteRecords},
    task::on_thread,
    workspace::Workspace,
};

/// Files removed between two looks at whether to stop.
const REMOVED_AT_ONCE: usize = 256;

/// Files that a run of this process has already compared with the site, by catalogue and epoch.
pub(crate) type Known = BTreeMap<String, (Epoch, Sorted<Wanted>)>;

/// One publication.
pub(crate) struct Finish<'a> {
    pub(crate) options: &'a CoordinatorOptions,
    pub(crate) site: Arc<dyn SiteEdge>,
    pub(crate) router: &'a Router,
    pub(crate) shelf: Shelf,
    pub(crate) records: SiteRecords,
    pub(crate) workspace: Workspace,
    pub(crate) cancelled: CancellationToken,
}

impl Finish<'_> {
    /// Publishes; `known` spares comparing again what runs have just compared.
    pub(crate) async fn run(&self, known: Known) -> Result<SiteReport, RunError> {
        let (store, site, salt) =
            (self.options.store.clone(), Arc::clone(&self.site), self.options.inputs_salt);
        let looked = on_thread(move || Looked::look(&store, site.as_ref(), salt)).await?;
        if let Some(report) = looked.report {
            return Ok(report);
        }
        let (record, call) = self.begin(&looked.catalogues).await?;
        let mut written = Written::default();
        let mut wanted = self.workspace.small_runs();
        let mut states = Vec::new();
        let mut known = known;
        let mut republished = Vec::new();
        for committed in newest_manifests(&self.options.store, &looked.catalogues).await? {
            let name = committed.manifest.catalogue.name.clone();
            wanted = match known.remove(&name).filter(|(epoch, _)| *epoch == committed.manifest.epoch) {
                Some((_, files)) => merge(files, wanted).await?,
                None => {
                    let (wanted, more) = self
                        .publish(&record, call, &committed, wanted)
                        .await
                        .map_err(|error| error.in_catalogue(&name))?;
                    written += more;
                    republished.push((name.clone(), more.pages, more.bytes));
                    wanted
                }
            };
            states.push(self.state(committed).await.map_err(|error| error.in_catalogue(&name))?);
        }
        let rest = Rest {
            store: self.options.store.clone(),
            site: Arc::clone(&self.site),
            projector: Arc::clone(&self.options.projector),
            workspace: self.workspace.clone(),
            salt,
            records: self.records.clone(),
            record,
            former: looked.former,
            catalogues: looked.catalogues,
            written,
            republished,
        };
        on_thread(move || rest.finish(&states, wanted)).await
    }

    /// Notes that the site is about to change.
    async fn begin(&self, catalogues: &[(String, u64)]) -> Result<(SiteRecord, u64), RunError> {
        let (records, store, site) =
            (self.records.clone(), self.options.store.clone(), Arc::clone(&self.site));
        let names: Vec<String> = catalogues.iter().map(|(name, _)| name.clone()).collect();
        on_thread(move || records.begin(&store, site.as_ref(), &names)).await
    }

    async fn publish(
        &self,
        record: &SiteRecord,
        call: u64,
        committed: &Committed,
        wanted: SortedRuns<Wanted>,
    ) -> Result<(SortedRuns<Wanted>, Written), RunError> {
        // No catalogue's slug begins with `_`: ids of these parcels are those of no run.
        let name = format!("_{}", committed.manifest.catalogue.name);
        let run = RunId::new(&name, Epoch((record.publication << 16) | (call & 0xffff)));
        let epoch = committed.manifest.epoch;
        let catalogue = committed.manifest.catalogue.clone();
        let mut lines = Lines {
            settlements: self.router.subscribe(&run),
            facts: RunFacts { run, epoch, catalogue, lane: Lane::Normal, anew: false },
            broker: self.options.broker.clone(),
            // There is no run to be watched.
            progress: Arc::new(NoProgress),
            stall: self.options.stall,
            cancelled: self.cancelled.clone(),
            tally: Tally::default(),
        };
        publish_catalogue(&mut lines, &self.site, &self.shelf, committed, &self.workspace, wanted).await
    }

    async fn state(&self, committed: Committed) -> Result<CatalogueState, RunError> {
        let shelf = self.shelf.clone();
        on_thread(move || {
            let bundle = shelf.store().get_blob(&committed.manifest.catalogue.bundle)?;
            Ok(CatalogueState::new(&shelf, bundle, committed.manifest))
        })
        .await
    }
}

async fn newest_manifests(store: &Store, catalogues: &[(String, u64)]) -> Result<Vec<Committed>, RunError> {
    let (store, catalogues) = (store.clone(), catalogues.to_vec());
    on_thread(move || {
        let read = |(name, epoch): &(String, u64)| {
            // Without its manifest nothing of a catalogue would be wanted, and all of it be removed.
            manifest_io::read_manifest(&store, name, *epoch)?
                .ok_or_else(|| RunError::ManifestLost { catalogue: name.clone() })
        };
        catalogues.iter().map(read).collect()
    })
    .await
}

async fn merge(
    files: Sorted<Wanted>,
    mut wanted: SortedRuns<Wanted>,
) -> Result<SortedRuns<Wanted>, RunError> {
    on_thread(move || {
        for file in files.into_rows().map_err(RunError::Spill)? {
            file.and_then(|file| wanted.push(file)).map_err(RunError::Spill)?;
        }
        Ok(wanted)
    })
    .await
}

/// What a first look at store and site says.
struct Looked {
    /// The newest epoch of every catalogue.
    catalogues: Vec<(String, u64)>,
    record: Option<SiteRecord>,
    /// The bytes of the site's manifest, as it is now.
    former: Option<Vec<u8>>,
    /// Set if all is as it should be.
    report: Option<SiteReport>,
}

impl Looked {
    fn look(store: &Store, site: &dyn SiteEdge, salt: Digest) -> Result<Self, RunError> {
        site.look_afresh();
        let mut catalogues = Vec::new();
        for name in store.list("manifests")? {
            if let Some(&epoch) = manifest_io::epochs(store, &format!("manifests/{name}"))?.last() {
                catalogues.push((name, epoch));
            }
        }
        let record = SiteRecord::read(store)?;
        let bytes = site.read(site_manifest::PATH, site_manifest::MAX_BYTES).map_err(RunError::Site)?;
        let mut looked = Self { catalogues, record, former: bytes, report: None };
        let shown = looked.record.as_ref().filter(|record| record.identity == site.identity());
        let shown = shown.and_then(|record| record.shown.as_ref());
        if let (Some(shown), Some(bytes)) = (shown, &looked.former)
            && (&shown.catalogues, shown.salt) == (&looked.catalogues, salt)
            && shown.manifest == Digest::of(bytes)
        {
            looked.report = looked.verify(site, shown.manifest)?;
        }
        Ok(looked)
    }

    /// The report if every file is there and none is left over.
    fn verify(&self, site: &dyn SiteEdge, manifest: Digest) -> Result<Option<SiteReport>, RunError> {
        let Some(former) = self.former.as_deref().and_then(SiteManifest::read) else { return Ok(None) };
        let mut expected = former.files.iter().map(|(path, digest)| (path.clone(), *digest));
        if !site.verify(&mut expected).map_err(RunError::Site)?.is_empty() {
            return Ok(None);
        }
        let owned = self.record.as_ref().map(|record| record.owned.as_slice()).unwrap_or_default();
        let (mut foreign, mut left_over) = (0, false);
        site.list(&mut |path| {
            if path != site_manifest::PATH && !former.files.contains_key(&path) {
                let ours = in_folders(&path, owned);
                left_over |= ours;
                foreign += u64::from(!ours);
            }
        })
        .map_err(RunError::Site)?;
        let report =
            SiteReport { manifest, pages: 0, bytes: 0, removed: 0, foreign, republished: Vec::new() };
        Ok((!left_over).then_some(report))
    }
}

/// Whether `path` lies in one of `folders`, which are sorted.
fn in_folders(path: &str, folders: &[String]) -> bool {
    let is_in = |folder: &str| folders.binary_search_by(|known| known.as_str().cmp(folder)).is_ok();
    path.split_once('/').is_some_and(|(folder, _)| is_in(folder))
}

/// A path in the site.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct SitePath(String);

impl Row for SitePath {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }

    fn weight(&self) -> usize {
        32 + self.0.len()
    }
}

/// What is left once pages and lists are there. Runs on a thread that may block.
struct Rest {
    store: Store,
    site: Arc<dyn SiteEdge>,
    projector: Arc<dyn crate::Projector>,
    workspace: Workspace,
    salt: Digest,
    records: SiteRecords,
    record: SiteRecord,
    former: Option<Vec<u8>>,
    catalogues: Vec<(String, u64)>,
    written: Written,
    republished: Vec<(String, u64, u64)>,
}

impl Rest {
    fn finish(
        mut self,
        states: &[CatalogueState],
        mut wanted: SortedRuns<Wanted>,
    ) -> Result<SiteReport, RunError> {
        self.root_files(states, &mut wanted)?;
        crash_point("publish.lists");
        let wanted = wanted.finish();
        let text = manifest_text(&wanted)?;
        let (removed, foreign) = self.remove_others(&wanted)?;
        crash_point("publish.removals");
        let manifest = Digest::of(&text);
        self.site.write(site_manifest::PATH, &manifest, &text).map_err(RunError::Site)?;
        crash_point("publish.done");
        // What was a catalogue's that is gone is empty now.
        self.record.owned.retain(|folder| self.catalogues.iter().any(|(name, _)| name == folder));
        let shown = Shown { catalogues: self.catalogues, salt: self.salt, manifest };
        self.records.shown(&self.store, self.record, shown)?;
        let Written { pages, bytes } = self.written;
        Ok(SiteReport { manifest, pages, bytes, removed, foreign, republished: self.republished })
    }

    fn root_files(
        &mut self,
        states: &[CatalogueState],
        wanted: &mut SortedRuns<Wanted>,
    ) -> Result<(), RunError> {
        let (site, workspace) = (Arc::clone(&self.site), self.workspace.clone());
        let mut written = Written::default();
        let mut sink = |path: String, bytes: Vec<u8>| -> Result<(), BoxError> {
            workspace.check()?;
            let digest = Digest::of(&bytes);
            // Comparing first also finds a file that is right though its stamp was lost.
            let differs = !site.verify(&mut std::iter::once((path.clone(), digest)))?.is_empty();
            if differs && site.write(&path, &digest, &bytes)? {
                written += Written { pages: u64::from(is_page(&path)), bytes: bytes.len() as u64 };
                crash_point("publish.file");
            }
            Ok(wanted.push(Wanted { path, digest })?)
        };
        self.projector.root_files(states, &mut sink).map_err(RunError::of_projector)?;
        self.written += written;
        Ok(())
    }

    /// Removes what is ours and not wanted; how many, and how many files are not ours.
    fn remove_others(&self, wanted: &Sorted<Wanted>) -> Result<(u64, u64), RunError> {
        let mut found = self.workspace.small_runs();
        let mut failed = None;
        self.site
            .list(&mut |path| {
                if let (None, Err(error)) = (&failed, found.push(SitePath(path))) {
                    failed = Some(error);
                }
            })
            .map_err(RunError::Site)?;
        if let Some(error) = failed {
            return Err(RunError::Spill(error));
        }
        let others = unwanted(found.finish(), wanted)?;
        // Read only if there is something to ask it: it names every file.
        let former = std::cell::LazyCell::new(|| {
            self.former.as_deref().and_then(SiteManifest::read).unwrap_or_default()
        });
        let mut foreign = 0;
        let mut ours = Vec::new();
        for path in others {
            let named = former.files.contains_key(&path);
            if named || in_folders(&path, &self.record.owned) {
                if !named {
                    tracing::warn!(file = path, "removed: no build made it, or one that was interrupted");
                }
                ours.push(path);
            } else {
                foreign += 1;
            }
        }
        let mut removed = 0;
        for paths in ours.chunks(REMOVED_AT_ONCE) {
            self.workspace.check()?;
            removed += self.site.remove_all(paths).map_err(RunError::Site)?;
        }
        Ok((removed, foreign))
    }
}

/// Paths found and not wanted, ascending.
fn unwanted(found: Sorted<SitePath>, wanted: &Sorted<Wanted>) -> Result<Vec<String>, RunError> {
    let mut wanted = wanted.iter().map_err(RunError::Spill)?;
    let mut next = wanted.next().transpose().map_err(RunError::Spill)?;
    let mut others = Vec::new();
    for path in found.into_rows().map_err(RunError::Spill)? {
        let SitePath(path) = path.map_err(RunError::Spill)?;
        while next.as_ref().is_some_and(|wanted| wanted.path < path) {
            next = wanted.next().transpose().map_err(RunError::Spill)?;
        }
        if path != site_manifest::PATH && next.as_ref().is_none_or(|wanted| wanted.path != path) {
            others.push(path);
        }
    }
    Ok(others)
}

fn manifest_text(wanted: &Sorted<Wanted>) -> Result<Vec<u8>, RunError> {
    let mut writer = SiteManifestWriter::new();
    let mut last: Option<String> = None;
    for file in wanted.iter().map_err(RunError::Spill)? {
        let file = file.map_err(RunError::Spill)?;
        if last.as_ref() == Some(&file.path) {
            return Err(RunError::PathClash { path: file.path.clone() });
        }
        writer.add(&file).map_err(RunError::Spill)?;
        last = Some(file.path.clone());
    }
    Ok(writer.finish())
}
