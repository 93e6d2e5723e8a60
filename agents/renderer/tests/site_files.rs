//! What a place for a site has to do, in a folder and in a bucket.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use bytes::Bytes;
use quire_proto::Digest;
use quire_renderer::edge::{SiteBucket, SiteError, SiteFiles, SiteWriter};
use quire_runtime::{Bucket, Labels};

/// Puts bytes at a path.
type Change = Box<dyn Fn(&str, &[u8])>;

/// A site, and how somebody else changes it.
struct Place {
    site: Arc<dyn SiteFiles>,
    /// As another process has it.
    other: Arc<dyn SiteFiles>,
    change: Change,
    _folder: tempfile::TempDir,
}

fn places() -> Vec<Place> {
    let folder = tempfile::tempdir().unwrap();
    let (out, tmp) = (folder.path().join("site"), folder.path().join("tmp"));
    let writer = || Arc::new(SiteWriter::open(&out, &tmp).unwrap());
    let (site, other) = (writer(), writer());
    let change = Box::new(move |path: &str, bytes: &[u8]| {
        let path = out.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    });
    let in_folder = Place { site, other, change, _folder: folder };
    let bucket = Bucket::in_memory("store").unwrap().under("site");
    let site = Arc::new(SiteBucket::new(bucket.clone()));
    let other = Arc::new(SiteBucket::new(bucket.clone()));
    let change = Box::new(move |path: &str, bytes: &[u8]| {
        bucket.put(path, &Bytes::copy_from_slice(bytes), &Labels::default()).unwrap();
    });
    let in_bucket = Place { site, other, change, _folder: tempfile::tempdir().unwrap() };
    vec![in_folder, in_bucket]
}

fn file(path: &str, text: &str) -> (String, Digest) {
    (path.to_owned(), Digest::of(text.as_bytes()))
}

fn put(site: &dyn SiteFiles, path: &str, text: &str) -> bool {
    site.write(path, &Digest::of(text.as_bytes()), &Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn verified(site: &dyn SiteFiles, expected: &[(String, Digest)]) -> Vec<String> {
    site.look_afresh();
    site.verify(&mut expected.iter().cloned()).unwrap()
}

fn listed(site: &dyn SiteFiles) -> Vec<String> {
    let mut found = Vec::new();
    site.list(&mut |path| found.push(path)).unwrap();
    found.sort();
    found
}

#[test]
fn what_was_written_is_there_for_everybody_and_what_differs_is_found_in_the_order_asked() {
    for Place { site, other, change, .. } in places() {
        let expected =
            [file("c/b.html", "b"), file("c/a.html", "a"), file("index.html", "i"), file("c/~é b.html", "é")];
        assert_eq!(verified(&*site, &expected), ["c/b.html", "c/a.html", "index.html", "c/~é b.html"]);
        for ((path, _), text) in expected.iter().zip(["b", "a", "i", "é"]) {
            assert!(put(&*site, path, text));
        }
        assert_eq!(site.verify(&mut expected.iter().cloned()).unwrap(), [""; 0]);
        for seen in [&site, &other] {
            assert_eq!(verified(&**seen, &expected), [""; 0]);
            assert_eq!(listed(&**seen), ["c/a.html", "c/b.html", "c/~é b.html", "index.html"]);
            assert_eq!(seen.read("c/b.html", 1).unwrap().as_deref(), Some(&b"b"[..]));
        }
        assert!(!put(&*site, "index.html", "i"), "it was known to be there");
        // The same size, by other hands.
        change("c/a.html", b"x");
        assert_eq!(verified(&*site, &expected), ["c/a.html"]);
        other.look_afresh();
        assert!(put(&*other, "c/a.html", "a"));
        assert_eq!(verified(&*site, &expected), [""; 0]);
        assert!(put(&*site, "c/a.html", "2"));
        assert_eq!(verified(&*other, &expected), ["c/a.html"]);
    }
}

#[test]
fn many_files_are_written_and_removed_at_a_time() {
    for Place { site, other, change, .. } in places() {
        let texts: Vec<(String, String)> =
            (0..200).map(|number| (format!("c/{number}.html"), format!("text {number}"))).collect();
        let files: Vec<(&str, Digest, Bytes)> = texts
            .iter()
            .map(|(path, text)| (path.as_str(), Digest::of(text.as_bytes()), Bytes::from(text.clone())))
            .collect();
        assert!(site.write_all(&files).unwrap().iter().all(|written| *written));
        let expected: Vec<_> = texts.iter().map(|(path, text)| file(path, text)).collect();
        assert_eq!(verified(&*other, &expected), [""; 0]);
        change("c/foreign.html", b"x");
        assert_eq!(listed(&*other).len(), 201);
        let gone: Vec<String> =
            texts.iter().map(|(path, _)| path.clone()).chain(["c/no.html".into()]).collect();
        assert_eq!(other.remove_all(&gone).unwrap(), 200);
        assert_eq!(listed(&*site), ["c/foreign.html"]);
        assert!(site.remove("c/foreign.html").unwrap());
        assert!(!site.remove("c/foreign.html").unwrap());
        assert_eq!(listed(&*site), [""; 0]);
    }
}

#[test]
fn what_is_not_there_or_too_large_is_none_and_bad_paths_are_refused() {
    for Place { site, .. } in places() {
        assert_eq!(site.read("manifest.json", 10).unwrap(), None);
        assert!(put(&*site, "manifest.json", "12345"));
        assert_eq!(site.read("manifest.json", 4).unwrap(), None);
        assert!(site.read("manifest.json", 5).unwrap().is_some());
        for path in ["", "../x", "/x", "a//b", ".hidden", "a\\b"] {
            let digest = Digest::of(b"");
            assert!(
                matches!(site.write(path, &digest, &Bytes::new()), Err(SiteError::Path { .. })),
                "{path:?}"
            );
            assert!(matches!(site.remove(path), Err(SiteError::Path { .. })), "{path:?}");
            assert!(matches!(site.read(path, 1), Err(SiteError::Path { .. })), "{path:?}");
            assert!(site.verify(&mut std::iter::once((path.to_owned(), digest))).is_err(), "{path:?}");
        }
        assert_eq!(listed(&*site), ["manifest.json"]);
    }
}
