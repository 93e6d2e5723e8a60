//! How well and how fast the real queries are answered: `QUIRE_FINDINGS_DATA=… cargo run --release --example search_quality`.
//!
//! Also says what building the index costs, compared with a bare tantivy index of the same text.

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "../tests/support/quality.rs"]
mod quality;

use std::{
    thread,
    time::{Duration, Instant},
};

use quality::{Question, questions, scores};
use quire_catalogue::{FieldKind, IndexDocument};
use quire_indexer::{Applied, Query, SearchIndex};
use quire_proto::codec;
use support::{World, models, real_data};
use tantivy::{
    Index, TantivyDocument,
    schema::{FAST, Field, IndexRecordOption, STORED, STRING, Schema, TEXT, TextFieldIndexing},
};

/// How often what is timed is done: the kernel counts CPU time in steps of 10 ms.
const REPEATS: u32 = 10;

fn main() {
    let Some((folder, list)) = real_data() else { return };
    let questions = questions(&list);
    let mut world = World::findings();
    world.put(models(&folder).expect("the models can be read"));
    world.commit();
    let (wall, cpu) = timed(|| {
        for _ in 0..REPEATS {
            let _ = std::fs::remove_dir_all(world.index_dir());
            assert!(world.follow().expect("the index follows").rebuilt);
        }
    });
    println!("built: {} records, {:.1} ms wall, {:.1} ms CPU", world.rows.len(), ms(wall), ms(cpu));
    let (wall, cpu) = timed(|| {
        for _ in 0..REPEATS {
            assert_eq!(world.follow().expect("the index follows"), Applied::default());
        }
    });
    println!("nothing new: {:.2} ms wall, {:.2} ms CPU", ms(wall), ms(cpu));
    let (name, raw) = models(&folder).expect("the models can be read").swap_remove(1_000);
    let raw = String::from_utf8(raw).expect("text");
    let before = world.rows.clone();
    let (wall, cpu) = timed(|| {
        for n in 0..REPEATS {
            let changed =
                raw.replacen("\"description\": \"", &format!("\"description\": \"Changed {n}: "), 1);
            world.put([(name.clone(), changed.into_bytes())]);
            assert_eq!(world.publish().written, 1);
        }
    });
    println!("one changed, with its commit: {:.1} ms wall, {:.1} ms CPU", ms(wall), ms(cpu));
    world.rows = before;
    world.publish();

    bare(&world);

    let start = Instant::now();
    let index = world.index();
    println!("opened: {:.2} ms\n", ms(start.elapsed()));
    println!("{:<12}{:>6}{:>7}{:>7}", "kind", "asked", "first", "ten");
    for (kind, score) in scores(&index, &questions) {
        println!("{kind:<12}{:>6}{:>7}{:>7}", score.asked, score.first, score.ten);
    }
    println!();
    for (threads, facets) in [(1, false), (2, false), (2, true)] {
        rate(&world.index(), &questions, threads, facets);
    }
}

/// Builds a plain index of the same fields, one thread, nothing else done.
fn bare(world: &World) {
    let names = &world.catalogue.definition().index.fields;
    let mut builder = Schema::builder();
    let key = builder.add_text_field("key", STRING | STORED);
    let title = builder.add_text_field("title", TEXT | STORED);
    let text = TEXT.set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("en_stem")
            .set_index_option(IndexRecordOption::WithFreqsAndPositions),
    );
    let fields: Vec<_> = names
        .iter()
        .map(|field| match field.kind {
            FieldKind::Text => builder.add_text_field(&format!("f_{}", field.name), text.clone()),
            _ => builder.add_text_field(&format!("f_{}", field.name), STRING | FAST),
        })
        .collect();
    let schema = builder.build();
    let documents: Vec<IndexDocument> = world
        .rows
        .values()
        .map(|row| {
            codec::decode(&world.store.get_slice(&row.document).expect("a slice")).expect("a document")
        })
        .collect();
    let (wall, cpu) = timed(|| {
        (0..REPEATS).for_each(|_| build_bare(&documents, &schema, key, title, &fields));
    });
    println!("bare tantivy: {:.1} ms wall, {:.1} ms CPU", ms(wall), ms(cpu));
    println!("bare work of indexing: {:.0} us CPU a record", ms(cpu) * 1e3 / documents.len() as f64);
}

fn build_bare(documents: &[IndexDocument], schema: &Schema, key: Field, title: Field, fields: &[Field]) {
    let dir = tempfile::tempdir().expect("a folder");
    let index = Index::create_in_dir(dir.path(), schema.clone()).expect("an index");
    let mut writer = index.writer_with_num_threads(1, 50_000_000).expect("a writer");
    for document in documents {
        let mut made = TantivyDocument::new();
        made.add_text(key, &document.key);
        made.add_text(title, &document.title);
        for (field, values) in fields.iter().zip(&document.fields) {
            values.iter().for_each(|value| made.add_text(*field, value));
        }
        writer.add_document(made).expect("a place in the queue");
    }
    writer.commit().expect("a commit");
}

/// Asks all questions again and again on some threads.
fn rate(index: &SearchIndex, questions: &[Question], threads: usize, facets: bool) {
    const ROUNDS: usize = 20;
    let start = Instant::now();
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let ask = |question: &Question| {
                        let start = Instant::now();
                        let query = Query { text: &question.q, limit: 10, facets, ..Query::default() };
                        index.search(&query).expect("an answer");
                        start.elapsed()
                    };
                    (0..ROUNDS).flat_map(|_| questions.iter().map(ask)).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    let wall = start.elapsed();
    // The first round finds nothing kept: its times count by themselves, too.
    let first: Vec<Duration> = times.iter().take(questions.len()).copied().collect();
    times.sort_unstable();
    let at = |share: f64| ms(times[(times.len() as f64 * share) as usize]);
    println!(
        "{threads} threads, facets {facets}: {:.0} queries/s, p50 {:.3} ms, p99 {:.3} ms, max {:.2} ms; first round {:.0}/s",
        times.len() as f64 / wall.as_secs_f64(),
        at(0.5),
        at(0.99),
        ms(times[times.len() - 1]),
        first.len() as f64 / first.iter().sum::<Duration>().as_secs_f64(),
    );
}

/// Wall and CPU time of one of the [`REPEATS`] of `work`, all threads together.
fn timed(work: impl FnOnce()) -> (Duration, Duration) {
    let (start, cpu) = (Instant::now(), cpu_time());
    work();
    (start.elapsed() / REPEATS, cpu_time().saturating_sub(cpu) / REPEATS)
}

/// CPU time of this process so far, ended threads among it, in steps of the kernel's clock; zero where it is not told.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
