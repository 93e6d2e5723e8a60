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
