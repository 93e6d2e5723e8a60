//! `manifest.json` of the site: every published file with its digest, nothing else.

use std::{collections::BTreeMap, io};

use quire_proto::Digest;
use serde::Deserialize;

use crate::publish::Wanted;

/// Where it lies in the site.
pub(crate) const PATH: &str = "manifest.json";
/// Largest that is read.
pub(crate) const MAX_BYTES: u64 = 1 << 30;

/// What a site manifest says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SiteManifest {
    pub(crate) files: BTreeMap<String, Digest>,
}

impl SiteManifest {
    /// Reads one; `None` if it is none of ours.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Writes one, file by file, ascending by path.
pub(crate) struct SiteManifestWriter {
    text: Vec<u8>,
    first: bool,
}

impl SiteManifestWriter {
    pub(crate) fn new() -> Self {
        Self { text: b"{\"files\":{".to_vec(), first: true }
    }

    pub(crate) fn add(&mut self, file: &Wanted) -> io::Result<()> {
        if !std::mem::replace(&mut self.first, false) {
            self.text.push(b',');
        }
        serde_json::to_writer(&mut self.text, &file.path)?;
        self.text.push(b':');
        serde_json::to_writer(&mut self.text, &file.digest)?;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.text.extend_from_slice(b"}}");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_manifest_is_compact_and_reads_back() {
        let mut writer = SiteManifestWriter::new();
        assert_eq!(SiteManifestWriter::new().finish(), b"{\"files\":{}}");
        for path in ["a/\"q\".html", "b/ü.html"] {
            writer.add(&Wanted { path: path.into(), digest: Digest::of(path.as_bytes()) }).unwrap();
        }
        let text = String::from_utf8(writer.finish()).unwrap();
        let hex = Digest::of("b/ü.html".as_bytes()).to_hex();
        assert!(
            text.starts_with(r#"{"files":{"a/\"q\".html":""#)
                && text.ends_with(&format!(r#","b/ü.html":"{hex}"}}}}"#))
        );
        let read = SiteManifest::read(text.as_bytes()).unwrap();
        assert_eq!(read.files.len(), 2);
        assert!(SiteManifest::read(b"[]").is_none());
    }
}
