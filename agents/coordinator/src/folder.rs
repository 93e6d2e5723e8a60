//! Reads a catalogue's folder into a bundle: the definition and what it names, never its data.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use quire_catalogue::{Bundle, Catalogue, Definition, MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES};

/// The file that makes a folder a catalogue.
const DEFINITION: &str = "catalogue.yaml";
/// Folders that belong to a definition as a whole.
const FOLDERS: [&str; 2] = ["templates", "assets"];
/// Deepest folder below one of these.
const MAX_DEPTH: usize = 16;

/// Why a folder is not a catalogue that can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is no `catalogue.yaml`, or the file is no definition.
    #[error("{} is no folder with a catalogue.yaml and no definition like it: a file that ends in .yaml", folder.display())]
    NotACatalogue {
        /// The folder, or the file.
        folder: PathBuf,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Path in the catalogue's folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A symbolic link, or a path with `..`, that leads elsewhere.
    #[error("{path} leads out of the catalogue's folder")]
    Outside {
        /// Path in the catalogue's folder.
        path: String,
    },
    /// A name that is not UTF-8.
    #[error("the file name {path:?} is not UTF-8")]
    Name {
        /// The path, as well as it can be written.
        path: String,
    },
    /// More than a bundle may hold.
    #[error(
        "templates and assets are too large: more than {MAX_BUNDLE_FILES} files or {MAX_BUNDLE_BYTES} bytes, or deeper than {MAX_DEPTH} folders"
    )]
    TooLarge,
}

/// Reads the catalogue in `folder`: `catalogue.yaml`, the schema and templates that it names, and everything in
/// `templates/` and `assets/` but hidden files. A file that is named but not there is left out: checking the catalogue
/// says so with its position.
///
/// `path` may also be another definition in such a folder, a file that ends in `.yaml`: it then stands in the place of
/// `catalogue.yaml`, with the same schema and templates.
///
/// # Errors
/// Any [`FolderError`].
pub fn read_folder(path: &Path) -> Result<Bundle, FolderError> {
    let none = || FolderError::NotACatalogue { folder: path.to_owned() };
    let (folder, definition) = parts_of(path).ok_or_else(none)?;
    let root = folder.canonicalize().map_err(|_| none())?;
    let mut reader = FolderReader { root, files: BTreeMap::new(), bytes: 0 };
    if !reader.add(&definition)? {
        return Err(none());
    }
    if let Some(bytes) = reader.files.remove(&definition) {
        reader.files.insert(DEFINITION.to_owned(), bytes);
    }
    // A definition that does not load names nothing; whoever loads the bundle is told why.
    if let Ok(catalogue) = Catalogue::load(Bundle::new(reader.files.clone())) {
        for path in named_files(catalogue.definition()) {
            reader.add(path)?;
        }
    }
    for folder in FOLDERS {
        reader.add_folder(folder, 0)?;
    }
    Ok(Bundle::new(reader.files))
}

