//! Makes a large catalogue of neuron types of the sample.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{Random, repository};

/// Syllables of made-up names.
const SYLLABLES: [&str; 20] = [
    "ba", "cor", "del", "fen", "gal", "hor", "jun", "kel", "lum", "mor", "nar", "pel", "qua", "rin", "sol",
    "tam", "ur", "vel", "wex", "zan",
];
const SUPERCLASSES: [&str; 8] = [
    "ol_intrinsic",
    "visual_projection",
    "visual_centrifugal",
    "cb_intrinsic",
    "vnc_intrinsic",
    "descending_neuron",
    "ascending_neuron",
    "vnc_motor",
];

/// Writes a dataset and `wanted` neuron types to `to`: those of the sample, under names, classes and other names of their own. Maps
/// of eyes are left out of most, as in a real dataset.
///
/// # Panics
/// If the sample cannot be read, or a file cannot be written.
pub fn neuron_types(to: &Path, wanted: usize) {
    let sample = repository().join("catalogues/neurons/data");
    fs::copy(sample.join("dataset.json"), to.join("dataset.json")).unwrap();
    let models: Vec<Value> = (1..=12)
        .map(|number| {
            serde_json::from_slice(&fs::read(sample.join(format!("type-{number:02}.json"))).unwrap()).unwrap()
        })
        .collect();
    let mut random = Random::new(0x6e65_7572_6f6e);
    for number in 0..wanted {
        let mut record = models[number % models.len()].clone();
        let mut word = || *random.pick(&SYLLABLES);
        let [name, other] = [(); 2].map(|()| format!("{}{}{}", word(), word(), word()));
        record["type"] = format!("{}{number}", name.to_uppercase()).into();
        record["synonyms"] = json!([format!("Harrow 2014: {other} {}", number % 97)]);
        record["flywire"] = json!([format!("{other}{number}")]);
        record["superclasses"] = json!([SUPERCLASSES[number % 8]]);
        record["classes"] = json!([format!("class {}", number % 60)]);
        record["hemilineages"] = json!([format!("{:02}{}", number % 150, ["A", "B"][number % 2])]);
        if number % 100 != 0 {
            record["eyemaps"] = json!([]);
        }
        fs::write(to.join(format!("{number:05}.json")), serde_json::to_vec(&record).unwrap()).unwrap();
    }
}

/// Columns of the medulla of a male fly's eye.
const COLUMNS: u64 = 892;
/// Regions with columns, and their layers.
const REGIONS: [(&str, u64); 3] = [("ME", 10), ("LO", 7), ("LOP", 4)];
/// Partners of each way.
const PARTNERS: u64 = 100;

/// Writes a dataset with the columns of a whole eye to `to`, and `wanted` types with twelve maps each: three regions and both eyes,
/// of synapses in layers and of cells, and as many partners as such types have.
///
/// # Panics
/// If the sample cannot be read, or a file cannot be written.
pub fn columnar_types(to: &Path, wanted: usize) {
    let sample = |name: &str| -> Value {
        let path = repository().join("catalogues/neurons/data").join(name);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let ids: Vec<[u64; 2]> = (0..COLUMNS).map(|at| [at / 30 + at % 30 / 2, at % 30]).collect();
    let mut dataset = sample("dataset.json");
    dataset["columns"] =
        REGIONS.iter().map(|(region, _)| ((*region).to_owned(), json!({ "L": ids, "R": ids }))).collect();
    fs::write(to.join("dataset.json"), dataset.to_string()).unwrap();
    let mut record = sample("type-01.json");
    record["eyemaps"] = REGIONS.iter().flat_map(|&(region, layers)| maps(region, layers, &ids)).collect();
    for (view, times) in [("L", 1), ("R", 1), ("all", 2)] {
        partners(&mut record["views"][view], times);
    }
    for number in 0..wanted {
        record["type"] = format!("Columnar{number}").into();
        fs::write(to.join(format!("{number:05}.json")), record.to_string()).unwrap();
    }
}

/// The maps of both eyes: a tenth of the columns has no data.
fn maps(region: &str, layers: u64, ids: &[[u64; 2]]) -> Vec<Value> {
    let synapses = |at: u64| (0..layers).map(|layer| (at * 31 + layer * 17) % 97).collect::<Vec<_>>();
    let with_data = ids.iter().zip(0..).filter(|(_, at)| at % 10 != 0);
    let columns: Vec<Value> =
        with_data.map(|(id, at)| json!([id[0], id[1], at % 7 + 1, synapses(at)])).collect();
    let of = |side: &str| json!({ "region": region, "side": side, "cells_of": side, "columns": columns, "twice_median": 12 });
    ["L", "R"].map(of).to_vec()
}

/// More partners each way, of which each is `times` as strong.
fn partners(view: &mut Value, times: u64) {
    for (way, sum) in [("inputs", "upstream"), ("outputs", "downstream")] {
        let model = view[way][0].clone();
        let listed = view[way].as_array_mut().unwrap();
        for number in 0..PARTNERS {
            let mut partner = model.clone();
            partner["type"] = format!("Columnar{number}").into();
            partner["weight"] = (times * (PARTNERS - number)).into();
            listed.push(partner);
        }
        let weights = times * PARTNERS * (PARTNERS + 1) / 2;
        view[sum] = (view[sum].as_u64().unwrap() + weights).into();
    }
}
