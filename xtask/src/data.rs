//! The real data, where they lie beside the repository: finding models, unpacked once for tests and benches; neurons as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{command::root, tools};

/// The folder with the unpacked archives, or `None` where there are none.
pub(crate) fn findings() -> anyhow::Result<Option<PathBuf>> {
    let packed = root().join("../shared/data/findings");
    if !packed.join("defs.tar.zst").is_file() {
        return Ok(None);
    }
    let unpacked = root().join("target/test-data/findings");
    fs::create_dir_all(&unpacked)?;
    for entry in fs::read_dir(&packed)? {
        let archive = entry?.path();
        let name = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".tar.zst") else { continue };
        let target = unpacked.join(stem);
        if is_newer(&target, &archive)? {
            continue;
        }
        tools::zstd()?;
        unpack(&archive, &target).with_context(|| format!("cannot unpack {name}"))?;
    }
    Ok(Some(unpacked))
}

/// The folder with the real neuron data, or `None` where there is none; its tables are read where they lie.
pub(crate) fn neurons() -> Option<PathBuf> {
    let folder = root().join("../shared/data/neurons");
    folder.join("eyemap_golden.csv").is_file().then_some(folder)
}

/// Whether what was unpacked is there, and the archive was not replaced since.
fn is_newer(target: &Path, archive: &Path) -> anyhow::Result<bool> {
    if !target.is_dir() {
        return Ok(false);
    }
    let newer = fs::metadata(target)?.modified()? >= fs::metadata(archive)?.modified()?;
    if !newer {
        fs::remove_dir_all(target)?;
    }
    Ok(newer)
}

/// Unpacks into a folder beside `target`, so that a folder that is there is whole.
fn unpack(archive: &Path, target: &Path) -> anyhow::Result<()> {
    let part = target.with_extension("part");
    if part.is_dir() {
        fs::remove_dir_all(&part)?;
    }
    fs::create_dir_all(&part)?;
    let script = "zstd -dqc \"$0\" | tar -x -C \"$1\"";
    let status = Command::new("sh").args(["-c", script]).arg(archive).arg(&part).status()?;
    ensure!(status.success(), "the archive is damaged, or there is no tar");
    fs::rename(part, target)?;
    Ok(())
}
