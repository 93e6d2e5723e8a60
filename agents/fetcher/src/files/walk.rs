//! Walks a root folder: which files there are, their sizes and times, sorted by location.
//!
//! `.gitignore` and `.quireignore` below the root are honoured; those above it, and a person's own git
//! settings, are not: what a catalogue holds must not depend on where it lies or who builds it.

use std::{
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use ignore::{DirEntry, WalkBuilder};
use quire_proto::Listed;
use rustix::io::Errno;

use super::{patterns::Patterns, root::Root};

/// Name of the ignore files that only Quire reads.
pub(crate) const IGNORE_FILE: &str = ".quireignore";

/// Limits of a listing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WalkLimits {
    /// Most files of one source.
    pub(crate) files: usize,
    /// Deepest nesting of folders.
    pub(crate) depth: usize,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self { files: 5_000_000, depth: 64 }
    }
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Sorted by location, each once.
    pub(crate) found: Vec<Listed>,
    /// Why the listing is not complete, sorted; empty: it is.
    pub(crate) failures: Vec<String>,
}

/// Walks `root`, but not into the folders `left_out`, which are canonical.
pub(crate) fn walk(
    root: &Arc<Root>,
    patterns: &Arc<Patterns>,
    left_out: &Arc<[PathBuf]>,
    follow: bool,
    limits: WalkLimits,
) -> Walked {
    let mut walked = Walked::default();
    for entry in walker(root, patterns, left_out, follow, limits).build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                note(&error, root, patterns, &mut walked);
                continue;
            }
        };
        if let Some(error) = entry.error() {
            tracing::warn!(%error, "ignore file is only partly usable");
        }
        visit(&entry, root, patterns, limits, &mut walked);
        if walked.found.len() > limits.files {
            let message = format!("source has more than {} files", limits.files);
            return Walked { found: Vec::new(), failures: vec![message] };
        }
    }
    walked.found.sort_unstable_by(|a, b| a.location.cmp(&b.location));
    walked.found.dedup_by(|later, earlier| later.location == earlier.location);
    walked.failures.sort_unstable();
    walked
}

fn walker(
    root: &Arc<Root>,
    patterns: &Arc<Patterns>,
    left_out: &Arc<[PathBuf]>,
    follow: bool,
    limits: WalkLimits,
) -> WalkBuilder {
    let mut builder = WalkBuilder::new(root.path());
    builder
        .standard_filters(false)
        .git_ignore(true)
        .require_git(false)
        .hidden(!patterns.reach_hidden())
        .follow_links(follow)
        .max_depth(Some(limits.depth))
        .add_custom_ignore_filename(IGNORE_FILE);
    let (root, patterns, left_out) = (Arc::clone(root), Arc::clone(patterns), Arc::clone(left_out));
    builder.filter_entry(move |entry| {
        if entry.depth() == 0 {
            return true;
        }
        let location = location(&root, entry.path());
        if entry.file_type().is_some_and(|kind| kind.is_dir()) {
            return patterns.enter(&location)
                && !is_left_out(entry, &left_out)
                && (!entry.path_is_symlink() || stays_inside(&root, &location));
        }
        patterns.take(&location)
    });
    builder
}

/// Whether a folder is one of `left_out`, or a link into one.
fn is_left_out(entry: &DirEntry, left_out: &[PathBuf]) -> bool {
    let real = if entry.path_is_symlink() { entry.path().canonicalize().ok() } else { None };
    let path = real.as_deref().unwrap_or(entry.path());
    left_out.iter().any(|folder| path.starts_with(folder))
}

/// A folder reached over a link is walked only if it lies below the root: nothing else is ours to list.
fn stays_inside(root: &Root, location: &str) -> bool {
    let inside = root.holds(location);
    if !inside {
        tracing::warn!(location, "symbolic link to a folder outside the source's root is not followed");
    }
    inside
}

fn visit(entry: &DirEntry, root: &Root, patterns: &Patterns, limits: WalkLimits, walked: &mut Walked) {
    let Some(kind) = entry.file_type() else { return };
    let location = location(root, entry.path());
    if kind.is_dir() {
        if entry.depth() >= limits.depth && patterns.enter(&location) {
            walked.failures.push(format!("folder {location} is nested deeper than {} folders", limits.depth));
        }
    } else if kind.is_file() {
        match entry.metadata() {
            Ok(metadata) => walked.found.push(listed(location, &metadata)),
            Err(error) => note(&error, root, patterns, walked),
        }
    }
}

