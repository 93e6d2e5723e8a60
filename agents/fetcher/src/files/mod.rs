//! The upstream `files`: records in files below a folder.

mod patterns;
mod root;
mod walk;

use std::{
    fs::{File, Metadata},
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use quire_catalogue::Files;
use quire_proto::Listed;
use quire_runtime::{Context, chain};

use crate::{
    FetcherOptions,
    expand::expand,
    files::{
        patterns::Patterns,
        root::{OpenError, Root},
        walk::{WalkLimits, modified_ns, walk},
    },
    frame::{Part, Refusal},
    gather::Gather,
    inflate::{InflateError, Packing, read_all},
    memo::{MemoScope, Stamp, now_ns},
    take::{MAX_LOCATION_BYTES, Taker},
    upstream::{Answer, Listing, Unreachable, Upstream, Wanted},
};

/// How often a file that changes while it is read is read again.
const MAX_READINGS: u32 = 3;
/// Failures of a listing that are told; the others are counted.
const MAX_FAILURES_TOLD: usize = 3;

/// The files of one source.
pub(crate) struct FilesUpstream {
    root: Arc<Root>,
    patterns: Arc<Patterns>,
    left_out: Arc<[PathBuf]>,
    follow_symlinks: bool,
    limits: WalkLimits,
}

impl FilesUpstream {
    pub(crate) fn connect(
        catalogue: &str,
        files: &Files,
        options: &FetcherOptions,
    ) -> Result<Self, Unreachable> {
        let told = |error: &dyn std::error::Error| Unreachable(error.to_string());
        let written = expand(&files.root, &options.env).map_err(|error| told(&error))?;
        let patterns =
            Patterns::new(&files.include, &files.exclude).map_err(|error| Unreachable(chain(&error)))?;
        let path = match (Path::new(&written), options.home_of(catalogue)) {
            (path, _) if path.is_absolute() => path.to_owned(),
            (path, Some(home)) => home.join(path),
            (_, None) => {
                return Err(Unreachable(format!("no folder is known for the catalogue {catalogue}")));
            }
        };
        // The message is published with the run: it names the root as the catalogue does.
        let root = open_root(&path).map_err(|error| Unreachable(format!("root {}: {error}", files.root)))?;
        if options.left_out.iter().any(|folder| root.path().starts_with(folder)) {
            return Err(Unreachable(format!("root {}: that is a folder of Quire's own files", files.root)));
        }
        let limits = WalkLimits::default();
        let (root, patterns) = (Arc::new(root), Arc::new(patterns));
        let left_out = options.left_out.as_slice().into();
        Ok(Self { root, patterns, left_out, follow_symlinks: files.follow_symlinks, limits })
    }
}

fn open_root(path: &Path) -> io::Result<Root> {
    let root = Root::open(path)?;
    // Opening succeeds without the right to list.
    std::fs::read_dir(root.path())?;
    Ok(root)
}

impl Upstream for FilesUpstream {
    fn list(&self, ctx: Context, _: Wanted) -> Answer<'_, Listing> {
        let (root, patterns) = (Arc::clone(&self.root), Arc::clone(&self.patterns));
        let (left_out, follow, limits) = (Arc::clone(&self.left_out), self.follow_symlinks, self.limits);
        Box::pin(async move {
            ctx.compute(move || {
                let walked = walk(&root, &patterns, &left_out, follow, limits);
                let mut notes = Vec::new();
                if walked.failures.is_empty() {
                    let found = walked.found.iter().map(|listed| listed.location.as_str());
                    let idle = patterns.without_match(found);
                    notes.extend(idle.map(|pattern| format!("no file matches the pattern {pattern}")));
                }
                let failure = told(&walked.failures);
                Listing { found: walked.found, failure, notes, ..Listing::default() }
            })
            .await
        })
    }

    fn read(
        &self,
        ctx: Context,
        locations: Vec<Listed>,
        mut gather: Gather,
        taker: Arc<Taker>,
    ) -> Answer<'_, Gather> {
        let (root, follow) = (Arc::clone(&self.root), self.follow_symlinks);
        Box::pin(async move {
            ctx.compute(move || {
                let mut locations = locations.into_iter();
                for listed in locations.by_ref() {
                    read_one(&root, follow, &listed.location, &taker, &mut gather);
                    if gather.is_full() {
                        break;
                    }
                }
                gather.defer(locations);
                gather
            })
            .await
        })
    }

    fn memo(&self, taker: &Taker) -> Option<MemoScope> {
        let prefix = self.root.path().as_os_str().as_bytes().to_vec();
        Some(MemoScope { prefix, reading: taker.reading() })
    }
}

