//! The site's folder on this machine: the renderer's writer, as the coordinator asks for it.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use quire_coordinator::SiteEdge;
use quire_proto::Digest;
use quire_renderer::edge::{SiteWriter, Stamps};
use quire_runtime::BoxError;

/// The site, and where what we know of its files is kept between runs.
pub struct Site {
    writer: Arc<SiteWriter>,
    stamps: PathBuf,
}

impl Site {
    /// Opens the folder, making it where needed. Stamps that cannot be read are forgotten: files are hashed again.
    ///
    /// # Errors
    /// If one of the folders cannot be used.
    pub fn open(out: &Path, tmp: &Path, stamps: PathBuf) -> anyhow::Result<Self> {
        let writer = SiteWriter::open(out, tmp)
            .with_context(|| format!("cannot use the site's folder {}", out.display()))?;
        if let Some(known) = fs::read(&stamps).ok().and_then(|bytes| Stamps::decode(&bytes)) {
            writer.set_stamps(known);
        }
        Ok(Self { writer: Arc::new(writer), stamps })
    }

    /// The writer, for the stage that publishes.
    #[must_use]
    pub fn writer(&self) -> Arc<SiteWriter> {
        Arc::clone(&self.writer)
    }

    /// Keeps the stamps for the next run.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn save_stamps(&self) -> anyhow::Result<()> {
        let about = || format!("cannot write {}", self.stamps.display());
        let bytes = self.writer.encode_stamps();
        if fs::read(&self.stamps).is_ok_and(|known| known == bytes) {
            return Ok(());
        }
        if let Some(folder) = self.stamps.parent() {
            fs::create_dir_all(folder).with_context(about)?;
        }
        let part = self.stamps.with_extension("part");
        fs::write(&part, bytes).and_then(|()| fs::rename(&part, &self.stamps)).with_context(about)
    }
}

impl SiteEdge for Site {
    fn verify(&self, expected: &mut dyn Iterator<Item = (String, Digest)>) -> Result<Vec<String>, BoxError> {
        Ok(self.writer.verify(expected)?)
    }

    fn write(&self, path: &str, digest: &Digest, bytes: &[u8]) -> Result<bool, BoxError> {
        Ok(self.writer.write(path, digest, bytes)?)
    }

    fn remove(&self, path: &str) -> Result<bool, BoxError> {
        Ok(self.writer.remove(path)?)
    }

    fn list(&self, found: &mut dyn FnMut(String)) -> Result<(), BoxError> {
        list(self.writer.out(), "", found)
    }

    fn identity(&self) -> String {
        let out = self.writer.out();
        out.canonicalize().unwrap_or_else(|_| out.to_path_buf()).to_string_lossy().into_owned()
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, BoxError> {
        let file = match fs::File::open(self.writer.out().join(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= limit).then_some(bytes))
    }
}

/// Calls `found` for every file below `folder`. Links are files to us: what they point to is not ours. A name that is not UTF-8 is not ours either.
fn list(folder: &Path, prefix: &str, found: &mut dyn FnMut(String)) -> Result<(), BoxError> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() { list(&entry.path(), &path, found)? } else { found(path) }
    }
    Ok(())
}
