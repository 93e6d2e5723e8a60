//! Where the real data lies, unpacked once a machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Root of this repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Whether the test runner promised every tool, so that a missing one is a failure.
#[must_use]
pub fn tools_promised() -> bool {
    std::env::var_os("QUIRE_TEST_TOOLS").is_some_and(|value| value == "promised")
}

/// The real finding models: unpacked folders and the files beside them.
#[derive(Debug, Clone)]
pub struct RealFindings {
    unpacked: PathBuf,
    packed: PathBuf,
}

impl RealFindings {
    /// The data, or `None` with a line that says why.
    ///
    /// # Panics
    /// If the archives are there and cannot be unpacked.
    #[must_use]
    pub fn find() -> Option<Self> {
        let packed = repository().parent()?.join("shared/data/findings");
        if !packed.join("defs.tar.zst").is_file() {
            println!("skipped: the real finding models are not beside this repository");
            return None;
        }
        let unpacked = repository().join("target/test-data/findings");
        unpack_all(&packed, &unpacked);
        Some(Self { unpacked, packed })
    }

    /// The 2,039 models.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.unpacked.join("defs/defs")
    }

    /// A file or folder of the unpacked archives, such as `golden_markdown/text`.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        self.unpacked.join(name)
    }

    /// A file that lies beside the archives, such as `queries.jsonl`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.packed.join(name)
    }
}

/// Unpacks every archive into a folder of its stem. Several test programs may come here at once: each unpacks for itself
/// and the first rename wins.
fn unpack_all(packed: &Path, unpacked: &Path) {
    fs::create_dir_all(unpacked).unwrap();
    for entry in fs::read_dir(packed).unwrap() {
        let archive = entry.unwrap().path();
        let name = archive.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(stem) = name.strip_suffix(".tar.zst") else { continue };
        let target = unpacked.join(stem);
        if target.is_dir() {
            continue;
        }
        let scratch = tempfile::tempdir_in(unpacked).unwrap();
        let status = Command::new("sh")
            .args(["-c", "zstd -dqc \"$0\" | tar -x -C \"$1\""])
            .arg(&archive)
            .arg(scratch.path())
            .status()
            .unwrap();
        assert!(status.success(), "unpacking {name} needs zstd and tar");
        if fs::rename(scratch.path(), &target).is_ok() {
            let _ = scratch.keep();
        }
        assert!(target.is_dir());
    }
}
