//! A folder with a catalogue and a queue.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use serde_json::Value;
use system_tests::{Ended, Quire, tree};

/// A catalogue of a table and a folder of files, and a queue beside it.
pub(crate) struct World {
    pub(crate) quire: Quire,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { quire: Quire::new() };
        fs::create_dir_all(world.at("c/data")).unwrap();
        fs::create_dir_all(world.at("c/templates")).unwrap();
        fs::write(world.at("c/catalogue.yaml"), CATALOGUE).unwrap();
        fs::write(world.at("c/templates/record.html"), TEMPLATE).unwrap();
        world
    }

    /// With so many records, `T0001` and so on, in one table.
    pub(crate) fn of(count: usize) -> Self {
        let world = Self::new();
        world.table(count, "first");
        world
    }

    pub(crate) fn table(&self, count: usize, text: &str) {
        let mut table = "key,text\n".to_owned();
        for number in 0..count {
            writeln!(table, "T{number:04},{text} {number}").unwrap();
        }
        fs::write(self.at("c/data/types.csv"), table).unwrap();
    }

    pub(crate) fn record(&self, key: &str, text: &str) {
        let name: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
        let record = serde_json::json!({ "key": key, "text": text });
        fs::write(self.at("c/data").join(format!("{name}.json")), record.to_string()).unwrap();
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.quire.folder().join(path)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.quire.run(arguments)
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}\n{}", ended.out, ended.err);
        ended
    }

    /// A command that prints JSON.
    pub(crate) fn told(&self, arguments: &[&str]) -> Value {
        let ended = self.ok(arguments);
        serde_json::from_str(ended.out.lines().last().unwrap()).unwrap()
    }

    pub(crate) fn list(&self) -> Value {
        self.told(&["queue", "list", "--json"])
    }

    /// Puts a file of the other tool into the queue.
    pub(crate) fn theirs(&self, name: &str, key: &str, more: &str) {
        fs::create_dir_all(self.at(".queue")).unwrap();
        let key = serde_json::Value::from(key);
        let text = format!(
            "command: generate\nconfig_file: config.yaml\ncreated_at: '2026-11-20T12:02:39.266105'\noptions:\n  embed: false\n  image-format: svg\n  neuron-type: {key}\n{more}"
        );
        let part = self.at(&format!("part-{}", name.len()));
        fs::write(&part, text).unwrap();
        fs::rename(part, self.at(".queue").join(name)).unwrap();
    }

    pub(crate) fn page(&self, key: &str) -> Option<String> {
        let found = self.told(&["explain", "--json", "--", key]);
        let path = found["explanations"][0]["files"][0]["path"].as_str()?.to_owned();
        fs::read_to_string(self.at("site").join(path)).ok()
    }

    /// Files of the queue, but not what is ours in it.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let names = fs::read_dir(self.at(".queue")).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != ".quire").collect()
    }

    /// The site as an undisturbed build of everything makes it.
    pub(crate) fn undisturbed(&self) -> std::collections::BTreeMap<String, String> {
        let (out, state) = (self.at("site-2"), self.at("state-2"));
        let arguments = ["build", "c", "--out", out.to_str().unwrap(), "--state", state.to_str().unwrap()];
        self.ok(&arguments);
        tree(&out)
    }
}

pub(crate) const CATALOGUE: &str = r#"
catalogue: types
title: Types
sources:
  - name: table
    files: { root: data, include: ["*.csv"], format: csv }
  - name: files
    files: { root: data, include: ["*.json"], format: json }
record:
  key: .key
  title: .key
validate:
  rules:
    - expect: '(.text // "") != "wrong"'
      message: the text is wrong
pages:
  record: templates/record.html
"#;

/// A record with the text `poison` cannot be rendered.
pub(crate) const TEMPLATE: &str = r#"{% extends "quire/base.html" %}
{% block main %}<h1>{{ title }}</h1><p>{{ record.text }}</p>{% if record.text == "poison" %}{{ record.nothing.at.all }}{% endif %}{% endblock %}
"#;
