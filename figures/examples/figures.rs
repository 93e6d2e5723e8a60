//! How fast, small and frugal figures are, against their limits: `figures [FOLDER]`; with a folder, samples are left there.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example, not a service")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{collections::HashMap, hint::black_box, io::sink, path::Path, time::Duration};

use peak_alloc::PeakAlloc;
use quire_figures::{
    eyemap::{Columns, Eyemap, Side, Tooltips},
    palette::Palette,
    scale::Scale,
    scatter::{Point, Scatter, coverage_guides},
};
use support::Made;

/// Counts; nothing here allocates by the hexagon, so times are those of any allocator.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes that the system replaced writes for a hexagon.
const THEIRS: f64 = 700.0;

fn main() {
    if let Some(folder) = std::env::args().nth(1) {
        samples(Path::new(&folder));
        return;
    }
    for (count, goal) in [(892, 2000.0), (10_000, 150.0)] {
        for (name, map, eighth) in maps() {
            speed(name, &map, &Made { count, layers: map.layers.len() }, goal, eighth);
        }
    }
    for (count, goal) in [(10_000, 16.0), (1_000_000, 32.0)] {
        for (name, map, _) in maps() {
            let made = Made { count, layers: map.layers.len() };
            let before = ALLOCATOR.current_usage_as_mb();
            ALLOCATOR.reset_peak_usage();
            map.draw(&made, sink()).unwrap();
            let used = ALLOCATOR.peak_usage_as_mb() - before;
            println!(
                "eyemap of {count} columns, {name}: {used:.2} MB at the peak, {:.3} of the limit",
                used / goal
            );
        }
    }
    #[cfg(feature = "png")]
    for count in [892, 10_000, 100_000] {
        png(count);
    }
    memos();
}

#[cfg(feature = "png")]
fn png(count: u64) {
    let before = ALLOCATOR.current_usage_as_mb();
    ALLOCATOR.reset_peak_usage();
    let mut bytes = 0;
    let took = best(3, || {
        bytes = Eyemap::default().draw_png(&Made { count, layers: 0 }, sink()).unwrap().bytes;
    });
    let used = ALLOCATOR.peak_usage_as_mb() - before;
    println!(
        "png of {count} columns: {:.0} ms CPU, {used:.0} MB at the peak, {bytes} bytes",
        took.as_secs_f64() * 1e3
    );
}

