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

use std::{path::Path, sync::Arc, time::Instant};

use quire_proto::manifest::Entry;
use quire_renderer::{engine::Engine, look::Look, project::catalogue_files};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, records, rest @ ..] = arguments.as_slice() else {
        println!("usage: lists CATALOGUE RECORDS [COPIES]");
        return;
    };
    let copies: usize = rest.first().map_or(1, |text| text.parse().expect("COPIES is a number"));
    let catalogue = support::catalogue(Path::new(folder));
    let engine = Engine::new(Look::of(&catalogue)).expect("the templates compile");
    let entries: Vec<Entry> = support::files(Path::new(records), ".json")
        .into_iter()
        .map(|(name, raw)| support::item(&name, raw))
        .filter_map(|item| {
            support::judged(&catalogue, &item).map(|(record, _)| support::entry(&item, record))
        })
        .collect();
    println!("{} records, memory before {} MiB", entries.len() * copies, memory());
    for _ in 0..3 {
        let (mut files, mut bytes) = (0, 0);
        let start = Instant::now();
        let mut all = (0..copies).flat_map(|copy| {
            entries.iter().map(move |entry| {
                let mut entry = entry.clone();
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
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next())
        .and_then(|kib| kib.parse().ok())
        .map_or(0, |kib: u64| kib >> 10)
}