/// The time is the one that the file system keeps; what is before 1970 is negative.
pub(crate) fn modified_ns(metadata: &Metadata) -> i128 {
    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())
}

fn listed(location: String, metadata: &Metadata) -> Listed {
    Listed { location, size: metadata.len(), modified_ns: modified_ns(metadata) }
}

/// The path relative to the root. A name that is not UTF-8 gets replacement characters: reading it fails
/// by that name, and becomes a reject.
fn location(root: &Root, path: &Path) -> String {
    path.strip_prefix(root.path()).unwrap_or(path).to_string_lossy().into_owned()
}

/// Sorts an error of the walk into harmless and not.
fn note(error: &ignore::Error, root: &Root, patterns: &Patterns, walked: &mut Walked) {
    let (path, cause) = take_apart(error);
    let location = path.map(|path| location(root, path)).unwrap_or_default();
    match cause {
        // A loop only leads to what is listed already.
        None => tracing::debug!(%error, "symbolic links form a loop"),
        Some(cause) if leads_nowhere(cause) => {
            // Gone meanwhile, as if it had never been there; but a dangling link is an item that cannot be read.
            let is_link = path.is_some_and(Path::is_symlink);
            if is_link && patterns.take(&location) {
                walked.found.push(Listed { location, size: 0, modified_ns: 0 });
            }
        }
        // Only the kind is told: the text names absolute paths.
        Some(cause) if location.is_empty() => {
            walked.failures.push(format!("root cannot be listed: {}", cause.kind()));
        }
        Some(cause) => walked.failures.push(format!("{location} cannot be listed: {}", cause.kind())),
    }
}

fn leads_nowhere(cause: &io::Error) -> bool {
    let inner = || cause.get_ref()?.source()?.downcast_ref::<io::Error>()?.raw_os_error();
    let code = cause.raw_os_error().or_else(inner);
    cause.kind() == io::ErrorKind::NotFound || code == Some(Errno::LOOP.raw_os_error())
}

