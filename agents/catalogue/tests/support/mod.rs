//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use quire_catalogue::{Assessment, Bundle, Catalogue};
use quire_proto::{Digest, Format, Item, ItemId, Judged, Problem, RecordVerdict};

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The catalogue of radiology finding models, as it is in the repository.
pub(crate) fn findings() -> Catalogue {
    let home = repository().join("catalogues/findings");
    let mut files = BTreeMap::new();
    collect(&home, &home, &mut files);
    Catalogue::load(Bundle::new(files)).unwrap_or_else(|flaws| panic!("{flaws}"))
}

fn collect(home: &Path, folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let relative = path.strip_prefix(home).unwrap().to_string_lossy().replace('\\', "/");
            into.insert(relative, fs::read(&path).unwrap());
        } else if !path.ends_with("data") {
            collect(home, &path, into);
        }
    }
}

/// The unpacked real models, if they are on this machine; says so if not.
pub(crate) fn real_data() -> Option<PathBuf> {
    let folder = std::env::var_os("QUIRE_FINDINGS_DATA").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.join("defs/defs").is_dir());
    if folder.is_none() {
        println!("skipped: QUIRE_FINDINGS_DATA does not name a folder with defs/defs");
    }
    folder
}

/// A list that comes with the real models: beside them, or in a shared folder next to the repository.
pub(crate) fn list(data: &Path, name: &str) -> Option<PathBuf> {
    let places = [data.join(name), repository().join("../shared/data/findings").join(name)];
    let place = places.into_iter().find(|path| path.is_file());
    if place.is_none() {
        println!("skipped: no {name} beside the real models");
    }
    place
}

/// A catalogue of one source and these other sections.
pub(crate) fn small(sections: &str) -> Catalogue {
    load(&format!("{HEAD}{sections}")).unwrap_or_else(|flaws| panic!("{flaws}"))
}

/// The first lines of [`small`].
pub(crate) const HEAD: &str = "\
catalogue: small
title: Small
sources:
  - { name: all, files: { include: ['**/*'], format: json } }
";

/// A catalogue of one file.
pub(crate) fn load(yaml: &str) -> Result<Catalogue, quire_catalogue::Diagnostics> {
    Catalogue::load(Bundle::new([("catalogue.yaml".to_owned(), yaml.as_bytes().to_vec())].into()))
}

pub(crate) fn item(text: impl Into<Vec<u8>>) -> Item {
    item_as(Format::Json, text)
}

pub(crate) fn item_as(format: Format, text: impl Into<Vec<u8>>) -> Item {
    let raw = Bytes::from(text.into());
    let id = ItemId { source: "all".into(), location: "a.json".into(), ordinal: 0 };
    Item { id, line: 1, format, content: Digest::of(&raw), raw }
}

/// All problems of an assessment, warnings too.
pub(crate) fn problems(assessment: &Assessment) -> &[Problem] {
    match &assessment.verdict.judged {
        Judged::Record(record) => &record.warnings,
        Judged::Rejected { problems, .. } => problems,
    }
}

/// The record; panics with the reasons if it is a reject.
pub(crate) fn record(assessment: &Assessment) -> &RecordVerdict {
    match &assessment.verdict.judged {
        Judged::Record(record) => record,
        Judged::Rejected { problems, .. } => panic!("rejected: {problems:#?}"),
    }
}

/// `rule pointer line` of every problem.
pub(crate) fn brief(assessment: &Assessment) -> Vec<String> {
    let brief = |problem: &Problem| {
        format!(
            "{} {} {}",
            problem.rule,
            problem.pointer,
            problem.line.map_or("-".to_owned(), |line| line.to_string())
        )
    };
    problems(assessment).iter().map(brief).collect()
}
