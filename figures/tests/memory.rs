//! Memory does not grow with what is drawn. One test, so that no other one allocates beside it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::sink;

use peak_alloc::PeakAlloc;
use quire_figures::{
    eyemap::{Eyemap, EyemapData, Tooltips},
    scale::Method,
};
use support::Made;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Megabytes at the peak of `work` beyond what was there before.
fn peak(work: impl FnOnce()) -> f32 {
    let before = ALLOCATOR.current_usage_as_mb();
    ALLOCATOR.reset_peak_usage();
    work();
    ALLOCATOR.peak_usage_as_mb() - before
}

#[test]
fn memory_has_a_bound_whatever_the_number_of_columns() {
    let layers: Vec<String> = (1..=10).map(|layer| layer.to_string()).collect();
    let maps = [
        Eyemap::default(),
        Eyemap { tooltips: Tooltips::None, ..Eyemap::default() },
        Eyemap { layers, ..Eyemap::default() },
        Eyemap { method: Method::Quantile, ..Eyemap::default() },
    ];
    for map in maps {
        for count in [10_000, 1_000_000] {
            let made = Made { count, layers: map.layers.len() };
            let used = peak(|| drop(map.draw(&made, sink()).unwrap()));
            assert!(used <= 2.0, "{count} columns: {used} MB");
        }
    }
    let mut text = "hex1,hex2,value\n".to_owned();
    (0..1_000_000).for_each(|at| text.push_str(&format!("{},{},{}\n", at / 1000, at % 1000, at % 997)));
    let used = peak(|| {
        let data = EyemapData::read(text.as_bytes(), text.len() as u64).unwrap();
        Eyemap::default().draw(&data.region("").unwrap(), sink()).unwrap();
    });
    assert!(used <= 32.0, "a table of a million rows: {used} MB");
}