/// The path and the I/O error in it; no I/O error for loops and broken patterns.
fn take_apart(error: &ignore::Error) -> (Option<&Path>, Option<&io::Error>) {
    match error {
        ignore::Error::WithPath { path, err } => {
            let (inner, cause) = take_apart(err);
            (inner.or(Some(path)), cause)
        }
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => take_apart(err),
        ignore::Error::Io(cause) => (None, Some(cause)),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        fs,
        os::unix::{ffi::OsStrExt as _, fs::symlink},
    };

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, *file).unwrap();
        }
        dir
    }

    fn walk_in(dir: &Path, include: &[&str], follow: bool, limits: WalkLimits) -> Walked {
        let include: Vec<String> = include.iter().map(|glob| (*glob).to_owned()).collect();
        let patterns = Arc::new(Patterns::new(&include, &[]).unwrap());
        let left_out = Arc::from([dir.canonicalize().unwrap().join("left/out")]);
        walk(&Arc::new(Root::open(dir).unwrap()), &patterns, &left_out, follow, limits)
    }

    fn names(dir: &Path, include: &[&str], follow: bool) -> Vec<String> {
        let walked = walk_in(dir, include, follow, WalkLimits::default());
        assert_eq!(walked.failures, Vec::<String>::new());
        walked.found.into_iter().map(|found| found.location).collect()
    }

    #[test]
    fn folders_that_are_left_out_are_not_listed_by_whatever_way() {
        let dir = tree(&["left/a.json", "left/out/b.json", "left/out/deep/c.json", "left/outer/d.json"]);
        symlink(dir.path().join("left/out/deep"), dir.path().join("link")).unwrap();
        for follow in [false, true] {
            assert_eq!(names(dir.path(), &["**/*.json"], follow), ["left/a.json", "left/outer/d.json"]);
        }
    }

    #[test]
    fn a_listing_is_sorted_by_location_with_sizes_and_times() {
        let dir = tree(&["b/z.json", "b.json", "a/2.json", "a/10.json", "a.txt"]);
        assert_eq!(names(dir.path(), &["**/*.json"], false), ["a/10.json", "a/2.json", "b.json", "b/z.json"]);
        let walked = walk_in(dir.path(), &["b.json"], false, WalkLimits::default());
        assert_eq!(walked.found[0].size, 6);
        let metadata = fs::metadata(dir.path().join("b.json")).unwrap();
        assert_eq!(walked.found[0].modified_ns, modified_ns(&metadata));
    }

    #[test]
    fn ignore_files_below_the_root_count_and_those_above_do_not() {
        let dir = tree(&["in/a.json", "in/b.json", "in/x/c.json", "in/x/d.json", "in/keep/e.json"]);
        fs::write(dir.path().join(".gitignore"), "in\n*.json\n").unwrap();
        fs::write(dir.path().join("in/.gitignore"), "b.json\nkeep/\n").unwrap();
        fs::write(dir.path().join("in/x/.quireignore"), "d.*\n").unwrap();
        assert_eq!(names(&dir.path().join("in"), &["**/*.json"], false), ["a.json", "x/c.json"]);
    }

    #[test]
    fn a_quireignore_overrules_a_gitignore() {
        let dir = tree(&["data/a.json", "data/b.json"]);
        fs::write(dir.path().join(".gitignore"), "data/*\n").unwrap();
        fs::write(dir.path().join(".quireignore"), "!data/a.json\n").unwrap();
        assert_eq!(names(dir.path(), &["**/*.json"], false), ["data/a.json"]);
    }

    #[test]
    fn hidden_files_are_skipped_unless_a_pattern_spells_them() {
        let dir = tree(&["a.json", ".b.json", ".c/d.json", ".git/e.json"]);
        assert_eq!(names(dir.path(), &["**/*.json"], false), ["a.json"]);
        assert_eq!(names(dir.path(), &["**/*.json", ".c/*.json"], false), [".c/d.json", "a.json"]);
    }

    #[test]
    fn links_are_followed_only_when_allowed_and_never_out_of_the_root() {
        let dir = tree(&["in/real/a.json", "out/b.json"]);
        let root = dir.path().join("in");
        symlink("real", root.join("alias")).unwrap();
        symlink(dir.path().join("out"), root.join("escape")).unwrap();
        assert_eq!(names(&root, &["**/*.json"], false), ["real/a.json"]);
        assert_eq!(names(&root, &["**/*.json"], true), ["alias/a.json", "real/a.json"]);
    }

    #[test]
    fn a_loop_of_links_is_harmless() {
        let dir = tree(&["a/x.json"]);
        symlink("..", dir.path().join("a/up")).unwrap();
        symlink("self", dir.path().join("self")).unwrap();
        symlink("b.json", dir.path().join("b.json")).unwrap();
        assert_eq!(names(dir.path(), &["**/*.json"], false), ["a/x.json"]);
        assert_eq!(names(dir.path(), &["**/*.json"], true), ["a/x.json", "b.json"]);
    }

    #[test]
    fn a_dangling_link_is_listed_so_that_reading_can_report_it() {
        let dir = tree(&["a.json"]);
        symlink("nowhere", dir.path().join("b.json")).unwrap();
        assert_eq!(names(dir.path(), &["*.json"], false), ["a.json"]);
        assert_eq!(names(dir.path(), &["*.json"], true), ["a.json", "b.json"]);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_listed_with_a_replacement_character() {
        let dir = tree(&["a.json"]);
        fs::write(dir.path().join(OsStr::from_bytes(b"caf\xe9.json")), "{}").unwrap();
        assert_eq!(names(dir.path(), &["*.json"], false), ["a.json", "caf\u{fffd}.json"]);
    }

    #[test]
    fn limits_make_a_listing_fail_and_say_so() {
        let dir = tree(&["a.json", "b.json", "c/d/e.json"]);
        let few = walk_in(dir.path(), &["**/*.json"], false, WalkLimits { files: 2, depth: 64 });
        assert_eq!(few.failures, ["source has more than 2 files"]);
        assert_eq!(few.found.len(), 0);
        let flat = walk_in(dir.path(), &["**/*.json"], false, WalkLimits { files: 9, depth: 2 });
        assert_eq!(flat.failures, ["folder c/d is nested deeper than 2 folders"]);
        assert_eq!(flat.found.len(), 2);
    }
}
