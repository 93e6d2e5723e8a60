//! Every format, from a file on the disk to items.

mod bench;

use std::io::Write as _;

use bench::Bench;
use flate2::{Compression, write::GzEncoder};
use quire_proto::{Digest, Format};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn texts(run: &bench::Run) -> Vec<(String, u32, String)> {
    let text = |item: &quire_proto::Item| {
        (item.id.to_string(), item.line, String::from_utf8_lossy(&item.raw).into_owned())
    };
    run.items.iter().map(text).collect()
}

fn expected(items: &[(&str, u32, &str)]) -> Vec<(String, u32, String)> {
    items.iter().map(|(id, line, text)| ((*id).to_owned(), *line, (*text).to_owned())).collect()
}

#[tokio::test]
async fn json_files_are_items_in_the_order_of_their_locations() {
    let bench = Bench::new(r#"include: ["**/*.json"], format: json"#);
    bench.write("b/2.json", "{\"id\": 2}");
    bench.write("a.json", "{\"id\": 1}\n");
    bench.write("c.json.txt", "no");
    let run = bench.run(None).await;
    assert_eq!(texts(&run), expected(&[("a.json", 1, "{\"id\": 1}\n"), ("b/2.json", 1, "{\"id\": 2}")]));
    assert_eq!(run.items[0].format, Format::Json);
    assert_eq!(run.items[0].content, Digest::of(b"{\"id\": 1}\n"));
    assert_eq!((run.queries, run.to_read), (2, 2));
}

#[tokio::test]
async fn an_empty_file_is_an_item_like_any_other() {
    let bench = Bench::new(r#"include: ["*.json"], format: json"#);
    bench.write("a.json", "");
    assert_eq!(texts(&bench.run(None).await), expected(&[("a.json", 1, "")]));
}

#[tokio::test]
async fn yaml_files_are_items() {
    let bench = Bench::new(r#"include: ["*.yaml"], format: yaml"#);
    bench.write("a.yaml", "id: 1\n");
    let run = bench.run(None).await;
    assert_eq!((texts(&run), run.items[0].format), (expected(&[("a.yaml", 1, "id: 1\n")]), Format::Yaml));
}

#[tokio::test]
async fn packed_files_give_the_same_items_as_plain_ones() {
    let bench = Bench::new(r#"include: ["*.jsonl", "*.jsonl.gz", "*.jsonl.zst"], format: jsonl"#);
    let text = "{\"id\": 1}\r\n\r\n{\"id\": 2}\r\n";
    bench.write("a.jsonl", text);
    bench.write("b.jsonl.gz", gzip(text.as_bytes()));
    bench.write("c.jsonl.zst", zstd::encode_all(text.as_bytes(), 3).unwrap());
    let run = bench.run(None).await;
    let mut all = Vec::new();
    for name in ["a.jsonl", "b.jsonl.gz", "c.jsonl.zst"] {
        all.push((name.to_owned(), 1, "{\"id\": 1}".to_owned()));
        all.push((format!("{name}#1"), 3, "{\"id\": 2}".to_owned()));
    }
    assert_eq!(texts(&run), all);
}

#[tokio::test]
async fn tables_are_rows_with_their_lines() {
    let bench = Bench::new(r#"include: ["*.tsv"], format: tsv"#);
    bench.write("a.tsv", "id\tname\n1\tone\n2\n3\tthree\n");
    let run = bench.run(None).await;
    let rows = [("a.tsv", 2, r#"{"id":"1","name":"one"}"#), ("a.tsv#2", 4, r#"{"id":"3","name":"three"}"#)];
    assert_eq!((texts(&run), run.items[0].format), (expected(&rows), Format::Row));
    let reject = ("a.tsv#1".to_owned(), "table: row has 1 cells, its header 2".to_owned(), Some(3));
    assert_eq!(run.rejects(), [reject]);

    let bench = Bench::new(r#"include: ["*.csv"], format: csv"#);
    bench.write("a.csv", "\u{feff}id,name\r\n1,\"a, \"\"b\"\"\"\r\n");
    assert_eq!(texts(&bench.run(None).await), expected(&[("a.csv", 2, r#"{"id":"1","name":"a, \"b\""}"#)]));
}

#[tokio::test]
async fn a_location_is_split_into_records_where_the_catalogue_says_so() {
    let source =
        r#"{ name: main, files: { root: data, include: ["*.json"], format: json }, split: ".rows[]" }"#;
    let bench = Bench::with_source(source);
    bench.write("a.json", "{\"rows\": [\n  {\"id\": 1},\n  {\"id\": 2}]}");
    bench.write("b.json", "{\"rows\": [");
    let run = bench.run(None).await;
    assert_eq!(texts(&run), expected(&[("a.json", 1, r#"{"id":1}"#), ("a.json#1", 1, r#"{"id":2}"#)]));
    assert_eq!(run.items[0].format, Format::Row);
    let (location, message, line) = &run.rejects()[0];
    assert_eq!((location.as_str(), *line), ("b.json", Some(1)));
    assert!(message.starts_with("json: "), "{message}");
}

#[tokio::test]
async fn a_hundred_thousand_lines_are_a_hundred_thousand_items() {
    let mut bench = Bench::new(r#"include: ["*.jsonl"], format: jsonl"#);
    let lines: Vec<String> = (0..100_000).map(|id| format!("{{\"id\": {id}}}\n")).collect();
    bench.write("a.jsonl", lines.concat());
    let run = bench.run(None).await;
    assert_eq!((run.items.len(), run.queries), (100_000, 1));
    assert_eq!(run.batches.iter().max(), Some(&64));
    let base = bench.commit(&run);

    let run = bench.run(Some(base)).await;
    assert_eq!((run.unchanged_locations.len(), run.queries), (1, 0), "an unchanged file is not read");

    bench.write("a.jsonl", lines[..99_999].concat());
    let run = bench.run(Some(base)).await;
    assert_eq!((run.items.len(), run.unchanged.len(), run.queries), (0, 99_999, 1), "the last line is gone");

    let mut changed = lines.clone();
    changed[50_000] = "{\"id\": -1}\n".to_owned();
    bench.write("a.jsonl", changed.concat());
    let run = bench.run(Some(base)).await;
    assert_eq!((run.items.len(), run.unchanged.len()), (1, 99_999));
    assert_eq!(run.items[0].id.ordinal, 50_000);
}

#[tokio::test]
async fn a_variable_in_the_root_is_filled_in() {
    let source = |root: &str| {
        format!(r#"{{ name: main, files: {{ root: "{root}", include: ["*.json"], format: json }} }}"#)
    };
    for root in ["data/${SUB}", "${NONE:-data/sub}"] {
        let bench = Bench::with_source(&source(root));
        bench.write("sub/a.json", "{}");
        assert_eq!(bench.run(None).await.sent(), ["a.json"], "{root}");
    }
    let run = Bench::with_source(&source("${QUIRE_NOWHERE}")).run(None).await;
    let failure = run.failure.unwrap();
    assert!(failure.contains("`QUIRE_NOWHERE` is not set"), "{failure}");
}
