//! The templates and assets that every site has, built into the program.

use std::sync::OnceLock;

use quire_figures::FIGURES_VERSION;
use quire_proto::{Digest, DigestBuilder};

/// Version of the renderer: raised whenever the same record would give other bytes.
pub const RENDERER_VERSION: u32 = 4;

macro_rules! embedded {
    ($include:ident, $folder:literal, $($name:literal),+ $(,)?) => {
        [$(($name, $include!(concat!("../../site/", $folder, "/", $name)))),+]
    };
}

const TEMPLATE_SOURCES: [(&str, &str); 7] = embedded!(
    include_str,
    "templates",
    "base.html",
    "home.html",
    "list.html",
    "missing.html",
    "record.html",
    "record.md",
    "rejects.html",
);

const ASSET_BYTES: [(&str, &[u8]); 8] = embedded!(
    include_bytes_slice,
    "assets",
    "quire.css",
    "quire.js",
    "quire.svg",
    "search/box.js",
    "search/index.js",
    "search/list.js",
    "search/page.js",
    "search/words.js",
);

macro_rules! include_bytes_slice {
    ($path:expr) => {
        include_bytes!($path).as_slice()
    };
}
use include_bytes_slice;

/// Prefix of the names of built-in templates; a catalogue's own cannot have it.
pub(super) const PREFIX: &str = "quire/";

/// Built-in templates: name without prefix, source.
pub fn templates() -> impl Iterator<Item = (&'static str, &'static str)> {
    TEMPLATE_SOURCES.into_iter()
}

/// Built-in assets: path below `assets/`, bytes.
pub fn assets() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    ASSET_BYTES.into_iter()
}

/// Digest of all that pages are made with besides the catalogue: [`RENDERER_VERSION`], [`FIGURES_VERSION`], templates, assets.
#[must_use]
pub fn engine_digest() -> Digest {
    static DIGEST: OnceLock<Digest> = OnceLock::new();
    *DIGEST.get_or_init(|| {
        let start = DigestBuilder::new("quire renderer").number(u64::from(RENDERER_VERSION));
        let start = start.number(u64::from(FIGURES_VERSION));
        let templates = templates().fold(start, |digest, (name, source)| digest.text(name).text(source));
        assets().fold(templates, |digest, (name, bytes)| digest.text(name).bytes(bytes)).finish()
    })
}
