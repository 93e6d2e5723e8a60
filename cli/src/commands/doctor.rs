//! `quire doctor`: checks the installation; each check says what is wrong and what to do.

mod upstream;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{DoctorArgs, Exit, output};

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: CheckState,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum CheckState {
    Fine,
    Warning,
    Failed,
}

/// Checks.
///
/// # Errors
/// If the answer cannot be printed.
pub fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let (found, upstreams) = catalogues(&args.catalogues);
    let mut checks = vec![
        version(),
        writable("state folder", &args.state.state),
        writable("site folder", &args.out),
        one_file_system(&args.state.state, &args.out),
        unlocked(&args.state.state),
        found,
        cores(),
    ];
    checks.extend(upstreams);
    if args.json {
        output::json(&checks)?;
    } else {
        for check in &checks {
            let mark = match check.state {
                CheckState::Fine => "fine   ",
                CheckState::Warning => "warning",
                CheckState::Failed => "failed ",
            };
            output::text(&format!("{mark}  {}: {}", check.name, check.found))?;
            if let Some(remedy) = &check.remedy {
                output::text(&format!("         {remedy}"))?;
            }
        }
    }
    let failed = checks.iter().any(|check| check.state == CheckState::Failed);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

const fn fine(name: &'static str, found: String) -> Check {
    Check { name, state: CheckState::Fine, found, remedy: None }
}

fn version() -> Check {
    fine("version", format!("quire {}", env!("CARGO_PKG_VERSION")))
}

/// Whether we can write there, or make the folder.
fn writable(name: &'static str, folder: &Path) -> Check {
    let existing = nearest_existing(folder);
    if let Some(file) = folder.ancestors().find(|path| path.exists()).filter(|path| !path.is_dir()) {
        return Check {
            name,
            state: CheckState::Failed,
            found: format!("{} is a file, not a folder", file.display()),
            remedy: Some("move it away, or choose another folder (--state, --out)".to_owned()),
        };
    }
    let probe = existing.join(format!(".quire-doctor-{}", std::process::id()));
    let result = fs::write(&probe, b"probe").and_then(|()| fs::remove_file(&probe));
    match result {
        Ok(()) => fine(name, format!("{} can be written", folder.display())),
        Err(error) => Check {
            name,
            state: CheckState::Failed,
            found: format!("{} cannot be written: {error}", existing.display()),
            remedy: Some(
                "free space, change its permissions, or choose another folder (--state, --out)".to_owned(),
            ),
        },
    }
}

/// Files move from the state folder into the site by rename, which works within one file system.
fn one_file_system(state: &Path, out: &Path) -> Check {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| fs::metadata(nearest_existing(path)).map(|meta| meta.dev()).ok();
    let name = "file system";
    if device(state) == device(out) {
        return fine(name, "state and site are on the same one".to_owned());
    }
    Check {
        name,
        state: CheckState::Warning,
        found: "state and site are on different ones".to_owned(),
        remedy: Some("temporary files will lie beside the site; a --state near --out avoids that".to_owned()),
    }
}

fn unlocked(state: &Path) -> Check {
    let name = "lock";
    let lock = state.join("lock");
    let held =
        fs::File::open(&lock).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)));
    if !held {
        return fine(name, "no other quire uses the state folder".to_owned());
    }
    Check {
        name,
        state: CheckState::Warning,
        found: format!("another quire uses {}", state.display()),
        remedy: Some("wait for it, or choose another --state".to_owned()),
    }
}

/// The catalogues, and a check of each neuPrint server that they read.
fn catalogues(given: &[PathBuf]) -> (Check, Vec<Check>) {
    let name = "catalogues";
    match crate::embedded::find_catalogues(given) {
        Ok(found) => {
            let names: Vec<_> = found.iter().map(|folder| folder.name.as_str()).collect();
            let here = fine(name, format!("{} here: {}", names.len(), names.join(", ")));
            (here, found.iter().flat_map(upstream::checks).collect())
        }
        Err(error) => {
            let remedy = "`quire new NAME` makes one; `quire check DIR` explains the problems of one";
            let (found, remedy) = (format!("{error:#}"), Some(remedy.to_owned()));
            (Check { name, state: CheckState::Warning, found, remedy }, Vec::new())
        }
    }
}

fn cores() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    fine("cores", format!("{cores}: a build uses that many workers"))
}

/// The folder itself, or the nearest one above that exists.
fn nearest_existing(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let found = absolute.ancestors().find(|path| path.is_dir());
    found.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
