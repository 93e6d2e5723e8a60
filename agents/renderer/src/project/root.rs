//! The files at the root of a site: the list of catalogues, shared assets, sitemap, robots.txt.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use minijinja::Value;
use quire_proto::{is_page, manifest::Entry};
use quire_runtime::{BoxError, FileSink};

use crate::{
    draw,
    engine::{Engine, Output, assets, object},
    page,
    text::absolute,
};

/// Most addresses in one sitemap, by its protocol.
const MAX_URLS: usize = 50_000;
/// Most frequent values of facets that the home page shows.
const MAX_TAGS: usize = 10;
/// Title of the home page of a site with several catalogues.
pub(crate) const SITE_TITLE: &str = "Catalogues";
const HOME: &str = "quire/home.html";
const MISSING: &str = "quire/missing.html";

/// A catalogue of a site, as its newest manifest has it.
pub struct SiteCatalogue<'a> {
    /// Its templates and definition.
    pub engine: Arc<Engine>,
    /// Published records.
    pub count: u64,
    /// Rejected items.
    pub rejected: u64,
    /// The published records, ascending by key.
    pub entries: Box<dyn Iterator<Item = Result<Arc<Entry>, BoxError>> + 'a>,
}

/// Makes the files at the root of a site of `catalogues`, sorted by slug.
///
/// # Errors
/// What the iterators, the sink or a template say.
pub fn root_files(catalogues: Vec<SiteCatalogue<'_>>, sink: &mut dyn FileSink) -> Result<(), BoxError> {
    for (path, bytes) in assets() {
        sink.add(format!("assets/{path}"), bytes.to_vec())?;
    }
    let base_url = catalogues.iter().find_map(|catalogue| catalogue.engine.look().base_url.clone());
    let mut sitemap = Sitemap::default();
    sitemap.add(base_url.as_deref(), "index.html");
    let mut cards = Vec::new();
    let mut any_engine = None;
    let mut titles = Vec::new();
    // The site has a licence and a language where all its catalogues have the same.
    let licence = common(catalogues.iter().map(|catalogue| catalogue.engine.look().licence.as_deref()));
    let language = common(catalogues.iter().map(|catalogue| catalogue.engine.look().language.as_deref()));
    let mut sheets = BTreeMap::new();
    for catalogue in catalogues {
        let engine = Arc::clone(&catalogue.engine);
        sheets.extend(draw::sheets(&engine.look().figures));
        for (path, bytes) in &engine.look().assets {
            sink.add(format!("assets/{}/{path}", engine.look().slug), bytes.clone())?;
        }
        titles.push(engine.look().title.clone());
        cards.push(card(catalogue, &mut sitemap)?);
        any_engine = Some(engine);
    }
    for (path, rules) in sheets {
        sink.add(format!("assets/{path}"), rules.into_bytes())?;
    }
    let title = match titles.as_slice() {
        [only] => only.as_str(),
        _ => SITE_TITLE,
    };
    let engine = match any_engine {
        Some(engine) => engine,
        None => Arc::new(Engine::new(crate::look::Look::bare())?),
    };
    let said = [&base_url, &licence, &language].map(Option::as_deref);
    let front = Front { engine: &engine, title, cards: Value::from(cards), said };
    sink.add("index.html".to_owned(), front.home()?)?;
    if let Some(root) = base_url.as_deref().map(path_of) {
        sink.add("404.html".to_owned(), front.missing(&root)?)?;
    }
    sitemap.files(base_url.as_deref(), sink)?;
    sink.add("robots.txt".to_owned(), robots(base_url.as_deref()).into_bytes())
}

/// What the pages at the root of a site share.
struct Front<'a> {
    engine: &'a Engine,
    title: &'a str,
    cards: Value,
    /// Address, licence and language.
    said: [Option<&'a str>; 3],
}

impl Front<'_> {
    fn home(&self) -> Result<Vec<u8>, BoxError> {
        let page = page::page("home", "index.html", self.title, "", self.said[0]);
        self.render(HOME, "", page)
    }

    /// The page for addresses that lead nowhere. It is shown at any depth, so it must know where the site begins.
    fn missing(&self, root: &str) -> Result<Vec<u8>, BoxError> {
        self.render(MISSING, root, page::page("missing", "404.html", "Page not found", "", None))
    }

    fn render(&self, template: &str, root: &str, page: Value) -> Result<Vec<u8>, BoxError> {
        let context = object([
            ("root", Value::from(root)),
            ("page", page),
            ("site", page::site_titled(self.title, self.said, &[])),
            ("catalogues", self.cards.clone()),
        ]);
        Ok(self.engine.render(template, Output::Html, context)?.into_bytes())
    }
}

/// What all say, if they say the same.
fn common<'a>(mut all: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let first = all.next()??;
    all.all(|other| other == Some(first)).then(|| first.to_owned())
}

