//! A built site of neuron types, read back from its HTML.

#![allow(dead_code)] // each test file uses its part

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use system_tests::{Build, Quire, copy_tree, repository};

/// A site of the sample, or of one that was changed.
pub(crate) struct Site {
    quire: Quire,
    catalogue: PathBuf,
}

/// A page of a type.
pub(crate) struct Page {
    /// Type and side.
    pub(crate) name: String,
    pub(crate) title: String,
    /// `L`, `R`, `M` or `all`.
    pub(crate) side: String,
    /// Its name in the catalogue's folder.
    pub(crate) file: String,
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
        let site = Self { quire: Quire::new(), catalogue: repository().join("catalogues/neurons") };
        site.build_it(15);
        site
    }

    /// The same of a copy of the catalogue that was changed before.
    pub(crate) fn changed(change: impl FnOnce(&Path)) -> Self {
        Self::of(15, change)
    }

    /// With more types of these names, which all have one other name, and cite one citation.
    pub(crate) fn with_more(names: &[String]) -> Self {
        Self::of(15 + names.len() as u64, |catalogue| {
            let data = catalogue.join("data");
            let mut record: Value =
                serde_json::from_slice(&fs::read(data.join("type-05.json")).unwrap()).unwrap();
            (record["eyemaps"], record["flywire"]) = (serde_json::json!([]), serde_json::json!([]));
            record["synonyms"] = serde_json::json!(["Harrow 2014: Many"]);
            for (number, name) in names.iter().enumerate() {
                record["type"] = name.as_str().into();
                fs::write(data.join(format!("more-{number}.json")), record.to_string()).unwrap();
            }
        })
    }

    fn of(published: u64, change: impl FnOnce(&Path)) -> Self {
        let quire = Quire::new();
        let catalogue = quire.folder().join("catalogue");
        copy_tree(&repository().join("catalogues/neurons"), &catalogue);
        change(&catalogue);
        let site = Self { quire, catalogue };
        site.build_it(published);
        site
    }

    fn build_it(&self, published: u64) {
        let report = self.again();
        let records = &report.records;
        assert_eq!((records.published, records.rejected, records.dead), (published, 0, 0));
    }

    /// Another build after a change of the catalogue.
    pub(crate) fn again(&self) -> quire_proto::RunReport {
        let build = Build { catalogues: vec![self.catalogue.clone()], ..Build::default() };
        self.quire.build(&build).runs.remove(0)
    }

    pub(crate) fn catalogue(&self) -> &Path {
        &self.catalogue
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.quire.site().join("neurons")
    }

    /// A file of the catalogue in the site.
    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// What a query finds: `quire search`.
    pub(crate) fn search(&self, query: &[&str]) -> Vec<Value> {
        let state = self.quire.state();
        let arguments = ["search", "--json", "--limit", "50", "--state", state.to_str().unwrap()];
        let ended = self.quire.run(arguments.iter().chain(query));
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let found: Value = serde_json::from_str(&ended.out).unwrap();
        found["neurons"]["hits"].as_array().unwrap().clone()
    }

    /// The page of a type, or of one of its sides.
    pub(crate) fn page(&self, title: &str, side: &str) -> Page {
        let name = format!("{title} {side}");
        self.pages().into_iter().find(|page| page.name == name).unwrap_or_else(|| panic!("no {name}"))
    }

    fn originals(&self) -> Vec<Value> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.catalogue.join("data"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
            .collect();
        files.sort();
        files.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
    }

    /// The records of types, as they were before anything was done to them.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.originals().into_iter().filter(|record| record["kind"] == "type").collect()
    }

    pub(crate) fn dataset(&self) -> Value {
        self.originals().into_iter().find(|record| record["kind"] == "dataset").unwrap()
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
        let (name, file, main) = (format!("{title} {side}"), format!("{stem}.html"), stem == slug);
        pages.push(Page { name, file, main, title, side, record, html, text });
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

    /// Where a citation of the page leads; nowhere if it is not known.
    pub(crate) fn cited(&self, citation: &str) -> Option<String> {
        let cited = between(&self.html, "<span class=\"cited\">", "</a>");
        attribute(cited.into_iter().find(|link| link.ends_with(&format!(">{citation}")))?, "href")
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

/// Changes a record of the sample.
pub(crate) fn edit(catalogue: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = catalogue.join("data").join(file);
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut record);
    fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
}

/// Puts a text in the place of another in a file of the catalogue.
pub(crate) fn replace(catalogue: &Path, file: &str, from: &str, to: &str) {
    let path = catalogue.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file}: no {from}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

/// What stands between these two, each time.
pub(crate) fn between<'t>(text: &'t str, from: &str, to: &str) -> Vec<&'t str> {
    text.split(from).skip(1).map(|rest| rest.split(to).next().unwrap()).collect()
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
pub(crate) fn plain(html: &str) -> String {
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
