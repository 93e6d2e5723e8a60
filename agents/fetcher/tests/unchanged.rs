//! What is not read again, and what is: memo and manifest.

mod bench;

use std::fs;

use bench::Bench;

const JSON: &str = r#"include: ["**/*.json"], format: json"#;

fn with_files(count: usize) -> Bench {
    let bench = Bench::new(JSON);
    for id in 0..count {
        bench.write(&format!("{:02}/{id:04}.json", id % 7), format!("{{\"id\": {id}}}"));
    }
    bench
}

#[tokio::test]
async fn nothing_is_read_when_nothing_changed() {
    let mut bench = with_files(200);
    let first = bench.run(None).await;
    assert_eq!((first.items.len(), first.queries), (200, 200));
    let base = bench.commit(&first);
    bench.restart();
    let second = bench.run(Some(base)).await;
    assert_eq!((second.unchanged_locations.len(), second.to_read, second.queries), (200, 0, 0));
    assert!(second.items.is_empty());
}

#[tokio::test]
async fn only_what_changed_is_read() {
    let mut bench = with_files(200);
    let base = {
        let run = bench.run(None).await;
        bench.commit(&run)
    };
    bench.write("00/0000.json", "{\"id\": \"new\"}");
    bench.write("03/0003.json", "{\"id\": \"three\"}");
    bench.write("09/new.json", "{\"id\": 9}");
    fs::remove_file(bench.path("00/0007.json")).unwrap();
    let run = bench.run(Some(base)).await;
    assert_eq!(run.sent(), ["00/0000.json", "03/0003.json", "09/new.json"]);
    assert_eq!((run.unchanged_locations.len(), run.queries), (197, 3));

    let base = bench.commit(&run);
    assert_eq!(bench.committed(), 200);
    let run = bench.run(Some(base)).await;
    assert_eq!((run.unchanged_locations.len(), run.queries), (200, 0));
}

#[tokio::test]
async fn deleting_the_first_file_of_a_folder_makes_no_other_be_read() {
    let mut bench = with_files(200);
    let mut base = {
        let run = bench.run(None).await;
        bench.commit(&run)
    };
    for id in 0..5 {
        fs::remove_file(bench.path(&format!("00/{:04}.json", id * 7))).unwrap();
        let run = bench.run(Some(base)).await;
        assert_eq!((run.unchanged_locations.len(), run.queries), (199 - id, 0));
        base = bench.commit(&run);
    }
}

#[tokio::test]
async fn a_touched_file_with_the_same_content_is_read_and_found_unchanged() {
    let mut bench = with_files(3);
    let base = {
        let run = bench.run(None).await;
        bench.commit(&run)
    };
    bench.age("01/0001.json", 1800);
    let run = bench.run(Some(base)).await;
    assert_eq!((run.unchanged_locations.len(), run.unchanged.len(), run.items.len()), (2, 1, 0));
    assert_eq!(run.queries, 1);
    let run = bench.run(Some(base)).await;
    assert_eq!((run.unchanged_locations.len(), run.queries), (3, 0), "the new time is remembered");
}

#[tokio::test]
async fn a_file_that_was_young_when_it_was_read_is_read_again() {
    let mut bench = with_files(2);
    fs::write(bench.path("00/0000.json"), "{\"id\": \"a\"}").unwrap();
    let base = {
        let run = bench.run(None).await;
        bench.commit(&run)
    };
    // The same size within the file system's tick: only reading can tell.
    let metadata = fs::metadata(bench.path("00/0000.json")).unwrap();
    fs::write(bench.path("00/0000.json"), "{\"id\": \"b\"}").unwrap();
    let file = fs::File::options().append(true).open(bench.path("00/0000.json")).unwrap();
    file.set_modified(metadata.modified().unwrap()).unwrap();
    let run = bench.run(Some(base)).await;
    assert_eq!((run.sent(), run.unchanged_locations.len()), (vec!["00/0000.json"], 1));
}

