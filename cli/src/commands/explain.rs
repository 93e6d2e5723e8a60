//! `quire explain`: everything known of one record.

use quire_api::run::{DeadLetter, ExplainRequest};
use quire_coordinator::{Explanation, explain, published_catalogues};
use quire_runtime::Store;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Exit, ExplainArgs, ServerArgs,
    exit::wrong_usage,
    output,
    remote::{DEADLINE, Servers, block_on},
};

/// Explains a record, from the state folder or through a coordinator.
///
/// # Errors
/// If nothing is known of it, nothing was built, or the coordinator cannot be reached.
pub fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let answer = match args.server.given() {
        Some(server) => block_on(remote(args, &server))?,
        None => Answer { explanations: local(args)?, dead_letters: Vec::new() },
    };
    if args.json {
        output::json(&answer)?;
        return Ok(Exit::Done);
    }
    for explanation in &answer.explanations {
        output::text(&text(explanation))?;
    }
    for letter in &answer.dead_letters {
        output::text(&format!("dead letter {}  {}  {}", letter.number, letter.stage, letter.error))?;
    }
    Ok(Exit::Done)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    explanations: Vec<Value>,
    dead_letters: Vec<Letter>,
}

#[derive(Serialize)]
struct Letter {
    number: u64,
    stage: String,
    run: String,
    attempts: u32,
    error: String,
}

impl From<DeadLetter> for Letter {
    fn from(DeadLetter { number, stage, run, attempts, error, .. }: DeadLetter) -> Self {
        Self { number, stage, run, attempts, error }
    }
}

fn local(args: &ExplainArgs) -> anyhow::Result<Vec<Value>> {
    let folder = args.state.state.join("store");
    if !folder.is_dir() {
        anyhow::bail!("nothing was built here yet: run `quire build` first, or name its --state");
    }
    let store = Store::open(&folder)?;
    let catalogues = published_catalogues(&store)?;
    if let Some(only) = &args.catalogue
        && !catalogues.contains(only)
    {
        let known: Vec<&str> = catalogues.iter().map(String::as_str).collect();
        wrong_usage!("no catalogue named `{only}` was built here: there are {}", known.join(", "));
    }
    let found: Vec<Explanation> = explain(&store, args.catalogue.as_deref(), &args.key)?;
    if found.is_empty() {
        let dead = quire_coordinator::dead_records(&store, args.catalogue.as_deref())?;
        let hint = match dead {
            0 => String::new(),
            _ => format!(
                "; {} could not be processed and have no page, which may be one of these: `quire build` tells why",
                output::counted(dead, "record")
            ),
        };
        wrong_usage!(
            "nothing is known of `{}`: it is no key, page, location or claimed value of a build{hint}",
            args.key
        );
    }
    Ok(found.iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
}

async fn remote(args: &ExplainArgs, server: &ServerArgs) -> anyhow::Result<Answer> {
    let catalogue = args.catalogue.clone().unwrap_or_default();
    let request = || ExplainRequest { key: args.key.clone(), catalogue: catalogue.clone() };
    let explain = async |channel| super::run::client(channel).explain(request()).await;
    let answer = Servers::of(server)?.ask(DEADLINE, explain).await?;
    let explanations = answer.explanations_json.iter().map(|json| serde_json::from_str(json));
    Ok(Answer {
        explanations: explanations.collect::<Result<_, _>>()?,
        dead_letters: answer.letters.into_iter().map(Letter::from).collect(),
    })
}

/// An explanation for people.
fn text(explanation: &Value) -> String {
    let of = |name: &str| explanation.get(name).and_then(Value::as_str).unwrap_or_default();
    let item = explanation.get("item").unwrap_or(&Value::Null);
    let in_item = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let key = explanation.get("key").and_then(Value::as_str).unwrap_or("no key could be had");
    let ordinal = item.get("ordinal").and_then(Value::as_u64).unwrap_or_default();
    let mut lines = vec![format!("{}  {key}  {}", of("catalogue"), of("title")).trim_end().to_owned()];
    let changed = of("changed_by");
    let since = if changed.is_empty() { String::new() } else { format!(", last changed by {changed}") };
    lines.push(format!("  {} as of {}{since}", of("state"), of("run")));
    if explanation.get("dead").and_then(Value::as_bool) == Some(true) {
        let why = "what it is now could not be processed, and this is what it was";
        lines.push(format!("  dead: {why}; `quire build`, or its dead letter, tells why"));
    }
    // As items are named everywhere.
    let ordinal = if ordinal > 0 { format!("#{ordinal}") } else { String::new() };
    lines.push(format!("  from {}:{}{ordinal}", in_item("source"), in_item("location")));
    let all = |name: &str| explanation.get(name).and_then(Value::as_array).into_iter().flatten();
    for problem in all("problems") {
        lines.push(format!("  {}", problem_text(problem)));
    }
    for file in all("files") {
        lines.push(format!("  file {}", file.get("path").and_then(Value::as_str).unwrap_or_default()));
    }
    for claim in all("claims") {
        let of = |name: &str| claim.get(name).and_then(Value::as_str).unwrap_or_default();
        lines.push(format!("  claims {} = {}", of("rule"), of("value")));
    }
    lines.join("\n")
}

fn problem_text(problem: &Value) -> String {
    let of = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    let line =
        problem.get("line").and_then(Value::as_u64).map_or_else(String::new, |line| format!(" line {line}"));
    let holder = of("holder");
    let holder = if holder.is_empty() { String::new() } else { format!(" (held by {holder})") };
    format!("{} {}{line} {}: {}{holder}", of("severity"), of("rule"), of("pointer"), of("message"))
}
