//! Files of a catalogue as a whole: made by the projector, kept in packs like every other result.

use std::collections::HashMap;

use quire_proto::{
    Digest, DigestBuilder, PageFile,
    manifest::{Chunk, DrawnFigure, Manifest},
    pack::PackBuilder,
};
use quire_runtime::{BoxError, FileSink, Store};

use crate::{
    Projector, RunError,
    manifest_io::{EntryReader, RejectReader},
    plan::Plan,
    shelf::Shelf,
    workspace::Workspace,
};

/// A file of this size gets a pack of its own, so that it may go when it is replaced.
const OWN_PACK_BYTES: usize = 64 * 1024;
/// A pack of small files is closed at this size.
const PACK_BYTES: usize = 1 << 20;

/// What the last manifest knows of its files.
#[derive(Default)]
pub(crate) struct Last<'a> {
    pub(crate) files: &'a [PageFile],
    /// What files were made from, by path; empty if all are to be made again.
    pub(crate) inputs: &'a [(String, Digest)],
}

impl<'a> Last<'a> {
    pub(crate) fn of(manifest: &'a Manifest) -> Self {
        Self { files: &manifest.files, inputs: &manifest.basis.inputs }
    }

    pub(crate) fn as_they_are(&self) -> Projected {
        Projected { files: self.files.to_vec(), inputs: self.inputs.to_vec() }
    }
}

/// What a manifest says of its files.
pub(crate) struct Projected {
    /// Ascending by path.
    pub(crate) files: Vec<PageFile>,
    /// What files were made from, ascending by path.
    pub(crate) inputs: Vec<(String, Digest)>,
}

/// Makes the files from the rows of a manifest to be; `figures` are made already. Files that the last manifest has keep their place.
pub(crate) fn project(
    projector: &dyn Projector,
    plan: &Plan,
    (dead, figures): (u64, &[DrawnFigure]),
    (entries, rejects): (&[Chunk], &[Chunk]),
    last: &Last<'_>,
    shelf: &Shelf,
    workspace: &Workspace,
) -> Result<Projected, RunError> {
    let prefix = format!("{}/", plan.reference.name);
    let mut packer = Packer::new(prefix, plan.frame(), last, shelf.store());
    let mut entries = EntryReader::new(shelf, entries.to_vec()).map(|row| {
        workspace.check()?;
        row.map_err(BoxError::from)
    });
    let mut rejects = RejectReader::new(shelf, rejects.to_vec()).map(|row| row.map_err(BoxError::from));
    projector
        .catalogue_files(&plan.encoded, dead, &mut entries, &mut rejects, &mut packer)
        .map_err(RunError::of_projector)?;
    packer.done.extend(figures.iter().flat_map(|figure| figure.files.iter().cloned()));
    packer.finish()
}

struct Packer<'a> {
    /// All paths begin with it.
    prefix: String,
    /// Digest of everything but the rows that files depend on.
    frame: Digest,
    store: &'a Store,
    last: HashMap<&'a str, &'a PageFile>,
    last_inputs: HashMap<&'a str, Digest>,
    inputs: Vec<(String, Digest)>,
    small: PackBuilder,
    /// Files in `small`: path, digest, position.
    waiting: Vec<(String, Digest, usize)>,
    done: Vec<PageFile>,
}

impl FileSink for Packer<'_> {
    fn add(&mut self, path: String, bytes: Vec<u8>) -> Result<(), BoxError> {
        if !path.starts_with(&self.prefix) {
            return Err(format!("{path} does not lie under {}", self.prefix).into());
        }
        Ok(self.pack(path, bytes)?)
    }

    fn keep(&mut self, path: &str, inputs: Digest) -> Result<bool, BoxError> {
        let inputs = DigestBuilder::new("quire file").digest(&self.frame).digest(&inputs).finish();
        self.inputs.push((path.to_owned(), inputs));
        if self.last_inputs.get(path) != Some(&inputs) {
            return Ok(false);
        }
        let Some(file) = self.last.get(path) else { return Ok(false) };
        let kept = self.store.has_slice(&file.from)?;
        if kept {
            self.done.push((*file).clone());
        }
        Ok(kept)
    }
}

impl<'a> Packer<'a> {
    fn new(prefix: String, frame: Digest, last: &Last<'a>, store: &'a Store) -> Self {
        Self {
            prefix,
            frame,
            store,
            last: last.files.iter().map(|file| (file.path.as_str(), file)).collect(),
            last_inputs: last.inputs.iter().map(|(path, inputs)| (path.as_str(), *inputs)).collect(),
            inputs: Vec::new(),
            small: PackBuilder::default(),
            waiting: Vec::new(),
            done: Vec::new(),
        }
    }