/// The folder of a catalogue and the name of its definition, by the path of either.
#[must_use]
pub fn parts_of(path: &Path) -> Option<(PathBuf, String)> {
    if !path.is_file() {
        return Some((path.to_owned(), DEFINITION.to_owned()));
    }
    let name = path.file_name()?.to_str().filter(|name| name.ends_with(".yaml"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some((folder.to_owned(), name.to_owned()))
}

fn named_files(definition: &Definition) -> impl Iterator<Item = &str> {
    let pages = &definition.pages;
    let files = [&definition.validate.schema, &pages.record, &pages.markdown, &pages.list];
    files.into_iter().flatten().map(|file| file.path.as_str())
}

struct FolderReader {
    /// Without symbolic links.
    root: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
    bytes: u64,
}

impl FolderReader {
    /// Adds a file; whether there is one.
    fn add(&mut self, path: &str) -> Result<bool, FolderError> {
        if self.files.contains_key(path) {
            return Ok(true);
        }
        let Some(place) = self.place(path)? else { return Ok(false) };
        let failed = |source| FolderError::Read { path: path.to_owned(), source };
        let file = fs::File::open(place).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Ok(false);
        }
        let limit = (MAX_BUNDLE_BYTES as u64).saturating_sub(self.bytes);
        let mut bytes = Vec::new();
        // One byte more than allowed tells a file that just fits from one that does not.
        self.bytes +=
            file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)? as u64 + path.len() as u64 + 16;
        self.files.insert(path.to_owned(), bytes);
        if self.bytes > MAX_BUNDLE_BYTES as u64 || self.files.len() > MAX_BUNDLE_FILES {
            return Err(FolderError::TooLarge);
        }
        Ok(true)
    }

    /// Where a path really lies; `None` if there is nothing.
    fn place(&self, path: &str) -> Result<Option<PathBuf>, FolderError> {
        let joined = self.root.join(path);
        match joined.canonicalize() {
            Ok(place) if place.starts_with(&self.root) => Ok(Some(place)),
            Ok(_) => Err(FolderError::Outside { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FolderError::Read { path: path.to_owned(), source }),
        }
    }

    fn add_folder(&mut self, path: &str, depth: usize) -> Result<(), FolderError> {
        if depth > MAX_DEPTH {
            return Err(FolderError::TooLarge);
        }
        let Some(place) = self.place(path)?.filter(|place| place.is_dir()) else { return Ok(()) };
        let failed = |source| FolderError::Read { path: path.to_owned(), source };
        for entry in fs::read_dir(place).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(FolderError::Name { path: format!("{path}/{}", name.to_string_lossy()) });
            };
            if name.starts_with('.') {
                continue;
            }
            let path = format!("{path}/{name}");
            // Links to folders are not followed: they may lead in circles.
            if entry.file_type().map_err(failed)?.is_dir() {
                self.add_folder(&path, depth + 1)?;
            } else {
                self.add(&path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "catalogue: t\ntitle: T\nsources:\n  - name: s\n    files: { include: [\"data/*.json\"], format: json }\n\
        record:\n  key: .id\n  title: .id\nvalidate:\n  schema: schema.json\npages:\n  record: templates/record.html\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("catalogue.yaml", YAML),
            ("schema.json", "{}"),
            ("templates/record.html", "x"),
            ("templates/.hidden", "x"),
            ("assets/deep/a.css", "x"),
            ("data/1.json", "{}"),
            ("README.md", "x"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_bundle_holds_the_definition_and_what_it_names_but_no_data() {
        let bundle = read_folder(folder().path()).unwrap();
        let paths: Vec<&str> = bundle.files().map(|(path, _)| path).collect();
        assert_eq!(paths, ["assets/deep/a.css", "catalogue.yaml", "schema.json", "templates/record.html"]);
    }

    #[test]
    fn another_definition_in_the_folder_stands_in_the_place_of_the_first() {
        let folder = folder();
        let other = YAML.replace("title: T", "title: Other");
        fs::write(folder.path().join("other.yaml"), &other).unwrap();
        let (first, bundle) =
            (read_folder(folder.path()).unwrap(), read_folder(&folder.path().join("other.yaml")).unwrap());
        assert_eq!(bundle.file("catalogue.yaml"), Some(other.as_bytes()));
        let paths = |bundle: &Bundle| bundle.files().map(|(path, _)| path.to_owned()).collect::<Vec<_>>();
        assert_eq!(paths(&first), paths(&bundle));
        let named = read_folder(&folder.path().join("catalogue.yaml")).unwrap();
        assert_eq!(named.digest(), first.digest());
        let refused = read_folder(&folder.path().join("schema.json")).unwrap_err().to_string();
        assert!(refused.contains("schema.json is no folder"), "{refused}");
    }

    #[test]
    fn a_link_that_leads_out_is_refused_and_one_that_stays_is_read() {
        let (inside, outside) = (folder(), folder());
        std::os::unix::fs::symlink("../templates/record.html", inside.path().join("assets/own.html"))
            .unwrap();
        assert!(read_folder(inside.path()).unwrap().file("assets/own.html").is_some());
        std::os::unix::fs::symlink(outside.path().join("README.md"), inside.path().join("assets/r.md"))
            .unwrap();
        assert!(
            matches!(read_folder(inside.path()), Err(FolderError::Outside { path }) if path == "assets/r.md")
        );
    }

    #[test]
    fn a_folder_without_definition_is_no_catalogue_and_one_that_does_not_load_is_read_all_the_same() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(read_folder(empty.path()), Err(FolderError::NotACatalogue { .. })));
        let broken = folder();
        fs::write(broken.path().join("catalogue.yaml"), "catalogue: [").unwrap();
        assert!(read_folder(broken.path()).unwrap().file("catalogue.yaml").is_some());
    }
}
