//! Where the real data lies.

use std::path::{Path, PathBuf};

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
    /// The data, or `None` with a line that says why. `cargo xtask test` unpacks it.
    #[must_use]
    pub fn find() -> Option<Self> {
        let given = std::env::var_os("QUIRE_FINDINGS_DATA").map(PathBuf::from);
        let unpacked = given.unwrap_or_else(|| repository().join("target/test-data/findings"));
        let packed = repository().parent()?.join("shared/data/findings");
        if !unpacked.join("defs/defs").is_dir() || !packed.is_dir() {
            println!("skipped: the real finding models are not beside this repository");
            return None;
        }
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
