//! Makes a large catalogue of a small one.

use std::{fs, path::Path};

/// Sources of finding models: the part of an id before its number.
const SOURCES: [&str; 6] = ["CDE", "DEMO", "GMTS", "MGB", "MSFT", "OIDM"];

/// What the copies of a model share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synonyms {
    /// All copies are related: each is found under the synonyms of the others.
    Shared,
    /// Copies are related to each other no more than the models are: what a record costs can be compared.
    Own,
}

/// Writes `wanted` finding models to `to`: those in `from`, again and again under ids and names of their own.
///
/// # Panics
/// If `from` holds no models, or a file cannot be read or written.
pub fn multiply(from: &Path, to: &Path, wanted: usize, synonyms: Synonyms) {
    let mut models: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    models.sort();
    let copies = (0..).flat_map(|copy| models.iter().map(move |model| (copy, model)));
    for (copy, model) in copies.take(wanted) {
        let text = fs::read_to_string(model).unwrap();
        let stem = model.file_name().unwrap().to_str().unwrap();
        fs::write(to.join(format!("{copy}-{stem}")), renamed(&text, copy, synonyms)).unwrap();
    }
}

/// The model under an id, attribute ids and a name of its own. The first copy is the model itself.
fn renamed(text: &str, copy: usize, synonyms: Synonyms) -> String {
    if copy == 0 {
        return text.to_owned();
    }
    let mut model: serde_json::Value = serde_json::from_str(text).unwrap();
    let name = format!("{} copy {copy}", model["name"].as_str().unwrap());
    model["name"] = name.into();
    if let (Synonyms::Own, Some(synonyms)) = (synonyms, model["synonyms"].as_array_mut()) {
        for synonym in synonyms {
            *synonym = format!("{} copy {copy}", synonym.as_str().unwrap()).into();
        }
    }
    let mut renamed = serde_json::to_string_pretty(&model).unwrap();
    for (position, source) in SOURCES.iter().enumerate() {
        let own = own_source(copy * SOURCES.len() + position);
        for prefix in ["OIFM_", "OIFMA_"] {
            renamed = renamed.replace(&format!("{prefix}{source}_"), &format!("{prefix}{own}_"));
        }
    }
    renamed
}

/// Four letters for every number below 26³; none of [`SOURCES`] begins with Z.
fn own_source(number: usize) -> String {
    let letter = |digit: usize| char::from(b'A' + u8::try_from(digit % 26).unwrap());
    ['Z', letter(number / 676), letter(number / 26), letter(number)].iter().collect()
}
