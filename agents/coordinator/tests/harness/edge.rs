//! The site in a folder, and lists as plain text.

#![allow(unreachable_pub, clippy::unwrap_used, missing_docs, reason = "shared by tests")]

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use quire_coordinator::{CatalogueState, EntryIter, FigureFiles, Projector, RejectIter, SiteEdge};
use quire_proto::{AggregateRef, Digest};
use quire_runtime::{BoxError, FileSink, Store};

/// Holds up whoever passes while it is closed.
#[derive(Default)]
pub struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    closed: bool,
    waiting: usize,
}

impl Gate {
    pub fn set_closed(&self, closed: bool) {
        self.state.lock().unwrap().closed = closed;
        self.changed.notify_all();
    }

    /// How many it holds up.
    pub fn waiting(&self) -> usize {
        self.state.lock().unwrap().waiting
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        let mut state = self.changed.wait_while(state, |state| state.closed).unwrap();
        state.waiting -= 1;
    }
}

/// A folder, and a gate before its listing.
#[derive(Default)]
pub struct FolderSite(pub PathBuf, pub Gate);

impl SiteEdge for FolderSite {
    fn verify(&self, expected: &mut dyn Iterator<Item = (String, Digest)>) -> Result<Vec<String>, BoxError> {
        let right = |path: &str, digest: &Digest| {
            fs::read(self.0.join(path)).is_ok_and(|bytes| Digest::of(&bytes) == *digest)
        };
        Ok(expected.filter(|(path, digest)| !right(path, digest)).map(|(path, _)| path).collect())
    }

    fn write(&self, path: &str, _digest: &Digest, bytes: &[u8]) -> Result<bool, BoxError> {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        fs::write(path, bytes)?;
        Ok(true)
    }

    fn remove(&self, path: &str) -> Result<bool, BoxError> {
        Ok(fs::remove_file(self.0.join(path)).map(|()| true)?)
    }

    fn list(&self, found: &mut dyn FnMut(String)) -> Result<(), BoxError> {
        self.1.pass();
        let mut folders = vec![(self.0.clone(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let entry = entry?;
                let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if entry.file_type()?.is_dir() {
                    folders.push((entry.path(), format!("{path}/")));
                } else {
                    found(path);
                }
            }
        }
        Ok(())
    }

    fn identity(&self) -> String {
        "the site".into()
    }

    fn read(&self, path: &str, _limit: u64) -> Result<Option<Vec<u8>>, BoxError> {
        match fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Makes lists; counts the figures that it draws.
#[derive(Default)]
pub struct ListProjector {
    pub drawn: Arc<AtomicUsize>,
}

impl Projector for ListProjector {
    fn catalogue_files(
        &self,
        bundle: &[u8],
        _dead: u64,
        entries: &mut EntryIter<'_>,
        rejects: &mut RejectIter<'_>,
        sink: &mut dyn FileSink,
    ) -> Result<(), BoxError> {
        let bundle = quire_catalogue::Bundle::decode(bundle)?;
        let name = quire_catalogue::Catalogue::load(bundle)?.name().to_owned();
        let (mut list, mut rejected) = (String::new(), String::new());
        for entry in entries {
            let entry = entry?;
            list += &format!("{} {}\n", entry.record.key, entry.item);
        }
        for row in rejects {
            let row = row?;
            let messages: Vec<String> = row.problems.into_iter().map(|problem| problem.message).collect();
            rejected += &format!("{}: {}\n", row.item, messages.join("; "));
        }
        sink.add(format!("{name}/list.txt"), list.into_bytes())?;
        sink.add(format!("{name}/rejects.txt"), rejected.into_bytes())
    }

    fn catalogue_figure(
        &self,
        _bundle: &[u8],
        figure: usize,
        aggregates: &[AggregateRef],
        store: &Store,
    ) -> Result<FigureFiles, BoxError> {
        self.drawn.fetch_add(1, Ordering::Relaxed);
        assert_eq!((figure, aggregates.len()), (0, 2));
        let given = store.get_slice(&aggregates[0].from)?;
        // Templates know how many there are, not which.
        let count = given.iter().filter(|&&byte| byte == b',').count();
        let mut files = vec![("figures/all.svg".to_owned(), given.to_vec())];
        files.retain(|(_, bytes)| bytes != b"[]");
        Ok(FigureFiles { files, listing: format!("[{count}]").into_bytes() })
    }

    fn root_files(&self, catalogues: &[CatalogueState], sink: &mut dyn FileSink) -> Result<(), BoxError> {
        let mut text = String::new();
        for state in catalogues {
            assert_eq!(state.entries().count() as u64, state.entries);
            text += &format!("{}: {} records, {} rejects\n", state.name, state.entries, state.rejects);
        }
        sink.add("index.txt".into(), text.into_bytes())
    }
}
