//! What a record with twelve eyemaps costs: `eyemaps [COLUMNS] [REPEATS]` makes all files of a record with maps of three
//! regions and both eyes, each of COLUMNS columns (892) with ten, seven and four layers, by synapses and by cells, and prints
//! CPU time, files and bytes. Expression, aggregate, page and twin are counted in.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an example, not a service"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;

use bytes::Bytes;
use quire_proto::{AggregateRef, Digest, PackSlice, RenderRecord, UsedAggregate};
use quire_renderer::{
    engine::Engine,
    look::Look,
    page::Pages,
    sight::{Decoded, Read},
};
use serde_json::{Value, json};

const DEFINITION: &str = r#"
catalogue: eyes
title: Eyes
sources: [{ name: models, files: { include: ["*.json"], format: json } }]
record: { key: .id, title: .id }
aggregates: [{ name: columns, of: 'select(.kind == "dataset") | .columns' }]
figures:
  - name: eyemaps
    eyemap:
      from: |
        $aggregates.columns[0] as $columns | .id as $type | .maps[] as $map | ("synapses", "cells") as $metric
        | { file: "\($map.region)_\($map.side)_\($metric)", subject: $type, region: $map.region, side: $map.side,
            metric: $metric, layers: (if $metric == "synapses" then $map.layers else [] end), columns: $map.columns,
            region_columns: $columns[$map.region][$map.side], eye_columns: [$columns[][$map.side]] }
pages: { record: templates/record.html }
"#;
const TEMPLATE: &str = "{% for map in figures.eyemaps %}{{ map.href }} {{ map.text }}\n{% endfor %}";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (columns, repeats) = (number(892), number(20));
    let (record, aggregate) = data(columns);
    let catalogue =
        support::catalogue_of(&[("catalogue.yaml", DEFINITION), ("templates/record.html", TEMPLATE)]);
    let pages = Pages::new(Arc::new(Engine::new(Look::of(&catalogue)).expect("the templates compile")));
    let item = support::item("a.json", record.to_string().into());
    let (verdict, body) = support::judged(&catalogue, &item).expect("the record is right");
    let text = Bytes::from(json!([aggregate]).to_string());
    let digest = Digest::of(&text);
    let from = PackSlice { pack: digest, offset: 0, len: text.len() as u64 };
    let aggregates = vec![AggregateRef { used: UsedAggregate { aggregate: 0, digest }, from }];
    println!("{columns} columns: body {} KB, aggregate {} KB", body.len() / 1024, text.len() / 1024);
    let record = RenderRecord { aggregates, ..support::render_record(&item, &verdict) };
    let (read, decoded): (Read, _) = (Arc::new(move |_| Ok(text.clone())), Decoded::default());
    let mut best = f64::INFINITY;
    let mut made = None;
    for _ in 0..repeats {
        let start = cpu_ms();
        made = Some(pages.make(&record, &body, &decoded, &read).expect("the record renders"));
        best = best.min(cpu_ms() - start);
    }
    let made = made.unwrap();
    let bytes: usize = made.pages.iter().map(|page| page.bytes.len()).sum();
    println!("{} files, {} KB, best of {repeats}: {best:.1} ms CPU", made.pages.len(), bytes / 1024);
}

/// A record with six maps, and the columns of all regions of both eyes.
fn data(columns: i32) -> (Value, Value) {
    let ids: Vec<[i32; 2]> =
        (0..columns).map(|number| [number / 30 + number % 30 / 2, number % 30]).collect();
    let regions = [("ME", 10), ("LO", 7), ("LOP", 4)];
    let mut maps = Vec::new();
    for (region, layers) in regions {
        for side in ["L", "R"] {
            let values = |at: i32| (0..layers).map(|layer| (at * 31 + layer * 17) % 97).collect::<Vec<_>>();
            // A tenth of the region has no data.
            let with_data = ids.iter().zip(0..).filter(|(_, at)| at % 10 != 0);
            let data: Vec<Value> =
                with_data.map(|(id, at)| json!([id[0], id[1], at % 7 + 1, values(at)])).collect();
            let names: Vec<String> = (1..=layers).map(|layer| layer.to_string()).collect();
            maps.push(json!({ "region": region, "side": side, "layers": names, "columns": data }));
        }
    }
    let of_region = |skip: usize| json!({ "L": &ids[skip..], "R": &ids[skip..] });
    let aggregate = json!({ "ME": of_region(0), "LO": of_region(20), "LOP": of_region(60) });
    (json!({ "id": "Mi1", "maps": maps }), aggregate)
}

/// CPU time of this thread.
fn cpu_ms() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e6
}
