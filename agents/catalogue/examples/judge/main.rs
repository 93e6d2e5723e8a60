//! Judges every `.json` file of a folder by a catalogue (findings, if none is named) and prints what became of them and the time a
//! record: `cargo run --release -p quire-catalogue --example judge FOLDER`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bare;

use std::{collections::BTreeMap, fs, path::Path, process::ExitCode, time::Instant};

use quire_catalogue::{Bundle, Catalogue};
use quire_proto::{Digest, Format, Item, ItemId, Judged};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: judge FOLDER [ROUNDS] [CATALOGUE]")?;
    let rounds = std::env::args().nth(2).map_or(Ok(5), |rounds| rounds.parse())?;
    let findings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalogues/findings");
    let home = std::env::args().nth(3).map_or(findings, Into::into);
    let mut files = BTreeMap::new();
    collect(&home, &home, &mut files)?;
    let catalogue = Catalogue::load(Bundle::new(files))?;
    let started = Instant::now();
    let flaws = catalogue.check();
    println!("check: {:?}", started.elapsed());
    if !flaws.is_empty() {
        return Err(flaws.into());
    }
    let items = items(Path::new(&folder))?;
    for round in 1..=rounds {
        let (started, cpu) = (Instant::now(), cpu_ns());
        let verdicts: Vec<_> = items.iter().map(|item| catalogue.judge(item)).collect();
        let cpu = cpu_ns().saturating_sub(cpu) / 1000;
        let each = cpu / u64::try_from(items.len().max(1))?;
        let records = verdicts.iter().filter(|one| matches!(one.verdict.judged, Judged::Record(_))).count();
        let rejects = verdicts.len() - records;
        if round == rounds {
            bare::measure(&items, &home, &catalogue)?;
        }
        println!(
            "round {round}: {each} us CPU a record, {cpu} us CPU and {:?} in all, {records} records, {rejects} rejects",
            started.elapsed()
        );
    }
    Ok(())
}

/// CPU time of this process, where the system tells it (Linux), else nothing.
fn cpu_ns() -> u64 {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default()
}

fn items(folder: &Path) -> Result<Vec<Item>, Box<dyn std::error::Error>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let item = |path: &std::path::PathBuf| {
        let raw = bytes::Bytes::from(fs::read(path)?);
        let location = path.file_name().unwrap_or_default().to_string_lossy().into();
        let id = ItemId { source: "models".into(), location, ordinal: 0 };
        Ok(Item { id, line: 1, format: Format::Json, content: Digest::of(&raw), raw })
    };
    paths.iter().map(item).collect()
}

/// The files of a catalogue's definition.
fn collect(home: &Path, folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("data") {
            collect(home, &path, into)?;
        } else if path.is_file()
            && let Ok(relative) = path.strip_prefix(home)
        {
            into.insert(relative.to_string_lossy().replace('\\', "/"), fs::read(&path)?);
        }
    }
    Ok(())
}
