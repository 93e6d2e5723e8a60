//! How long listing and reading take: `timing DIR [GLOB]` over a folder, `timing --made N` over N small files
//! made for the purpose.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{env, fs, path::Path, time::Instant};

#[path = "../tests/bench/mod.rs"]
mod bench;

use bench::Bench;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut bench = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--made", count] => made(count.parse().expect("a number of files")),
        [dir] => over(dir, "**/*.json"),
        [dir, glob] => over(dir, glob),
        _ => panic!("usage: timing DIR [GLOB] | timing --made N"),
    };
    bench.row_bytes = 2500;

    let start = Instant::now();
    let first = bench.run(None).await;
    report("list and read everything", start, &first);
    let base = bench.commit(&first);

    bench.restart();
    let start = Instant::now();
    let listed = bench.list(Some(base)).await;
    let children = listed.children.len();
    println!(
        "{:<40} {:>9.1} ms, {children} parcels to read",
        "list, manifest seen for the first time",
        ms(start)
    );
    for what in ["list, new process", "list, new process again"] {
        bench.reopen();
        let start = Instant::now();
        let listed = bench.list(Some(base)).await;
        println!("{what:<40} {:>9.1} ms, {} parcels to read", ms(start), listed.children.len());
    }
    let start = Instant::now();
    bench.list(Some(base)).await;
    println!("{:<40} {:>9.1} ms", "list, same process", ms(start));
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

fn report(what: &str, start: Instant, run: &bench::Run) {
    let bytes: usize = run.items.iter().map(|item| item.raw.len()).sum();
    println!("{what:<40} {:>9.1} ms, {} items, {bytes} bytes", ms(start), run.items.len());
}

fn over(dir: &str, glob: &str) -> Bench {
    let dir = Path::new(dir).canonicalize().expect("a folder");
    Bench::with_source(&format!(
        "{{ name: main, files: {{ root: {dir:?}, include: [{glob:?}], format: json }} }}"
    ))
}

fn made(count: usize) -> Bench {
    let bench = Bench::new(r#"include: ["**/*.json"], format: json"#);
    for id in 0..count {
        let path = bench.path(&format!("{:03}/record-{id:07}.json", id % 200));
        if id < 200 {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        fs::write(&path, format!("{{\"id\": {id}}}")).unwrap();
        bench::age(&path, 3600);
    }
    bench
}
