//! How long listing and reading take: `timing DIR [GLOB]` over a folder, `timing --made N` over N small files
//! made for the purpose.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{env, fs, path::Path, time::Instant};

#[path = "../tests/bench/mod.rs"]
mod bench;

use bench::Bench;
use quire_proto::Digest;

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

    let clock = Clock::start();
    let first = bench.run(None).await;
    let bytes: usize = first.items.iter().map(|item| item.raw.len()).sum();
    clock.told("list and read everything", &format!("{} items, {bytes} bytes", first.items.len()));
    let base = bench.commit(&first);

    bench.restart();
    list(&bench, base, "list, manifest seen for the first time").await;
    for what in ["list, new process", "list, new process again"] {
        bench.reopen();
        list(&bench, base, what).await;
    }
    list(&bench, base, "list, same process").await;
}

async fn list(bench: &Bench, base: Digest, what: &str) {
    let clock = Clock::start();
    let listed = bench.list(Some(base)).await;
    clock.told(what, &format!("{} parcels to read", listed.children.len()));
}

/// Wall time, and the processor time of all threads: the one that counts on a busy machine.
struct Clock(Instant, u64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), processor_ns())
    }

    fn told(&self, what: &str, more: &str) {
        let (wall, cpu) = (self.0.elapsed().as_secs_f64() * 1e3, (processor_ns() - self.1) as f64 / 1e6);
        println!("{what:<40} {wall:>9.1} ms wall {cpu:>9.1} ms processor  {more}");
    }
}

fn processor_ns() -> u64 {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let used = |stat: String| stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
    threads.filter_map(|thread| used(fs::read_to_string(thread.path().join("schedstat")).ok()?)).sum()
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
