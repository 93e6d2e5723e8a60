//! What can go wrong with a folder of files, and what becomes of it.

mod bench;

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    time::Instant,
};

use bench::Bench;
use flate2::{Compression, write::GzEncoder};
use quire_proto::{Digest, Listed, Outcome, Work};

const JSON: &str = r#"include: ["**/*.json", "**/*.json.gz", "**/*.json.zst"], format: json"#;

/// 10 GB of zeros: the compressed form of 64 MiB, 160 times, as members of one file.
fn ten_gigabytes_of_zeros() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let block = vec![0; 1024 * 1024];
    for _ in 0..64 {
        encoder.write_all(&block).unwrap();
    }
    encoder.finish().unwrap().repeat(160)
}

#[tokio::test]
async fn a_root_that_is_not_there_fails_the_listing() {
    let bench =
        Bench::with_source(r#"{ name: main, files: { root: nowhere, include: ["*"], format: json } }"#);
    let run = bench.run(None).await;
    let failure = run.failure.unwrap();
    assert!(failure.contains("nowhere"), "{failure}");
    let path = bench.dir.path().to_str().unwrap();
    assert!(!failure.contains(path), "a report names no absolute path: {failure}");
}

#[tokio::test]
async fn a_root_that_is_a_file_fails_the_listing() {
    let bench =
        Bench::with_source(r#"{ name: main, files: { root: data/a.json, include: ["*"], format: json } }"#);
    bench.write("a.json", "{}");
    assert!(bench.run(None).await.failure.is_some());
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_fails_the_listing_and_the_rest_is_read() {
    let bench = Bench::new(JSON);
    bench.write("a.json", "{}");
    bench.write("closed/b.json", "{}");
    fs::set_permissions(bench.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(bench.path("closed")).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let run = bench.run(None).await;
    fs::set_permissions(bench.path("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run.sent(), ["a.json"]);
    let failure = run.failure.unwrap();
    assert!(failure.starts_with("closed cannot be listed"), "{failure}");
}

#[tokio::test]
async fn a_pattern_that_leads_out_of_the_root_fails_the_listing() {
    let bench = Bench::new(r#"include: ["../*.json"], format: json"#);
    let failure = bench.run(None).await.failure.unwrap();
    assert!(failure.contains("leads out of the source's root"), "{failure}");
}

#[tokio::test]
async fn a_file_that_vanished_since_the_listing_failed_and_is_no_reject() {
    let bench = Bench::new(JSON);
    bench.write("a.json", "{}");
    bench.write("b.json", "{}");
    let listed = bench.list(None).await;
    fs::remove_file(bench.path("a.json")).unwrap();
    let run = bench.follow(listed).await;
    assert_eq!((run.sent(), run.rejected.len()), (vec!["b.json"], 0));
    assert_eq!(run.failed[0].0, "a.json");
}

#[tokio::test]
async fn a_bomb_is_rejected_fast() {
    let bench = Bench::new(&format!("{JSON}, max_bytes: 268435456"));
    bench.write("bomb.json.gz", ten_gigabytes_of_zeros());
    bench.write("a.json", "{}");
    let start = Instant::now();
    let run = bench.run(None).await;
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    assert_eq!(run.sent(), ["a.json"]);
    let (location, message, _) = &run.rejects()[0];
    assert_eq!(location, "bomb.json.gz");
    assert!(message.starts_with("decompression: file expands to more than 100 times"), "{message}");
}

#[tokio::test]
async fn what_is_too_large_or_not_what_its_name_says_is_rejected() {
    let bench = Bench::new(&format!("{JSON}, max_bytes: 100"));
    bench.write("large.json", " ".repeat(101));
    bench.write("fits.json", " ".repeat(100));
    bench.write("not.json.gz", "{}");
    bench.write("not.json.zst", "{}");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&[b' '; 101]).unwrap();
    bench.write("packed.json.gz", encoder.finish().unwrap());
    let run = bench.run(None).await;
    assert_eq!(run.sent(), ["fits.json"]);
    let rules: Vec<_> = run
        .rejects()
        .into_iter()
        .map(|(at, text, _)| (at, text.split(':').next().unwrap().to_owned()))
        .collect();
    let expected = [
        ("large.json", "too-large"),
        ("not.json.gz", "decompression"),
        ("not.json.zst", "decompression"),
        ("packed.json.gz", "too-large"),
    ];
    assert_eq!(rules, expected.map(|(at, rule)| (at.to_owned(), rule.to_owned())));
}

#[tokio::test]
async fn links_out_of_the_root_are_rejected_and_loops_are_harmless() {
    let bench = Bench::new(&format!("{JSON}, follow_symlinks: true"));
    bench.write("a.json", "{}");
    fs::write(bench.dir.path().join("secret.json"), "{}").unwrap();
    symlink("../secret.json", bench.path("escape.json")).unwrap();
    symlink("..", bench.path("up")).unwrap();
    symlink(".", bench.path("self")).unwrap();
    symlink("gone.json", bench.path("dangling.json")).unwrap();
    let run = bench.run(None).await;
    assert_eq!((run.sent(), &run.failure), (vec!["a.json"], &None));
    assert_eq!(run.rejects()[0].0, "escape.json");
    assert_eq!(run.failed[0].0, "dangling.json");
}

#[tokio::test]
async fn a_folder_swapped_for_a_link_after_the_listing_leads_nowhere() {
    let bench = Bench::new(JSON);
    bench.write("sub/a.json", "{}");
    let outside = bench.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a.json"), "{\"secret\": true}").unwrap();
    let listed = bench.list(None).await;
    fs::remove_dir_all(bench.path("sub")).unwrap();
    symlink(&outside, bench.path("sub")).unwrap();
    let run = bench.follow(listed).await;
    assert_eq!((run.items.len(), run.rejected.len()), (0, 1));
}

#[tokio::test]
async fn a_location_that_no_listing_made_cannot_leave_the_root() {
    let bench = Bench::new(JSON);
    fs::write(bench.dir.path().join("secret.json"), "{}").unwrap();
    for location in ["../secret.json", "/etc/hostname", "..", ""] {
        let locations = vec![Listed { location: location.to_owned(), size: 2, modified_ns: 0 }];
        let work = Work::Read { source: "main".to_owned(), locations, base: None };
        let processed = bench.process(work).await.unwrap();
        let Outcome::Read { rejected, .. } = processed.outcome else { panic!() };
        assert_eq!((rejected.len(), processed.children.len()), (1, 0), "{location}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_a_reject() {
    let bench = Bench::new(JSON);
    bench.write("a.json", "{}");
    fs::write(bench.dir.path().join("data").join(OsStr::from_bytes(b"caf\xe9.json")), "{}").unwrap();
    let run = bench.run(None).await;
    assert_eq!(run.sent(), ["a.json"]);
    assert!(run.rejects()[0].1.starts_with("name: "), "{:?}", run.rejects());
}

#[tokio::test]
async fn what_expands_much_is_read_in_several_parcels() {
    let bench = Bench::new(r#"include: ["*.jsonl.zst"], format: jsonl"#);
    // Every line has some bytes of noise, so that it packs well and not absurdly well.
    let line = |id: u32| {
        let noise = Digest::of(&id.to_le_bytes()).to_hex();
        format!("{{\"id\": \"{}\", \"text\": \"{}\"}}\n", &noise[..8], "word ".repeat(40))
    };
    let lines: String = (0..20_000).map(line).collect();
    let packed = zstd::encode_all(lines.as_bytes(), 3).unwrap();
    assert!(lines.len() < packed.len() * 100, "the test's own data must not be a bomb");
    for name in 0..8 {
        bench.write(&format!("{name}.jsonl.zst"), &packed);
    }
    let listed = bench.list(None).await;
    assert_eq!(listed.children.len(), 1);
    let first = bench.process(listed.children[0].clone()).await.unwrap();
    let deferred = match first.children.last() {
        Some(Work::Read { locations, .. }) => locations.len(),
        other => panic!("{other:?}"),
    };
    assert!((1..8).contains(&deferred), "{deferred}");
    assert_eq!(bench.follow(listed).await.items.len(), 8 * 20_000);
}

#[tokio::test]
async fn ignored_and_hidden_files_are_not_items() {
    let bench = Bench::new(&format!("{JSON}, exclude: [\"draft/**\"]"));
    for name in ["a.json", ".b.json", ".git/c.json", "draft/d.json", "old/e.json", "new/f.json"] {
        bench.write(name, "{}");
    }
    bench.write(".gitignore", "old/\n");
    bench.write("new/.quireignore", "*.json\n");
    assert_eq!(bench.run(None).await.sent(), ["a.json"]);
}
