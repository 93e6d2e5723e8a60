//! The program itself starts. What it does is tested in `tests/`, which needs it to be built: this test sees to that.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

#[test]
fn the_program_tells_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_quire")).arg("--version").output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        format!("quire {}", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_figure_is_drawn_from_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let quire = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
        command.current_dir(folder.path()).args(["figure", "eyemap"]).args(arguments).output().unwrap()
    };
    std::fs::write(folder.path().join("a.csv"), "hex1,hex2,value\n1,7,234\n1,8,\n2,5,29\n").unwrap();
    let told = quire(&["a.csv", "--out", "a.svg", "--title", "T4a", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(
        (&told["columns"], &told["with_data"], &told["format"]),
        (&3.into(), &2.into(), &"svg".into())
    );
    let svg = std::fs::read_to_string(folder.path().join("a.svg")).unwrap();
    assert_eq!(told["bytes"], svg.len());
    assert_eq!(quire(&["a.csv", "--out", "-", "--title", "T4a"]).stdout, svg.as_bytes());
    assert!(quire(&["a.csv", "--out", "a.png", "--size", "300"]).status.success());
    assert!(std::fs::read(folder.path().join("a.png")).unwrap().starts_with(b"\x89PNG"));

    assert!(quire(&["a.csv", "--out", "a.html", "--title", "T<4>a"]).status.success());
    let page = std::fs::read_to_string(folder.path().join("a.html")).unwrap();
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.contains("<table>") && page.contains("T&lt;4&gt;a"),
        "{page}"
    );

    std::fs::write(folder.path().join("head.csv"), "hex1,hex2,value\n").unwrap();
    for (arguments, code, message) in [
        (["a.csv", "--out", "a.jpg"], 2, "end it with .svg, .png or .html"),
        (["no.csv", "--out", "b.svg"], 1, "cannot draw no.csv"),
        (["a.svg", "--out", "b.svg"], 1, "line 1: "),
        (["head.csv", "--out", "b.svg"], 1, "cannot draw head.csv: it has no rows below its header"),
        (["a.csv", "--out=b.svg", "--radius=0"], 2, "the radius is 0: expected 0.1 to 1000"),
    ] {
        let output = quire(&arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(message), "{told}");
    }
    assert!(!folder.path().join("b.svg").exists());
}
