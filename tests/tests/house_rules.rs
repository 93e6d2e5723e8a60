//! House rules that a program can check.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use system_tests::repository;

/// Who may depend on whom, ours on ours, beyond dev-dependencies.
const ARROWS: [(&str, &[&str]); 14] = [
    ("quire-proto", &[]),
    ("quire-api", &[]),
    ("quire-broker", &["quire-proto"]),
    ("quire-cache", &["quire-proto"]),
    ("quire-catalogue", &["quire-proto"]),
    ("quire-figures", &[]),
    ("quire-queue", &["quire-proto"]),
    ("quire-runtime", &["quire-proto", "quire-api", "quire-broker", "quire-cache"]),
    ("quire-fetcher", &["quire-proto", "quire-catalogue", "quire-runtime", "quire-cache"]),
    ("quire-validator", &["quire-proto", "quire-catalogue", "quire-runtime"]),
    ("quire-indexer", &["quire-proto", "quire-api", "quire-catalogue", "quire-runtime"]),
    ("quire-renderer", &["quire-proto", "quire-api", "quire-catalogue", "quire-figures", "quire-runtime"]),
    ("quire-coordinator", &["quire-proto", "quire-api", "quire-catalogue", "quire-runtime"]),
    (
        "quire-cli",
        &[
            "quire-proto",
            "quire-api",
            "quire-cache",
            "quire-catalogue",
            "quire-runtime",
            "quire-fetcher",
            "quire-validator",
            "quire-indexer",
            "quire-renderer",
            "quire-coordinator",
            "quire-figures",
            "quire-queue",
        ],
    ),
];

/// Foreign crates with one owner.
const OWNED: [(&str, &str); 8] = [
    ("sled", "quire-cache"),
    ("moka", "quire-cache"),
    ("async-nats", "quire-broker"),
    ("object_store", "quire-runtime"),
    ("tantivy", "quire-indexer"),
    ("minijinja", "quire-renderer"),
    ("jsonschema", "quire-catalogue"),
    ("resvg", "quire-figures"),
];

/// Crates that do input or output, or read clocks; the pure ones must not name them.
const IMPURE: [&str; 6] = ["tokio", "std::fs", "std::net", "std::process", "SystemTime", "Instant::now"];

#[test]
fn crates_depend_on_each_other_only_along_the_arrows() {
    let packages = packages();
    for (name, allowed) in ARROWS {
        let package = packages.get(name).unwrap_or_else(|| panic!("{name} is gone: change this table"));
        let ours: BTreeSet<&str> =
            package.iter().map(String::as_str).filter(|dep| dep.starts_with("quire-")).collect();
        let extra: Vec<_> = ours.iter().filter(|dep| !allowed.contains(dep)).collect();
        assert!(extra.is_empty(), "{name} may not depend on {extra:?}");
    }
    let known: BTreeSet<_> = ARROWS.iter().map(|(name, _)| *name).collect();
    let unknown: Vec<_> =
        packages.keys().filter(|name| name.starts_with("quire-") && !known.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?} have no place in the table of arrows");
}

#[test]
fn each_foreign_crate_with_an_owner_is_named_by_its_owner_alone() {
    for (name, dependencies) in packages() {
        for (foreign, owner) in OWNED {
            let exempt = name == owner || name == "system-tests" || name == "xtask";
            assert!(
                exempt || !dependencies.contains(foreign),
                "{name} names {foreign}, which belongs to {owner}"
            );
        }
    }
}

