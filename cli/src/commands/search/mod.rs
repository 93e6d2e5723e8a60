//! `quire search`: asks the indexes that builds have made, or indexers.

mod local;
mod servers;

use std::collections::BTreeMap;

use quire_indexer::{Answer, Hit, Query};

use crate::{Exit, SearchArgs, output};

/// What came of a search.
#[derive(Debug, Default)]
struct Found {
    answers: BTreeMap<String, Answer>,
    /// Catalogues that cannot be searched now, and why.
    unavailable: BTreeMap<String, String>,
}

/// Searches.
///
/// # Errors
/// If nothing was built, no indexer answers, or the query is blank and nothing is filtered.
pub fn run(args: &SearchArgs) -> anyhow::Result<Exit> {
    let text = args.query.join(" ");
    let query =
        Query { text: &text, limit: usize::from(args.limit), filters: &args.filter, facets: args.json };
    let catalogue = args.catalogue.as_deref();
    let found = if args.server.is_empty() {
        local::ask(&args.state.state.join("index"), catalogue, &query)?
    } else {
        servers::ask(&args.server, &args.tls, catalogue, &query)?
    };
    if args.json {
        output::json(&found.answers)?;
    } else {
        print(&found.answers)?;
    }
    for (catalogue, reason) in &found.unavailable {
        output::note(&format!("{catalogue} was not searched: {reason}"));
    }
    Ok(if found.unavailable.is_empty() { Exit::Done } else { Exit::Failed })
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
