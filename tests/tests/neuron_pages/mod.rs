//! A built site of neuron types, read back from its HTML.

#![allow(dead_code)] // each test file uses its part

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use system_tests::{Build, Quire, repository};

/// A site of the sample.
pub(crate) struct Site(Quire);

/// A page of a type.
pub(crate) struct Page {
    /// Type and side.
    pub(crate) name: String,
    pub(crate) title: String,
    /// `L`, `R`, `M` or `all`.
    pub(crate) side: String,
    /// Whether it is the type's own page, not that of a side.
    pub(crate) main: bool,
    pub(crate) record: Value,
    pub(crate) html: String,
    /// What a reader reads.
    pub(crate) text: String,
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

impl Site {
    pub(crate) fn build() -> Self {
        let quire = Quire::new();
        let report = quire.build(&Build::of("neurons"));
        let records = &report.runs[0].records;
        assert_eq!((records.published, records.rejected, records.dead), (13, 0, 0));
        Self(quire)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.0.site().join("neurons")
    }

    fn originals() -> Vec<Value> {
        let mut files: Vec<PathBuf> = fs::read_dir(repository().join("catalogues/neurons/data"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
            .collect();
        files.sort();
        files.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
    }

    /// The records of types, as they were before anything was done to them.
    pub(crate) fn records(&self) -> Vec<Value> {
        Self::originals().into_iter().filter(|record| record["kind"] == "type").collect()
    }

    pub(crate) fn dataset(&self) -> Value {
        Self::originals().into_iter().find(|record| record["kind"] == "dataset").unwrap()
    }

    /// Every page of every type.
    pub(crate) fn pages(&self) -> Vec<Page> {
        let records: BTreeMap<String, Value> = self
            .records()
            .into_iter()
            .map(|record| (record["type"].as_str().unwrap().to_owned(), record))
            .collect();
        let pages = pages_in(&self.folder(), |title, _| records[title].clone());
        assert!(pages.len() > 12, "{} pages", pages.len());
        pages
    }
}

/// The pages of types in a catalogue's folder of a site. `record_of` finds a record by its title, and what stands beside its page.
pub(crate) fn pages_in(folder: &Path, record_of: impl Fn(&str, Value) -> Value) -> Vec<Page> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut pages = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "html")) {
        let html = fs::read_to_string(path).unwrap();
        let Some(side) = html.split("class=\"page neuron side-").nth(1) else { continue };
        let side = side.split('"').next().unwrap().to_owned();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let slug = stem.split('.').next().unwrap();
        let twin: Value =
            serde_json::from_slice(&fs::read(folder.join(format!("{slug}.json"))).unwrap()).unwrap();
        let title = twin["title"].as_str().unwrap().to_owned();
        let (record, text) = (record_of(&title, twin), plain(&html));
        let (name, main) = (format!("{title} {side}"), stem == slug);
        pages.push(Page { name, main, title, side, record, html, text });
    }
    pages
}

impl Page {
    /// What the record says of the page's cells.
    pub(crate) fn view(&self) -> &Value {
        &self.record["views"][&self.side]
    }

    /// The HTML of a section.
    pub(crate) fn section(&self, id: &str) -> &str {
        let start = self
            .html
            .find(&format!("<section aria-labelledby=\"{id}\">"))
            .unwrap_or_else(|| panic!("{}: no {id}", self.name));
        let rest = &self.html[start..];
        &rest[..rest.find("</section>").unwrap()]
    }

    fn body(&self, id: &str) -> Vec<&str> {
        let Some((_, rest)) = self.section(id).split_once("<tbody>") else { return Vec::new() };
        rest.split("</tbody>").next().unwrap().split("<tr").skip(1).collect()
    }

    /// The cells of a section's table, row by row.
    pub(crate) fn rows(&self, id: &str) -> Vec<Vec<String>> {
        let cells = |row: &str| {
            let parts =
                row.split(['\u{0}']).next().unwrap().replace("<th", "\u{0}<td").replace("<td", "\u{0}<td");
            parts.split('\u{0}').filter(|part| part.starts_with("<td")).map(plain).collect::<Vec<_>>()
        };
        self.body(id).into_iter().map(cells).collect()
    }

    /// Partners with the file that their link leads to.
    pub(crate) fn partners(&self) -> Vec<(String, Option<String>)> {
        let rows = ["inputs", "outputs"].into_iter().flat_map(|way| self.body(way));
        rows.map(|row| {
            let head = row.split("</th>").next().unwrap();
            let head = &head[head.find("<th").unwrap()..];
            (plain(head), attribute(head, "href"))
        })
        .collect()
    }

    /// Classes of variation with their value.
    pub(crate) fn classes(&self) -> Vec<String> {
        let found = self.html.split("data-class=\"").skip(1);
        found.map(|rest| rest.split("</td>").next().unwrap().replace("\">", " ")).collect()
    }

    /// Cards of the summary: title and texts.
    pub(crate) fn cards(&self) -> Vec<(String, Vec<String>)> {
        let card = |html: &str| {
            let title = text_of(html, "dt");
            (title, html.split("<dd").skip(1).map(|part| plain(&format!("<dd{part}"))).collect())
        };
        self.section("summary").split("<div>").skip(1).map(card).collect()
    }

    /// What the link to the viewer holds.
    pub(crate) fn viewer_state(&self) -> Value {
        let href = self.html.split("id=\"viewer-link\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        let (_, state) = href.split_once("#!").unwrap();
        serde_json::from_slice(&decoded(state)).unwrap_or_else(|error| panic!("{error}: {state}"))
    }
}

fn decoded(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            out.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            out.push(first);
            rest = after;
        }
    }
    out
}

fn attribute(html: &str, name: &str) -> Option<String> {
    Some(html.split_once(&format!("{name}=\""))?.1.split('"').next()?.to_owned())
}

/// The text of the first element of this name.
pub(crate) fn text_of(html: &str, name: &str) -> String {
    let rest = html.split_once(&format!("<{name}")).unwrap().1;
    plain(&format!("<x{}", rest.split(&format!("</{name}>")).next().unwrap()))
}

/// Text without tags.
fn plain(html: &str) -> String {
    let (mut text, mut inside) = (String::new(), false);
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
            '>' if inside => inside = false,
            _ if !inside => text.push(letter),
            _ => {}
        }
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