/// What is measured: name, options, and by what theirs is divided to give the limit of the size.
fn maps() -> [(&'static str, Eyemap, f64); 7] {
    let of = Eyemap { subject: "T4a".to_owned(), region: "ME".to_owned(), ..Eyemap::default() };
    let short = Eyemap { tooltips: Tooltips::Short, ..of.clone() };
    let layers: Vec<String> = (1..=10).map(|layer| layer.to_string()).collect();
    [
        ("one layer", Eyemap { tooltips: Tooltips::None, ..of.clone() }, 8.0),
        ("one layer, short tooltips", short.clone(), 8.0),
        ("one layer, tooltips", of.clone(), 4.0),
        ("4 layers, short tooltips", Eyemap { layers: layers[..4].to_vec(), ..short.clone() }, 4.0),
        ("4 layers, tooltips", Eyemap { layers: layers[..4].to_vec(), ..of.clone() }, 4.0),
        ("10 layers, short tooltips", Eyemap { layers: layers.clone(), ..short }, 4.0),
        ("10 layers, tooltips", Eyemap { layers, ..of }, 4.0),
    ]
}

fn speed(name: &str, map: &Eyemap, made: &Made, goal: f64, eighth: f64) {
    let repeats = (200_000 / made.count).max(10);
    let mut bytes = 0;
    let took = best(7, || {
        for _ in 0..repeats {
            bytes = map.draw(made, sink()).unwrap().bytes;
        }
    });
    let rate = repeats as f64 / took.as_secs_f64();
    let limit = made.count as f64 * THEIRS / eighth;
    println!(
        "eyemap of {} columns, {name}: {rate:.0} maps/s CPU, {:.2} of the goal; {bytes} bytes, {:.2} of the limit",
        made.count,
        rate / goal,
        bytes as f64 / limit
    );
}

/// Whether remembering places, colours and what maps have in common would gain anything.
fn memos() {
    let map = Eyemap { subject: "T4a".to_owned(), region: "ME".to_owned(), ..Eyemap::default() };
    let of = |count: u64| {
        let repeats = 20_000;
        let took = best(3, || {
            for _ in 0..repeats {
                black_box(map.draw(&Made { count, layers: 0 }, sink()).unwrap());
            }
        });
        took.as_secs_f64() * 1e6 / f64::from(repeats)
    };
    println!(
        "what does not depend on columns: {:.1} us a map; with one column {:.1} us; with 892 {:.0} us",
        of(0),
        of(1),
        of(892)
    );
    let made = Made { count: 10_000, layers: 0 };
    let ids: Vec<(i32, i32)> = made.columns().map(|column| (column.hex1, column.hex2)).collect();
    let place = |(hex1, hex2): (i32, i32)| {
        let (q, r) = (f64::from(hex2 - hex1), f64::from(-hex2));
        let (x, y) = (-9.9 * q, 6.6 * (0.866_025_403_784_438_6 * q + 1.732_050_807_568_877_2 * r));
        let hundredths = |number: f64| (number * 100.0 + 6_755_399_441_055_744.0) - 6_755_399_441_055_744.0;
        (hundredths(x), hundredths(y))
    };
    let sum = |(x, y): (f64, f64)| x + y;
    let memo: HashMap<(i32, i32), (f64, f64)> = ids.iter().map(|&id| (id, place(id))).collect();
    compare("place", &ids, |&id| sum(place(black_box(id))), |id| sum(memo[black_box(id)]));
    let scale = Scale::linear(0.0, 456.0, 5);
    let values: Vec<u64> = made.columns().map(|column| column.value.to_bits()).collect();
    let colours = Palette::Reds.colours(5);
    let colour = |value: f64| colours[scale.bin(value)];
    let memo: HashMap<u64, _> = values.iter().map(|&bits| (bits, colour(f64::from_bits(bits)))).collect();
    compare(
        "colour",
        &values,
        |&bits| f64::from(colour(f64::from_bits(black_box(bits))).0),
        |bits| f64::from(memo[black_box(bits)].0),
    );
}

fn compare<T>(what: &str, things: &[T], compute: impl Fn(&T) -> f64, look_up: impl Fn(&T) -> f64) {
    let each = |work: &dyn Fn(&T) -> f64| {
        // The kernel counts CPU time in steps of milliseconds: long enough that they do not matter.
        let took = best(3, || {
            for _ in 0..1000 {
                black_box(things.iter().map(work).sum::<f64>());
            }
        });
        took.as_secs_f64() * 1e9 / (1000 * things.len()) as f64
    };
    let (computed, looked_up) = (each(&compute), each(&look_up));
    println!(
        "{what}: {computed:.1} ns computed, {looked_up:.1} ns looked up in a memo that has it, {:.1} times",
        looked_up / computed
    );
}

/// Maps to look at, of the real columns where they are.
fn samples(folder: &Path) {
    let text = support::neuron_file("eyemap_golden.csv").unwrap();
    let mut table = "hex1,hex2,value,region\n".to_owned();
    for line in text.lines().skip(1).filter(|line| line.starts_with("R,")) {
        let cells: Vec<&str> = line.split(',').collect();
        if cells[8] != "not_in_region" {
            let value = if cells[8] == "no_data" { "" } else { cells[9] };
            table += &format!("{},{},{value},{}\n", cells[4], cells[5], cells[1]);
        }
    }
    let data = quire_figures::eyemap::EyemapData::read(table.as_bytes(), 0).unwrap();
    for region in data.regions() {
        for side in [Side::Right, Side::Left] {
            let map = Eyemap {
                subject: "T4a".to_owned(),
                region: region.clone(),
                side,
                range: data.range(),
                ..Eyemap::default()
            };
            let name = format!("{region}_{}.svg", side.letter());
            let file = std::fs::File::create(folder.join(name)).unwrap();
            map.draw(&data.region(region).unwrap(), file).unwrap();
        }
    }
    for (at, (_, map, _)) in maps().into_iter().enumerate() {
        let made = Made { count: 892, layers: map.layers.len() };
        let map = Eyemap { palette: Palette::ALL[at + 2], ..map };
        map.draw(&made, std::fs::File::create(folder.join(format!("made{at}.svg"))).unwrap()).unwrap();
    }
    let kinds =
        std::fs::read_to_string(std::env::var("QUIRE_NEURONS_DATA").unwrap() + "/celltypes_ol.csv").unwrap();
    let kinds: Vec<(String, f64)> = kinds
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split(',');
            Some((cells.next()?.to_owned(), cells.next()?.parse().ok()?))
        })
        .collect();
    let points: Vec<Point<'_>> = kinds
        .iter()
        .enumerate()
        .map(|(at, (name, count))| {
            // Columns a cell are made up.
            let times = [0.1, 0.3, 0.8, 1.0, 1.3, 2.0, 4.0][at % 7];
            Point {
                name,
                link: Some("x.html"),
                x: *count,
                y: (892.0 * times / count).max(1.0),
                colour: times,
            }
        })
        .collect();
    let scatter =
        Scatter { title: "ME (right)".to_owned(), guides: coverage_guides(892.0), ..Scatter::default() };
    println!(
        "{}",
        scatter.draw(&points, std::fs::File::create(folder.join("scatter.svg")).unwrap()).unwrap()
    );
    #[cfg(feature = "png")]
    {
        scatter.draw_png(&points, std::fs::File::create(folder.join("scatter.png")).unwrap()).unwrap();
        let map = Eyemap {
            subject: "KCa'b'-ap1 \u{3b1}\u{e4}\u{732b}".to_owned(),
            region: "ME".to_owned(),
            width: Some(1200.0),
            ..Eyemap::default()
        };
        let file = std::fs::File::create(folder.join("map.png")).unwrap();
        let summary = map.draw_png(&data.region("ME").unwrap(), file).unwrap();
        println!("{}", summary.bytes);
        let all: String = (' '..='~').collect();
        let map = Eyemap { subject: all, width: Some(1700.0), ..map };
        map.draw_png(&data.region("ME").unwrap(), std::fs::File::create(folder.join("glyphs.png")).unwrap())
            .unwrap();
    }
}

/// The least CPU time of `repeats` goes: other processes do not count.
fn best(repeats: usize, mut work: impl FnMut()) -> Duration {
    let times = (0..repeats).map(|_| {
        let start = cpu();
        work();
        cpu().saturating_sub(start)
    });
    times.min().unwrap_or_default()
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}
