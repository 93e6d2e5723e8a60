//! Python packages of servers, where `cargo xtask test` has installed them.

use std::path::{Path, PathBuf};

/// Where the packages of a server are: what `variable` says, or the folder below `target/tools` in which `one` of them
/// is (`folder/package`). `None`, with a line that says why, where they are not installed.
pub(crate) fn packages(server: &str, variable: &str, one: &str) -> Option<PathBuf> {
    let (folder, package) = one.split_once('/')?;
    let given = std::env::var_os(variable).map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let packages = given.unwrap_or_else(|| root.join("target/tools").join(folder));
    if packages.join(package).is_dir() {
        return Some(packages);
    }
    let promised = std::env::var_os("QUIRE_TEST_TOOLS").is_some_and(|value| value == "promised");
    assert!(!promised, "no {server} server in {}", packages.display());
    println!("skipped: there is no {server} server (`cargo xtask test` installs it)");
    None
}