#[tokio::test]
async fn size_and_time_are_believed_once_the_file_had_settled() {
    let mut bench = with_files(2);
    let base = {
        let run = bench.run(None).await;
        bench.commit(&run)
    };
    let before = fs::metadata(bench.path("00/0000.json")).unwrap().modified().unwrap();
    fs::write(bench.path("00/0000.json"), "{\"id\": 5}").unwrap();
    let file = fs::File::options().append(true).open(bench.path("00/0000.json")).unwrap();
    file.set_modified(before).unwrap();
    let run = bench.run(Some(base)).await;
    assert_eq!((run.unchanged_locations.len(), run.queries), (2, 0));

    let run = bench.run(None).await;
    assert_eq!((run.items.len(), run.queries), (2, 2), "a full run names no base and believes nothing");
}

#[tokio::test]
async fn without_the_memo_everything_is_read_and_found_unchanged() {
    let mut bench = with_files(100);
    let base = {
        let run = bench.run(None).await;
        bench.commit(&run)
    };
    bench.caches.clear(None).unwrap();
    let run = bench.run(Some(base)).await;
    assert_eq!((run.unchanged_locations.len(), run.unchanged.len(), run.items.len()), (0, 100, 0));
    let run = bench.run(Some(base)).await;
    assert_eq!((run.unchanged_locations.len(), run.queries), (100, 0));
}

#[tokio::test]
async fn without_the_manifest_everything_is_sent_on() {
    let mut bench = with_files(10);
    let run = bench.run(None).await;
    bench.commit(&run);
    let run = bench.run(None).await;
    assert_eq!(run.items.len(), 10);
    let lost = quire_proto::Digest::of(b"no such manifest");
    let run = bench.run(Some(lost)).await;
    assert_eq!(run.items.len(), 10, "a lost manifest is healed by judging anew");
}

#[tokio::test]
async fn another_validation_makes_nothing_unchanged() {
    let mut bench = with_files(10);
    let base = {
        let run = bench.run(None).await;
        bench.commit(&run)
    };
    bench.redefine(&format!("{{ name: main, files: {{ root: data, {JSON} }} }}"), ".name");
    let run = bench.run(Some(base)).await;
    assert_eq!((run.items.len(), run.unchanged_locations.len(), run.unchanged.len()), (10, 0, 0));
}

#[tokio::test]
async fn a_rejected_file_is_not_read_again_either() {
    let mut bench = Bench::new(r#"include: ["*.json"], format: json, max_bytes: 10"#);
    bench.write("a.json", "{}");
    bench.write("b.json", "[1, 2, 3, 4, 5]");
    let run = bench.run(None).await;
    assert_eq!((run.items.len(), run.rejected.len()), (1, 1));
    let base = bench.commit(&run);
    let run = bench.run(Some(base)).await;
    assert_eq!((run.unchanged_locations.len(), run.queries), (2, 0));
}

#[tokio::test]
async fn an_empty_table_is_not_read_again() {
    let mut bench = Bench::new(r#"include: ["*.csv"], format: csv"#);
    bench.write("a.csv", "id\n");
    bench.write("b.csv", "id\n1\n");
    let base = {
        let run = bench.run(None).await;
        bench.commit(&run)
    };
    let run = bench.run(Some(base)).await;
    assert_eq!((run.unchanged_locations.len(), run.queries), (2, 0));
}

#[tokio::test]
async fn a_damaged_manifest_chunk_is_healed_by_judging_anew() {
    let mut bench = with_files(10);
    let run = bench.run(None).await;
    let base = bench.commit(&run);
    bench.caches.clear(None).unwrap();
    let blobs: Vec<_> = bench.store.blobs().map(|blob| blob.unwrap().0).collect();
    for digest in blobs {
        let bytes = bench.store.get_blob(&digest).unwrap();
        if digest != base && !bytes.starts_with(b"QUIRE") && bytes.len() > 1000 {
            bench.store.remove_blob(&digest).unwrap();
        }
    }
    bench.restart();
    let run = bench.run(Some(base)).await;
    assert_eq!(run.items.len() + run.unchanged.len(), 10);
}
