//! What a catalogue's lists and search shards cost: `lists CATALOGUE RECORDS [COPIES]` makes all files that
//! belong to the catalogue as a whole from the records in the folder RECORDS, each taken COPIES times under
//! other keys, and prints the time, the files and the memory.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an example, not a service"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    io::{BufReader, Read as _, Seek as _, Write as _},
    path::Path,
    sync::Arc,
    time::Instant,
};

use quire_proto::{codec, manifest::Entry};
use quire_renderer::{engine::Engine, look::Look, project::catalogue_files};
use quire_runtime::Memory;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, records, rest @ ..] = arguments.as_slice() else {
        println!("usage: lists CATALOGUE RECORDS [COPIES]");
        return;
    };
    let copies: usize = rest.first().map_or(1, |text| text.parse().expect("COPIES is a number"));
    let catalogue = support::catalogue(Path::new(folder));
    let engine = Engine::new(Look::of(&catalogue)).expect("the templates compile");
    // In a file, as a run has them in its store: what is in memory is what making the lists takes.
    let mut manifest = tempfile::tempfile().expect("a file can be made");
    let mut lengths = Vec::new();
    for name in support::names(Path::new(records), ".json") {
        let raw = fs::read(Path::new(records).join(&name)).expect("the record can be read");
        let item = support::item(&name, raw.into());
        let Some((record, _)) = support::judged(&catalogue, &item) else { continue };
        let entry = codec::encode(&support::entry(&item, record)).expect("an entry can be written");
        manifest.write_all(&entry).expect("the file can be written");
        lengths.push(entry.len());
    }
    println!("{} records, memory before {} MiB", lengths.len() * copies, memory());
    for _ in 0..3 {
        let (mut files, mut bytes) = (0, 0);
        let start = Instant::now();
        let mut all = (0..copies).flat_map(|copy| {
            let mut from = BufReader::new(&manifest);
            from.rewind().expect("the file can be read again");
            lengths.iter().map(move |length| {
                let mut bytes = vec![0; *length];
                from.read_exact(&mut bytes).expect("the file can be read");
                let mut entry: Entry = codec::decode(&bytes).expect("an entry can be read");
                let record = Arc::make_mut(&mut entry.record);
                if copy > 0 {
                    record.key = format!("{}-{copy}", record.key);
                    record.slug = format!("{}-{copy}", record.slug);
                    record.title = format!("{} {copy}", record.title);
                }
                Ok(Arc::new(entry))
            })
        });
        let mut sink = |_: String, content: Vec<u8>| {
            files += 1;
            bytes += content.len();
            Ok(())
        };
        catalogue_files(&engine, 0, &mut all, &mut std::iter::empty(), &mut sink)
            .expect("the files are made");
        println!("{:.3} s, {files} files, {bytes} bytes", start.elapsed().as_secs_f64());
    }
    println!("memory at most {} MiB", memory());
}

/// Most memory that this process has had, in MiB.
fn memory() -> u64 {
    Memory::now().map_or(0, |memory| memory.peak >> 20)
}
