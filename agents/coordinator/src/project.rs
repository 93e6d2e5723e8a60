//! Files of a catalogue as a whole: made by the projector, kept in packs like every other result.

use std::collections::HashMap;

use quire_proto::{Digest, PageFile, manifest::Chunk, pack::PackBuilder};
use quire_runtime::{BoxError, Store};

use crate::{
    Projector, RunError,
    manifest_io::{EntryReader, RejectReader},
    shelf::Shelf,
    workspace::Workspace,
};

/// A file of this size gets a pack of its own, so that it may go when it is replaced.
const OWN_PACK_BYTES: usize = 64 * 1024;
/// A pack of small files is closed at this size.
const PACK_BYTES: usize = 1 << 20;

/// Makes the files from the rows of a manifest to be. Files that the last manifest has keep their place.
pub(crate) fn project(
    projector: &dyn Projector,
    (catalogue, bundle): (&str, &[u8]),
    (entries, rejects): (&[Chunk], &[Chunk]),
    last: &[PageFile],
    shelf: &Shelf,
    workspace: &Workspace,
) -> Result<Vec<PageFile>, RunError> {
    let mut packer = Packer::new(last, shelf.store());
    let mut entries = EntryReader::new(shelf, entries.to_vec()).map(|row| {
        workspace.check()?;
        row.map_err(BoxError::from)
    });
    let mut rejects = RejectReader::new(shelf, rejects.to_vec()).map(|row| row.map_err(BoxError::from));
    let prefix = format!("{catalogue}/");
    let mut sink = |path: String, bytes: Vec<u8>| {
        if !path.starts_with(&prefix) {
            return Err(format!("{path} does not lie under {prefix}").into());
        }
        packer.add(path, &bytes).map_err(BoxError::from)
    };
    projector.catalogue_files(bundle, &mut entries, &mut rejects, &mut sink).map_err(own)?;
    packer.finish()
}

/// Errors that went through the projector come out as they were.
fn own(error: BoxError) -> RunError {
    match error.downcast::<RunError>() {
        Ok(error) => *error,
        Err(error) => RunError::Project(error),
    }
}

struct Packer<'a> {
    store: &'a Store,
    last: HashMap<&'a str, &'a PageFile>,
    small: PackBuilder,
    /// Files in `small`: path, digest, position.
    waiting: Vec<(String, Digest, usize)>,
    done: Vec<PageFile>,
}

impl<'a> Packer<'a> {
    fn new(last: &'a [PageFile], store: &'a Store) -> Self {
        let last = last.iter().map(|file| (file.path.as_str(), file)).collect();
        Self { store, last, small: PackBuilder::default(), waiting: Vec::new(), done: Vec::new() }
    }

    fn add(&mut self, path: String, bytes: &[u8]) -> Result<(), RunError> {
        let digest = Digest::of(bytes);
        if let Some(file) = self.last.get(path.as_str()).filter(|file| file.digest == digest)
            && self.store.has_slice(&file.from)
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

    fn finish(mut self) -> Result<Vec<PageFile>, RunError> {
        self.close_small()?;
        self.done.sort_by(|one, other| one.path.cmp(&other.path));
        match self.done.windows(2).find(|pair| matches!(pair, [one, other] if one.path == other.path)) {
            Some(pair) => Err(RunError::PathClash {
                path: pair.first().map(|file| file.path.clone()).unwrap_or_default(),
            }),
            None => Ok(self.done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_did_not_change_keep_their_place_and_large_ones_have_a_pack_each() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let large = vec![b'x'; OWN_PACK_BYTES];
        let make = |last: &[PageFile], text: &str| {
            let mut packer = Packer::new(last, &store);
            packer.add("c/z".into(), b"same").unwrap();
            packer.add("c/a".into(), text.as_bytes()).unwrap();
            packer.add("c/l".into(), &large).unwrap();
            packer.finish().unwrap()
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
    fn two_files_of_one_path_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut packer = Packer::new(&[], &store);
        packer.add("c/a".into(), b"1").unwrap();
        packer.add("c/a".into(), b"2").unwrap();
        assert!(matches!(packer.finish(), Err(RunError::PathClash { path }) if path == "c/a"));
    }
}
