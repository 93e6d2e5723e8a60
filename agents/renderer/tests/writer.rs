//! The site writer against real folders: whole files or none, nothing outside, nothing written twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use quire_proto::Digest;
use quire_renderer::edge::{SiteError, SiteWriter, Stamps};
use tempfile::TempDir;

fn writer(base: &Path) -> SiteWriter {
    SiteWriter::open(&base.join("site"), &base.join("tmp")).unwrap()
}

fn put(writer: &SiteWriter, path: &str, text: &str) -> bool {
    writer.write(path, &Digest::of(text.as_bytes()), text.as_bytes()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_written_once_and_again_only_when_it_differs() {
    let base = TempDir::new().unwrap();
    let writer = writer(base.path());
    let file = base.path().join("site/findings/search/0.json");
    assert!(put(&writer, "findings/search/0.json", "one"));
    assert!(!put(&writer, "findings/search/0.json", "one"));
    assert!(put(&writer, "findings/search/0.json", "two"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    fs::write(&file, "own").unwrap();
    assert!(put(&writer, "findings/search/0.json", "two"), "a change within the same tick is seen");
    assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    assert!(names(&base.path().join("tmp")).is_empty());
}

#[test]
fn verify_names_what_is_missing_changed_or_not_a_file() {
    let base = TempDir::new().unwrap();
    let expected: Vec<(String, Digest)> =
        (0..20).map(|i| (format!("c/{i:02}.html"), Digest::of(format!("page {i}").as_bytes()))).collect();
    let stamps = {
        let writer = writer(base.path());
        for i in 0..20 {
            put(&writer, &format!("c/{i:02}.html"), &format!("page {i}"));
        }
        assert!(writer.verify(expected.clone()).unwrap().is_empty());
        writer.encode_stamps()
    };
    let site = base.path().join("site/c");
    fs::write(site.join("01.html"), "PAGE 1").unwrap();
    fs::remove_file(site.join("02.html")).unwrap();
    fs::remove_file(site.join("03.html")).unwrap();
    symlink("04.html", site.join("03.html")).unwrap();
    fs::remove_file(site.join("05.html")).unwrap();
    fs::create_dir(site.join("05.html")).unwrap();
    for saved in [Some(stamps), None] {
        let writer = writer(base.path());
        if let Some(saved) = saved {
            writer.set_stamps(Stamps::decode(&saved).unwrap());
        }
        let again = writer.verify(expected.clone()).unwrap();
        assert_eq!(again, ["c/01.html", "c/02.html", "c/03.html", "c/05.html"]);
    }
    let writer = writer(base.path());
    assert_eq!(writer.verify([("none/x.html", Digest::of(b"x"))]).unwrap(), ["none/x.html"]);
    assert!(!base.path().join("site/none").exists(), "verifying makes no folders");
}

#[test]
fn a_symbolic_link_in_the_site_is_not_followed() {
    let base = TempDir::new().unwrap();
    let writer = writer(base.path());
    let outside = base.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "untouched").unwrap();
    symlink(&outside, base.path().join("site/linked")).unwrap();
    symlink(outside.join("file"), base.path().join("site/file")).unwrap();
    assert!(writer.write("linked/file", &Digest::of(b"x"), b"x").is_err());
    assert!(put(&writer, "file", "replaces the link"));
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "untouched");
    assert_eq!(names(&outside), ["file"]);
}

#[test]
fn a_path_that_escapes_is_refused_by_every_operation() {
    let base = TempDir::new().unwrap();
    let writer = writer(base.path());
    for path in ["../x", "/etc/x", "a/../../x", "", "a//b", ".hidden"] {
        assert!(
            matches!(writer.write(path, &Digest::of(b"x"), b"x"), Err(SiteError::Path { .. })),
            "{path:?}"
        );
        assert!(matches!(writer.remove(path), Err(SiteError::Path { .. })), "{path:?}");
        assert!(matches!(writer.verify([(path, Digest::of(b"x"))]), Err(SiteError::Path { .. })), "{path:?}");
    }
    assert_eq!(names(base.path()), ["site", "tmp"]);
}

#[test]
fn removing_the_last_file_of_a_folder_removes_the_folder() {
    let base = TempDir::new().unwrap();
    let writer = writer(base.path());
    put(&writer, "a/b/c.html", "c");
    put(&writer, "a/d.html", "d");
    assert!(writer.remove("a/b/c.html").unwrap());
    assert!(!writer.remove("a/b/c.html").unwrap());
    assert_eq!(names(&base.path().join("site/a")), ["d.html"]);
    assert!(writer.remove("a/d.html").unwrap());
    assert!(names(&base.path().join("site")).is_empty());
    assert!(put(&writer, "a/b/c.html", "c"), "the folders come back");
}

#[test]
fn files_are_listed_and_read_within_a_limit() {
    let base = TempDir::new().unwrap();
    let writer = writer(base.path());
    put(&writer, "a/b/c.html", "four");
    put(&writer, "d.html", "d");
    symlink("/", base.path().join("site/root")).unwrap();
    let mut found = Vec::new();
    writer.list(&mut |path| found.push(path)).unwrap();
    found.sort();
    assert_eq!(found, ["a/b/c.html", "d.html", "root"]);
    assert_eq!(writer.read("a/b/c.html", 4).unwrap().unwrap(), b"four");
    assert_eq!(writer.read("a/b/c.html", 3).unwrap(), None);
    assert_eq!(writer.read("a/x.html", 3).unwrap(), None);
    assert_eq!(writer.read("root", 3).unwrap(), None);
}

#[test]
fn a_folder_that_vanishes_under_the_writer_is_made_again() {
    let base = TempDir::new().unwrap();
    let writer = writer(base.path());
    put(&writer, "a/b/c.html", "c");
    fs::remove_dir_all(base.path().join("site/a")).unwrap();
    assert!(put(&writer, "a/b/d.html", "d"));
    assert_eq!(writer.verify([("a/b/c.html", Digest::of(b"c"))]).unwrap(), ["a/b/c.html"]);
}

#[test]
fn what_a_killed_process_left_is_swept_and_the_old_file_stands() {
    let base = TempDir::new().unwrap();
    put(&writer(base.path()), "a.html", "old");
    fs::write(base.path().join("tmp/page-1-0.part"), "half a pa").unwrap();
    fs::write(base.path().join("tmp/other"), "not ours").unwrap();
    let _writer = writer(base.path());
    assert_eq!(names(&base.path().join("tmp")), ["other"]);
    assert_eq!(fs::read_to_string(base.path().join("site/a.html")).unwrap(), "old");
}

/// Writes two files into the folder that the variable names; not a test but the victim of one.
#[test]
#[ignore = "started by the test below"]
fn a_process_that_is_killed() {
    let Some(base) = std::env::var_os("QUIRE_TEST_SITE") else { return };
    let writer = writer(Path::new(&base));
    put(&writer, "a.html", "the first, rewritten");
    put(&writer, "b.html", "the second, rewritten");
}

#[test]
fn a_process_killed_before_the_rename_leaves_the_old_file_and_nothing_half_written() {
    let base = TempDir::new().unwrap();
    for path in ["a.html", "b.html"] {
        put(&writer(base.path()), path, "old");
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_is_killed", "--ignored"])
        .env("QUIRE_TEST_SITE", base.path())
        .env("QUIRE_CRASH_AT", "site.file-written:2")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "the process was killed");
    let site = base.path().join("site");
    assert_eq!(fs::read_to_string(site.join("a.html")).unwrap(), "the first, rewritten");
    assert_eq!(fs::read_to_string(site.join("b.html")).unwrap(), "old");
    assert_eq!(names(&site), ["a.html", "b.html"]);
    assert_eq!(names(&base.path().join("tmp")).len(), 1, "what was being written lies beside the site");
    drop(writer(base.path()));
    assert!(names(&base.path().join("tmp")).is_empty());
}

#[test]
fn another_file_system_for_temporary_files_is_made_up_for_by_a_folder_beside_the_site() {
    let shm = Path::new("/dev/shm");
    let base = TempDir::new().unwrap();
    let Ok(other) = TempDir::new_in(shm) else {
        println!("skipped: {} is not writable", shm.display());
        return;
    };
    let site = base.path().join("site");
    let writer = SiteWriter::open(&site, other.path()).unwrap();
    assert!(put(&writer, "a/b.html", "b"));
    assert_eq!(fs::read_to_string(site.join("a/b.html")).unwrap(), "b");
    assert!(names(other.path()).is_empty());
    assert_eq!(names(&site), ["a"]);
    drop(writer);
    assert_eq!(names(base.path()), ["site"], "the folder beside the site is gone in the end");
}

#[test]
fn a_name_taken_by_a_folder_is_an_error_that_leaves_nothing_behind() {
    let base = TempDir::new().unwrap();
    let writer = writer(base.path());
    put(&writer, "a/b.html", "b");
    let error = writer.write("a", &Digest::of(b"x"), b"x").unwrap_err();
    assert_eq!(error.to_string(), "cannot write a");
    assert_eq!(error.class(), quire_runtime::ErrorClass::Permanent);
    assert!(names(&base.path().join("tmp")).is_empty());
}