#[test]
fn pure_crates_do_no_input_or_output_and_read_no_clock() {
    for folder in ["proto/src", "agents/catalogue/src", "figures/src"] {
        for (path, text) in sources(&repository().join(folder)) {
            for (number, line) in production_lines(&text) {
                let code = line.split("//").next().unwrap_or_default();
                for word in IMPURE {
                    assert!(!code.contains(word), "{}:{number} names {word}", path.display());
                }
            }
            for module in modules_of_std(&text) {
                let word = format!("std::{module}");
                assert!(!IMPURE.contains(&word.as_str()), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn nothing_outside_tests_unwraps_or_is_a_stub() {
    let words = [".unwrap()", ".expect(\"", "todo!(", "unimplemented!(", "panic!(", "dbg!("];
    for folder in ["proto/src", "broker/src", "agents", "figures/src", "queue/src", "cli/src", "xtask/src"] {
        for (path, text) in sources(&repository().join(folder)) {
            let name = path.to_str().unwrap();
            if ["/tests/", "/examples/", "/contract", "/benches/", "/tests.rs"]
                .iter()
                .any(|part| name.contains(part))
            {
                continue;
            }
            for (number, line) in production_lines(&text) {
                let code = line.split("//").next().unwrap_or_default();
                for word in words {
                    assert!(!code.contains(word), "{name}:{number} has {word}");
                }
            }
        }
    }
}

#[test]
fn every_member_takes_the_lints_of_the_workspace() {
    for manifest in member_manifests() {
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{} does not", manifest.display());
    }
}

#[test]
fn templates_never_switch_escaping_off() {
    for folder in ["catalogues", "agents/renderer/site", "cli/scaffold"] {
        walk(&repository().join(folder), &mut |path| {
            if path.extension().is_some_and(|ending| ending == "html") {
                let text = fs::read_to_string(path).unwrap();
                for word in ["|safe", "autoescapefalse", "javascript:", "onclick=", "onload=", "style=\""] {
                    // `safe_url` is a filter of ours that lets only links through.
                    let text: String = text.replace("safe_url", "link").split_whitespace().collect();
                    assert!(!text.contains(word), "{} holds {word}", path.display());
                }
            }
        });
    }
}

#[test]
fn every_crash_point_is_passed_somewhere() {
    let mut found = BTreeSet::new();
    for (_, text) in sources(&repository().join("agents")) {
        for (at, _) in text.match_indices("crash_point(\"") {
            let name: String =
                text[at..].chars().skip("crash_point(\"".len()).take_while(|&letter| letter != '"').collect();
            found.insert(name);
        }
    }
    let table = fs::read_to_string(repository().join("agents/runtime/src/crash.rs")).unwrap();
    for name in &found {
        assert!(table.contains(&format!("\"{name}\"")), "{name} is not in CRASH_POINTS");
    }
    assert!(found.len() >= 10, "{found:?}");
}

#[test]
fn files_stay_small() {
    let mut long = Vec::new();
    for (path, text) in sources(&repository()) {
        let lines = text.lines().count();
        if lines > 500 {
            long.push(format!("{} {lines}", path.display()));
        }
    }
    assert!(long.is_empty(), "over 500 lines: {long:#?}");
}

/// Direct dependencies of each member, without dev-dependencies.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let dependencies = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap();
        let normal = all.iter().filter(|dependency| dependency["kind"].is_null());
        normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| (package["name"].as_str().unwrap().to_owned(), dependencies(package)))
        .collect()
}

fn member_manifests() -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&repository(), &mut |path| {
        if path.file_name().is_some_and(|name| name == "Cargo.toml") && path.parent() != Some(&repository()) {
            found.push(path.to_path_buf());
        }
    });
    assert!(found.len() >= 12);
    found
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    walk(folder, &mut |path| {
        if path.extension().is_some_and(|ending| ending == "rs") {
            found.push((path.to_path_buf(), fs::read_to_string(path).unwrap()));
        }
    });
    assert!(!found.is_empty(), "{} holds no sources", folder.display());
    found
}

/// The lines of a file without what is compiled for tests only, with their numbers.
fn production_lines(text: &str) -> Vec<(usize, &str)> {
    let mut lines = (1..).zip(text.lines());
    let mut production = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            production.push((number, line));
            continue;
        }
        // The item below it ends with `;` on its line, or with a brace as far to the left as it begins.
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", &line[..indent]);
        let mut rest = lines.by_ref().map(|(_, line)| line).skip_while(|line| line.trim().starts_with("#["));
        if rest.next().is_some_and(|item| !item.ends_with([';', '}', ','])) {
            rest.find(|line| line.trim_end_matches([';', ',']) == end);
        }
    }
    production
}

/// What stands right below `std` in `use std::{…}`.
fn modules_of_std(text: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for (start, _) in text.match_indices("use std::{") {
        let mut depth = 1;
        let mut word = String::new();
        for letter in text[start + "use std::{".len()..].chars() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 1 => break,
                '}' => depth -= 1,
                ',' if depth == 1 => modules.push(std::mem::take(&mut word)),
                letter if depth == 1 => word.push(letter),
                _ => {}
            }
        }
        modules.push(word);
    }
    let first = |word: String| word.trim().split("::").next().unwrap_or_default().to_owned();
    modules.into_iter().map(first).collect()
}

#[test]
fn the_rules_see_what_they_look_for() {
    let text = "use std::{\n    io::{Read, Write},\n    fs,\n};\n#[cfg(test)]\nmod tests {\n    a\n}\nb\n#[cfg(test)]\nmod more;\nc\n#[cfg(test)]\nuse x::{\n    y,\n};\nd\n";
    assert_eq!(modules_of_std(text), ["io", "fs", ""]);
    let lines: Vec<&str> = production_lines(text).into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines[4..], ["b", "c", "d"]);
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        if path.is_dir() {
            if !["target", "node_modules", ".git", "site", ".quire"].contains(&name)
                || path.ends_with("renderer/site")
            {
                walk(&path, visit);
            }
        } else {
            visit(&path);
        }
    }
}