    fn pack(&mut self, path: String, bytes: Vec<u8>) -> Result<(), RunError> {
        let digest = Digest::of(&bytes);
        if let Some(file) = self.last.get(path.as_str()).filter(|file| file.digest == digest)
            && self.store.has_slice(&file.from)?
        {
            self.done.push((*file).clone());
            return Ok(());
        }
        if bytes.len() >= OWN_PACK_BYTES {
            let mut pack = PackBuilder::default();
            let position = pack.add(bytes);
            return self.close(pack, vec![(path, digest, position)]);
        }
        let position = self.small.add(bytes);
        self.waiting.push((path, digest, position));
        if self.small.len() >= PACK_BYTES { self.close_small() } else { Ok(()) }
    }

    fn close_small(&mut self) -> Result<(), RunError> {
        let (pack, files) = (std::mem::take(&mut self.small), std::mem::take(&mut self.waiting));
        if files.is_empty() { Ok(()) } else { self.close(pack, files) }
    }

    fn close(&mut self, pack: PackBuilder, files: Vec<(String, Digest, usize)>) -> Result<(), RunError> {
        let pack = pack.finish();
        self.store.put_pack(&pack)?;
        let files = files.into_iter().filter_map(|(path, digest, position)| {
            Some(PageFile { path, digest, from: pack.slice(position)? })
        });
        self.done.extend(files);
        Ok(())
    }

    fn finish(mut self) -> Result<Projected, RunError> {
        self.close_small()?;
        self.inputs.sort();
        self.done.sort_by(|one, other| one.path.cmp(&other.path));
        match self.done.windows(2).find(|pair| matches!(pair, [one, other] if one.path == other.path)) {
            Some(pair) => Err(RunError::PathClash {
                path: pair.first().map(|file| file.path.clone()).unwrap_or_default(),
            }),
            None => Ok(Projected { files: self.done, inputs: self.inputs }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    fn packer<'a>(frame: &str, last: &Last<'a>, store: &'a Store) -> Packer<'a> {
        Packer::new("c/".to_owned(), Digest::of(frame.as_bytes()), last, store)
    }

    #[test]
    fn files_that_did_not_change_keep_their_place_and_large_ones_have_a_pack_each() {
        let (_folder, store) = store();
        let large = vec![b'x'; OWN_PACK_BYTES];
        let make = |files: &[PageFile], text: &str| {
            let mut packer = packer("frame", &Last { files, inputs: &[] }, &store);
            packer.add("c/z".into(), b"same".to_vec()).unwrap();
            packer.add("c/a".into(), text.into()).unwrap();
            packer.add("c/l".into(), large.clone()).unwrap();
            packer.finish().unwrap().files
        };
        let first = make(&[], "one");
        let paths: Vec<&str> = first.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["c/a", "c/l", "c/z"]);
        assert_eq!(first[0].from.pack, first[2].from.pack);
        assert_ne!(first[1].from.pack, first[2].from.pack);
        let second = make(&first, "two");
        assert_eq!(second[1..], first[1..]);
        assert_ne!(second[0].digest, first[0].digest);
        assert_eq!(store.get_slice(&second[0].from).unwrap().as_ref(), b"two");
    }

    #[test]
    fn a_file_is_kept_while_it_is_made_from_the_same_and_is_there() {
        let (_folder, store) = store();
        let inputs = Digest::of(b"inputs");
        let mut first = packer("frame", &Last::default(), &store);
        assert!(!first.keep("c/a", inputs).unwrap());
        first.add("c/a".into(), b"text".to_vec()).unwrap();
        let Projected { files, inputs: known } = first.finish().unwrap();
        let last = || Last { files: &files, inputs: &known };
        assert!(!packer("another frame", &last(), &store).keep("c/a", inputs).unwrap());
        assert!(!packer("frame", &last(), &store).keep("c/a", Digest::of(b"other")).unwrap());
        assert!(!packer("frame", &last(), &store).keep("c/b", inputs).unwrap());
        let mut second = packer("frame", &last(), &store);
        assert!(second.keep("c/a", inputs).unwrap());
        let second = second.finish().unwrap();
        assert_eq!((&second.files, &second.inputs), (&files, &known));
        store.remove_blob(&files[0].from.pack).unwrap();
        assert!(!packer("frame", &last(), &store).keep("c/a", inputs).unwrap());
    }

    #[test]
    fn files_of_one_path_or_outside_the_catalogue_are_refused() {
        let (_folder, store) = store();
        let mut packer = packer("frame", &Last::default(), &store);
        assert!(packer.add("d/a".into(), b"1".to_vec()).is_err());
        packer.add("c/a".into(), b"1".to_vec()).unwrap();
        packer.add("c/a".into(), b"2".to_vec()).unwrap();
        assert!(matches!(packer.finish(), Err(RunError::PathClash { path }) if path == "c/a"));
    }
}
