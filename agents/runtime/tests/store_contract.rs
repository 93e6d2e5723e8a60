//! The store's contract, on every backend.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that meets a surprise shall fail")]

mod contract;

use std::{fs, path::PathBuf};

use bytes::Bytes;
use contract::{CASES, Shared};
use quire_runtime::{Bucket, BucketTrouble, Labels, S3Settings, Store};
use test_servers::S3;

struct Folder(PathBuf);

impl Shared for Folder {
    fn open(&self) -> Store {
        Store::open(&self.0).expect("a store")
    }

    fn overwrite(&self, place: &str, bytes: &[u8]) {
        let path = self.0.join(place);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }
}

impl Shared for Bucket {
    fn open(&self) -> Store {
        Store::in_bucket(self.clone())
    }

    fn overwrite(&self, place: &str, bytes: &[u8]) {
        self.put(place, &Bytes::copy_from_slice(bytes), &Labels::default()).expect("put");
    }
}

fn s3(server: &S3, prefix: &str) -> Bucket {
    Bucket::s3(server.bucket(), prefix, &S3Settings::of(server.variables())).expect("a bucket")
}

#[test]
fn a_folder_is_a_store() {
    for (name, case) in CASES {
        println!("{name}");
        let folder = tempfile::tempdir().expect("a folder");
        case(&Folder(folder.path().join("store")));
    }
}

#[test]
fn a_bucket_in_memory_is_a_store() {
    for (number, (name, case)) in CASES.iter().enumerate() {
        println!("{name}");
        case(&Bucket::in_memory(["", "a/b"][number % 2]).expect("a bucket"));
    }
}

#[test]
fn a_bucket_of_an_s3_server_is_a_store() {
    let Some(server) = S3::start() else { return };
    for (number, (name, case)) in CASES.iter().enumerate() {
        println!("{name}");
        case(&s3(&server, &format!("contract/{number}")));
    }
}

#[test]
fn a_bucket_says_what_is_wrong_with_it_and_shows_no_secret() {
    let Some(mut server) = S3::start() else { return };
    let right = server.variables();
    let with = |name: &str, value: &str| {
        let mut variables = server.variables();
        variables.retain(|(known, _)| known != name);
        variables.push((name.to_owned(), value.to_owned()));
        variables
    };
    let trouble = |bucket: &str, variables: Vec<(String, String)>| {
        let bucket = Bucket::s3(bucket, "a", &S3Settings::of(variables)).expect("a bucket");
        let trouble = bucket.probe().expect_err("trouble");
        for (_, secret) in right.iter().filter(|(name, _)| name == "AWS_SECRET_ACCESS_KEY") {
            assert!(!format!("{trouble} {trouble:?}").contains(secret), "{trouble:?}");
        }
        trouble
    };
    s3(&server, "a").probe().expect("the store does");
    s3(&server, "a").probe().expect("and again");
    let wrong = trouble(server.bucket(), with("AWS_SECRET_ACCESS_KEY", "hush"));
    assert!(matches!(wrong, BucketTrouble::Denied { .. }), "{wrong}");
    assert!(
        wrong.to_string().contains("AWS_SECRET_ACCESS_KEY") && !wrong.to_string().contains("hush"),
        "{wrong}"
    );
    let unknown = trouble(server.bucket(), with("AWS_ACCESS_KEY_ID", "nobody"));
    assert!(matches!(unknown, BucketTrouble::Denied { .. }), "{unknown}");
    let no_bucket = trouble("no-such-bucket", server.variables());
    assert!(matches!(no_bucket, BucketTrouble::NoBucket { .. }), "{no_bucket}");
    assert!(no_bucket.to_string().contains("s3://no-such-bucket/a"), "{no_bucket}");
    server.kill();
    let away = trouble(server.bucket(), right.clone());
    assert!(away.may_pass() && away.to_string().contains("127.0.0.1"), "{away}");
}