/// The first failures in one sentence.
fn told(failures: &[String]) -> Option<String> {
    let more = failures.len().saturating_sub(MAX_FAILURES_TOLD);
    let mut text = failures.get(..failures.len() - more).unwrap_or_default().join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    (!failures.is_empty()).then_some(text)
}

/// What became of one reading of a file.
enum Reading {
    Parts(Vec<Part>, Metadata),
    Changed,
    /// With the kind of the error, and what is told of it.
    Failed(&'static str, String),
    Refused(Refusal),
}

impl Reading {
    fn failed(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => "not_found",
            io::ErrorKind::PermissionDenied => "denied",
            _ => "io",
        };
        Self::Failed(kind, error.to_string())
    }

    /// How the request for it ended, as it is counted.
    const fn status(&self) -> &'static str {
        match self {
            Self::Parts(..) | Self::Refused(_) => "ok",
            Self::Changed => "changed",
            Self::Failed(kind, _) => kind,
        }
    }
}

fn read_one(root: &Root, follow: bool, location: &str, taker: &Taker, gather: &mut Gather) {
    for _ in 0..MAX_READINGS {
        let made_ns = now_ns();
        let reading = read_once(root, follow, location, taker);
        gather.asked(reading.status());
        match reading {
            Reading::Changed => {}
            Reading::Failed(_, why) => return gather.fail(location, why),
            Reading::Refused(refusal) => {
                gather.take(location, vec![refusal.into_part()]);
                return;
            }
            Reading::Parts(parts, metadata) => {
                let items = gather.take(location, parts);
                if let Ok(modified_ns) = i64::try_from(modified_ns(&metadata)) {
                    let size = metadata.len();
                    gather.remember(Stamp { location: location.into(), size, modified_ns, made_ns, items });
                }
                return;
            }
        }
    }
    gather.fail(location, format!("file changed while it was read, {MAX_READINGS} times"));
}

fn read_once(root: &Root, follow: bool, location: &str, taker: &Taker) -> Reading {
    let (file, before) = match open(root, follow, location) {
        Ok(opened) => opened,
        Err(reading) => return reading,
    };
    let (packing, limit) = (Packing::of(location), taker.max_location_bytes());
    let most = if packing == Packing::Plain { limit } else { MAX_LOCATION_BYTES };
    let read = if before.len() > most {
        Err(InflateError::TooLarge { limit: most })
    } else {
        read_all(&file, packing, limit)
    };
    match file.metadata() {
        Err(error) => return Reading::failed(&error),
        Ok(after) if stamp(&after) != stamp(&before) => return Reading::Changed,
        Ok(_) => {}
    }
    match read {
        Ok(bytes) => Reading::Parts(taker.take(Bytes::from(bytes)), before),
        Err(InflateError::Io(error)) => Reading::failed(&error),
        // A refusal of the bytes is as lasting as the bytes: it is remembered with them.
        Err(error @ InflateError::TooLarge { .. }) => {
            Reading::Parts(vec![Refusal::new("too-large", format!("file has {error}")).into_part()], before)
        }
        Err(error) => {
            Reading::Parts(vec![Refusal::new("decompression", format!("file {error}")).into_part()], before)
        }
    }
}

#[allow(clippy::result_large_err, reason = "the error is the answer, and is moved once a file")]
fn open(root: &Root, follow: bool, location: &str) -> Result<(File, Metadata), Reading> {
    let file = root.file(location, follow).map_err(|error| match error {
        OpenError::Io(error) if error.kind() == io::ErrorKind::NotFound && location.contains('\u{fffd}') => {
            Reading::Refused(Refusal::new("name", "name of the file is not UTF-8: rename it"))
        }
        OpenError::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            let gone = "file was there when the source was listed and is gone";
            Reading::Failed("not_found", gone.to_owned())
        }
        OpenError::Io(error) => Reading::failed(&error),
        error => Reading::Refused(Refusal::new("location", error.to_string())),
    })?;
    let metadata = file.metadata().map_err(|error| Reading::failed(&error))?;
    Ok((file, metadata))
}

fn stamp(metadata: &Metadata) -> (u64, i128) {
    (metadata.len(), modified_ns(metadata))
}
