//! Pages a second: `pages CATALOGUE RECORDS [REPEATS]` renders every record in the folder RECORDS as the
//! catalogue in the folder CATALOGUE says, once as the renderer does and once with bare minijinja on values
//! that were made before, and prints what each took.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an example, not a service"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{path::Path, sync::Arc, time::Duration};

use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig};
use quire_proto::RenderRecord;
use quire_renderer::{
    engine::{Engine, Output, add_helpers},
    look::Look,
    page::Pages,
    twin::twin,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, records, rest @ ..] = arguments.as_slice() else {
        println!("usage: pages CATALOGUE RECORDS [REPEATS]");
        return;
    };
    let repeats: usize = rest.first().map_or(5, |text| text.parse().expect("REPEATS is a number"));
    let catalogue = support::catalogue(Path::new(folder));
    let engine = Arc::new(Engine::new(Look::of(&catalogue)).expect("the templates compile"));
    let pages = Pages::new(Arc::clone(&engine));
    let records: Vec<(RenderRecord, Vec<u8>)> = support::files(Path::new(records), ".json")
        .into_iter()
        .map(|(name, raw)| support::item(&name, raw))
        .filter_map(|item| {
            support::judged(&catalogue, &item)
                .map(|(record, body)| (support::render_record(&item, &record), body))
        })
        .collect();
    let bytes: usize = records.iter().map(|(_, body)| body.len()).sum();
    println!("{} records, {bytes} bytes of canonical bodies, best of {repeats}", records.len());

    let mut total = 0;
    let ours = best(repeats, || {
        total = 0;
        for (record, body) in &records {
            let made = support::made(&pages, record, body).expect("the record renders");
            total += made.pages.iter().map(|page| page.bytes.len()).sum::<usize>();
        }
    });
    report("quire: body to html + json (+ md)", ours, records.len(), total);

    phases(repeats, &engine, &pages, &records);

    let contexts: Vec<Value> =
        records.iter().map(|(record, body)| pages.context(record, body).unwrap()).collect();
    let look = engine.look();
    let templates: Vec<String> =
        [Some(look.record.clone()), look.markdown.clone()].into_iter().flatten().collect();
    let bare = bare(look);
    let mut total = 0;
    let theirs = best(repeats, || {
        total = 0;
        for context in &contexts {
            for template in &templates {
                total += bare.get_template(template).unwrap().render(context.clone()).unwrap().len();
            }
        }
    });
    report("bare minijinja on values made before", theirs, records.len(), total);
    println!(
        "bare work of rendering: {:.0} us CPU a record",
        theirs.as_secs_f64() * 1e6 / records.len() as f64
    );
    bare_values(repeats, &records);
    println!("ratio {:.2}", ours.as_secs_f64() / theirs.as_secs_f64());
}

/// What the parts of a page cost.
fn phases(repeats: usize, engine: &Engine, pages: &Pages, records: &[(RenderRecord, Vec<u8>)]) {
    let look = engine.look();
    let part = |what: &str, make: &dyn Fn(&RenderRecord, &[u8], &Value) -> usize| {
        let contexts: Vec<Value> =
            records.iter().map(|(record, body)| pages.context(record, body).unwrap()).collect();
        let mut total = 0;
        let took = best(repeats, || {
            let all = records.iter().zip(&contexts);
            total = all.map(|((record, body), context)| make(record, body, context)).sum();
        });
        report(what, took, records.len(), total);
    };
    part("  body to context", &|record, body, _| {
        pages.context(record, body).unwrap();
        body.len()
    });
    let render = |template: &str, output, context: &Value| {
        engine.render(template, output, context.clone()).unwrap().len()
    };
    part("  context to html", &|_, _, context| render(&look.record, Output::Html, context));
    if let Some(markdown) = &look.markdown {
        part("  context to md", &|_, _, context| render(markdown, Output::Text, context));
    }
    part("  body to json", &|record, body, _| twin(&look.slug, record, body).unwrap().len());
}

/// What a page's values and its twin take if only the libraries do it.
fn bare_values(repeats: usize, records: &[(RenderRecord, Vec<u8>)]) {
    let mut total = 0;
    let each = |took: Duration| took.as_secs_f64() * 1e6 / records.len() as f64;
    let parse = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).unwrap();
    let values = best(repeats, || {
        let values = records.iter().map(|(_, body)| value(parse(body)));
        total += values.filter(|value| value.len().is_some()).count();
    });
    println!("bare work of making values: {:.0} us CPU a record", each(values));
    let parsed: Vec<serde_json::Value> = records.iter().map(|(_, body)| parse(body)).collect();
    let twins = best(repeats, || {
        total += parsed.iter().map(|body| serde_json::to_string_pretty(body).unwrap().len()).sum::<usize>();
    });
    println!("bare work of twins: {:.0} us CPU a record", each(twins));
    println!("({total} values and bytes)");
}

fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(truth),
        serde_json::Value::Number(number) => {
            number.as_i64().map_or_else(|| Value::from(number.as_f64()), Value::from)
        }
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => items.into_iter().map(value).collect(),
        serde_json::Value::Object(members) => {
            Value::from_pairs(members.into_iter().map(|(name, member)| (name, value(member))))
        }
    }
}

/// minijinja as it comes, with our helpers.
fn bare(look: &Look) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap());
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    add_helpers(&mut env);
    for (name, source) in quire_renderer::engine::templates() {
        env.add_template_owned(format!("quire/{name}"), source).unwrap();
    }
    for (name, source) in &look.templates {
        env.add_template_owned(name.clone(), source.clone()).unwrap();
    }
    env
}

/// The least CPU time of `repeats` goes: other processes do not count.
fn best(repeats: usize, mut work: impl FnMut()) -> Duration {
    let mut times = (0..repeats.max(1)).map(|_| {
        let start = cpu();
        work();
        cpu().saturating_sub(start)
    });
    let first = times.next().unwrap();
    times.fold(first, Duration::min)
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

fn report(what: &str, took: Duration, records: usize, bytes: usize) {
    let rate = records as f64 / took.as_secs_f64();
    println!("{what}: {:.3} s CPU, {rate:.0} records/s, {bytes} bytes", took.as_secs_f64());
}
