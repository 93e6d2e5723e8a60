//! Times whole builds of the real finding models: `build` cold, unchanged, with one changed file; `build scale` the cost of a
//! record at 2,000 and 100,000 of them. Where `TMPDIR` lies decides how much of that is the disk's.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measuring program"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use system_tests::{Build, Quire, RealFindings, Synonyms, copy_tree, cpu_of_children, multiply, tree};

/// Goals for the 2,039 models on two cores.
const COLD: f64 = 1.0;
const UNCHANGED: f64 = 0.15;
const ONE_CHANGED: f64 = 0.2;
/// How often each is done; the median counts.
const REPEATS: usize = 9;

fn main() {
    let Some(real) = RealFindings::find() else { return };
    if std::env::args().nth(1).as_deref() == Some("scale") {
        return scale(&real.models());
    }
    let input = tempfile::tempdir().unwrap();
    copy_tree(&real.models(), input.path());
    let models = fs::read_dir(input.path()).unwrap().count();

    // The worlds stay until the end: some file systems are slow to make files where many have just been deleted.
    let worlds: Vec<Quire> = (0..REPEATS).map(|_| world(input.path())).collect();
    let cold: Vec<Took> = worlds.iter().map(|quire| Took::by(quire, models)).collect();
    tell("cold", &cold, COLD, models);
    let quire = world(input.path());
    let first = quire.build(&Build::of("findings"));
    while quire.build(&Build::of("findings")).runs[0].upstream.queries > 0 {}
    let unchanged: Vec<Took> = (0..REPEATS).map(|_| Took::by(&quire, models)).collect();
    tell("unchanged", &unchanged, UNCHANGED, models);
    let changed: Vec<Took> = (0..REPEATS)
        .map(|round| {
            change(input.path(), round);
            Took::by(&quire, models)
        })
        .collect();
    tell("one changed", &changed, ONE_CHANGED, models);
    assert_eq!(first.runs[0].records.published as usize, models);
    bare(input.path(), &quire.site(), models);
}

fn world(input: &Path) -> Quire {
    Quire::with("FINDINGS_ROOT", input)
}

/// What a build took.
struct Took {
    wall: Duration,
    cpu: Duration,
}

impl Took {
    fn by(quire: &Quire, models: usize) -> Self {
        let mut command: Command = quire.build_command(&Build::of("findings"));
        let (start, before) = (Instant::now(), cpu_of_children());
        let output = command.output().unwrap();
        let took = Self { wall: start.elapsed(), cpu: cpu_of_children().saturating_sub(before) };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let pages = tree(&quire.site()).into_keys().filter(|path| path.ends_with(".md")).count();
        assert_eq!(pages, models);
        took
    }
}

fn tell(what: &str, took: &[Took], goal: f64, models: usize) {
    let median = |of: fn(&Took) -> Duration| {
        let mut times: Vec<Duration> = took.iter().map(of).collect();
        times.sort();
        times[times.len() / 2].as_secs_f64()
    };
    let (wall, cpu) = (median(|took| took.wall), median(|took| took.cpu));
    let rate = models as f64 / wall;
    println!(
        "{what}: {wall:.3} s wall, {cpu:.2} s CPU, {rate:.0} records/s; {:.2} of the goal of {goal} s",
        wall / goal
    );
}

/// Changes one model, another text every time.
fn change(input: &Path, round: usize) {
    let mut models: Vec<PathBuf> = fs::read_dir(input).unwrap().map(|entry| entry.unwrap().path()).collect();
    models.sort();
    let path = &models[1_000];
    let text = fs::read_to_string(path).unwrap();
    fs::write(
        path,
        text.replacen("\"description\": \"", &format!("\"description\": \"Changed {round}. "), 1),
    )
    .unwrap();
}

/// What reading the models and writing the site take by themselves.
fn bare(input: &Path, site: &Path, models: usize) {
    let (from, to) = (tree(site), tempfile::tempdir().unwrap());
    let files: Vec<(PathBuf, Vec<u8>)> =
        from.keys().map(|path| (to.path().join(path), fs::read(site.join(path)).unwrap())).collect();
    let start = thread_cpu();
    for entry in fs::read_dir(input).unwrap() {
        fs::read(entry.unwrap().path()).unwrap();
    }
    for (path, bytes) in &files {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let each = (thread_cpu() - start).as_secs_f64() * 1e6 / models as f64;
    println!("bare work of reading and writing files: {each:.0} us CPU a record");
}

/// The cost of a record must not grow with their number.
fn scale(models: &Path) {
    let cost = |count: usize| {
        let input = tempfile::tempdir().unwrap();
        multiply(models, input.path(), count, Synonyms::Own);
        let took = Took::by(&world(input.path()), count);
        let each = took.cpu.as_secs_f64() * 1e6 / count as f64;
        println!("{count} records: {:.1} s wall, {each:.0} us CPU a record", took.wall.as_secs_f64());
        each
    };
    // Before and after: the machine may be another one by then.
    let several = || (0..REPEATS).map(|_| cost(2_000)).sum::<f64>() / REPEATS as f64;
    let before = several();
    let many = cost(100_000);
    let few = f64::midpoint(before, several());
    println!("a record of 100,000 costs {:.2} times one of 2,000", many / few);
}

fn thread_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
