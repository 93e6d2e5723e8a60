//! `quire search`: asks the indexes that builds have made.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};
use quire_indexer::{Answer, Hit, Query, SearchIndex};

use crate::{Exit, SearchArgs, output};

/// Searches.
///
/// # Errors
/// If nothing was built, a filter is no `FIELD=VALUE`, or the query is blank.
pub fn run(args: &SearchArgs) -> anyhow::Result<Exit> {
    let text = args.query.join(" ");
    let filters = args.filter.iter().map(|filter| read_filter(filter)).collect::<anyhow::Result<Vec<_>>>()?;
    let query = Query { text: &text, limit: usize::from(args.limit), filters: &filters, facets: args.json };
    let mut answers = BTreeMap::new();
    for (catalogue, index) in indexes(&args.state.state.join("index"), args.catalogue.as_deref())? {
        let answer = index.search(&query).with_context(|| format!("cannot search {catalogue}"))?;
        answers.insert(catalogue, answer);
    }
    if args.json {
        output::json(&answers)?
    } else {
        print(&answers)?
    }
    Ok(Exit::Done)
}

fn read_filter(filter: &str) -> anyhow::Result<(String, String)> {
    let (field, value) = filter
        .split_once('=')
        .with_context(|| format!("`{filter}` is no filter: write FIELD=VALUE, such as tags=CT"))?;
    Ok((field.to_owned(), value.to_owned()))
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
            bail!("no catalogue named `{only}` was built here: there are {}", names.join(", "));
        }
        names.retain(|name| name == only);
    }
    if names.is_empty() {
        bail!("nothing was built here yet: run `quire build` first, or name its --state");
    }
    let open = |name: String| {
        let index = SearchIndex::open(&folder.join(&name))
            .with_context(|| format!("cannot open the index of {name}"))?;
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
