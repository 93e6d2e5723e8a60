//! `quire search`: asks the indexes that builds have made.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};
use quire_indexer::{Answer, Hit, Query, SearchError, SearchIndex};

use crate::{Exit, SearchArgs, exit::wrong_usage, output};

/// Searches.
///
/// # Errors
/// If nothing was built, or the query is blank and nothing is filtered.
pub fn run(args: &SearchArgs) -> anyhow::Result<Exit> {
    let text = args.query.join(" ");
    let query =
        Query { text: &text, limit: usize::from(args.limit), filters: &args.filter, facets: args.json };
    let answers = ask(indexes(&args.state.state.join("index"), args.catalogue.as_deref())?, &query)?;
    if args.json {
        output::json(&answers)?
    } else {
        print(&answers)?
    }
    Ok(Exit::Done)
}

/// The answers of those catalogues that have the fields of all filters; an error if none has.
fn ask(indexes: Vec<(String, SearchIndex)>, query: &Query<'_>) -> anyhow::Result<BTreeMap<String, Answer>> {
    let mut answers = BTreeMap::new();
    let mut unknown = None;
    for (catalogue, index) in indexes {
        match index.search(query) {
            Ok(answer) => drop(answers.insert(catalogue, answer)),
            Err(error @ SearchError::UnknownFilter { .. }) => unknown = unknown.or(Some((error, catalogue))),
            Err(error) => return Err(error).with_context(|| format!("cannot search {catalogue}")),
        }
    }
    match unknown.filter(|_| answers.is_empty()) {
        Some((error, catalogue)) => Err(error).with_context(|| format!("cannot search {catalogue}")),
        None => Ok(answers),
    }
}

/// The indexes by catalogue, sorted.
fn indexes(folder: &Path, only: Option<&str>) -> anyhow::Result<Vec<(String, SearchIndex)>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| folder.join(name).is_dir());
    names.sort();
    if let Some(only) = only {
        if !names.is_empty() && !names.iter().any(|name| name == only) {
            wrong_usage!("no catalogue named `{only}` was built here: there are {}", names.join(", "));
        }
        names.retain(|name| name == only);
    }
    if names.is_empty() {
        bail!("nothing was built here yet: run `quire build` first, or name its --state");
    }
    let open = |name: String| {
        let index = SearchIndex::open(&folder.join(&name))
            .with_context(|| format!("cannot open the index of {name}: `quire build` makes it anew"))?;
        Ok((name, index))
    };
    names.into_iter().map(open).collect()
}

fn print(answers: &BTreeMap<String, Answer>) -> anyhow::Result<()> {
    for (catalogue, answer) in answers {
        let shown = answer.hits.len();
        output::text(&format!(
            "{catalogue}: {} found{}",
            answer.total,
            if shown < answer.total { format!(", the best {shown}") } else { String::new() }
        ))?;
        for hit in &answer.hits {
            print_hit(catalogue, hit)?;
        }
    }
    Ok(())
}

fn print_hit(catalogue: &str, hit: &Hit) -> anyhow::Result<()> {
    output::text(&format!("  {}  [{}]  {catalogue}/{}.html", hit.title, hit.key, hit.slug))?;
    if hit.summary.text.is_empty() { Ok(()) } else { output::text(&format!("      {}", hit.summary.text)) }
}