/// The path of an address, with a slash at its end.
fn path_of(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.split_once('/').map_or("", |(_, path)| path).trim_end_matches('/');
    if path.is_empty() { "/".to_owned() } else { format!("/{path}/") }
}

/// What the home page shows of a catalogue; its pages go into the sitemap.
fn card(catalogue: SiteCatalogue<'_>, sitemap: &mut Sitemap) -> Result<Value, BoxError> {
    let look = catalogue.engine.look();
    let base_url = look.base_url.as_deref();
    sitemap.add(base_url, &format!("{}/index.html", look.slug));
    let facets: Vec<usize> = look
        .fields
        .iter()
        .enumerate()
        .filter(|(_, field)| field.column.is_some())
        .map(|(at, _)| at)
        .collect();
    let mut counts: Vec<BTreeMap<String, usize>> = vec![BTreeMap::new(); facets.len()];
    if base_url.is_some() || !facets.is_empty() {
        for entry in catalogue.entries {
            let entry = entry?;
            let record = &entry.record;
            for file in entry.files.iter().filter(|file| is_page(&file.path)) {
                sitemap.add(base_url, &file.path);
            }
            for (&field, counts) in facets.iter().zip(&mut counts) {
                let values = record.row.fields.get(field).map(Vec::as_slice).unwrap_or_default();
                count(values, counts);
            }
        }
    }
    let tagged = facets.into_iter().zip(counts);
    let mut tags: Vec<(usize, String, usize)> = tagged
        .flat_map(|(field, counts)| counts.into_iter().map(move |(value, count)| (field, value, count)))
        .collect();
    tags.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| (a.0, &a.1).cmp(&(b.0, &b.1))));
    let tag = |(field, value, count): (usize, String, usize)| {
        let name = look.fields.get(field).map_or("", |field| field.name.as_str());
        object([("field", Value::from(name)), ("value", Value::from(value)), ("count", Value::from(count))])
    };
    Ok(object([
        ("slug", Value::from(look.slug.as_str())),
        ("title", Value::from(look.title.as_str())),
        ("description", Value::from(look.description.as_str())),
        ("count", Value::from(catalogue.count)),
        ("rejected", Value::from(catalogue.rejected)),
        ("tags", tags.into_iter().take(MAX_TAGS).map(tag).collect::<Vec<_>>().into()),
    ]))
}

/// Counts a record's values, each once.
fn count(values: &[String], counts: &mut BTreeMap<String, usize>) {
    let mut values: Vec<&str> =
        values.iter().map(String::as_str).filter(|value| !value.trim().is_empty()).collect();
    values.sort_unstable();
    values.dedup();
    for value in values {
        match counts.get_mut(value) {
            Some(count) => *count += 1,
            None => {
                counts.insert(value.to_owned(), 1);
            }
        }
    }
}

fn robots(base_url: Option<&str>) -> String {
    let mut text = String::from("User-agent: *\nAllow: /\n");
    if let Some(sitemap) = absolute(base_url, "sitemap.xml") {
        // Writing into a string cannot fail.
        let _ = write!(text, "\nSitemap: {sitemap}\n");
    }
    text
}

/// Addresses, cut into files as the protocol wants it. Nothing without a base address.
#[derive(Default)]
struct Sitemap {
    full: Vec<String>,
    current: String,
    count: usize,
}

impl Sitemap {
    fn add(&mut self, base_url: Option<&str>, path: &str) {
        let Some(url) = absolute(base_url, path) else { return };
        if self.count == MAX_URLS {
            self.full.push(std::mem::take(&mut self.current));
            self.count = 0;
        }
        self.count += 1;
        // Writing into a string cannot fail.
        let _ = writeln!(self.current, "<url><loc>{}</loc></url>", xml(&url));
    }

    fn files(mut self, base_url: Option<&str>, sink: &mut dyn FileSink) -> Result<(), BoxError> {
        if base_url.is_none() {
            return Ok(());
        }
        self.full.push(self.current);
        if let [only] = self.full.as_slice() {
            return sink.add("sitemap.xml".to_owned(), enclosed("urlset", only));
        }
        let mut index = String::new();
        for (number, urls) in self.full.iter().enumerate() {
            let path = format!("sitemap-{}.xml", number + 1);
            let url = absolute(base_url, &path).unwrap_or_default();
            let _ = writeln!(index, "<sitemap><loc>{}</loc></sitemap>", xml(&url));
            sink.add(path, enclosed("urlset", urls))?;
        }
        sink.add("sitemap.xml".to_owned(), enclosed("sitemapindex", &index))
    }
}

fn enclosed(element: &str, inner: &str) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <{element} xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n{inner}</{element}>\n"
    )
    .into_bytes()
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
