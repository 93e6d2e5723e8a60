//! The record of a dataset: its regions, and the columns of its eyes.
//!
//! Columns of an eye's region are those in which the dataset has synapses. The hierarchy names all that were ever drawn;
//! how many synapses lie in each is what the dataset says of its regions, if it counts them for columns at all. Without that,
//! all names are taken.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    answer::Text,
    region::{self, Counts, Place, Side},
    rows::Meta,
};

/// Deepest region; those of real datasets have five above them.
const MAX_DEPTH: usize = 48;

/// Why there is no record of a dataset.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// Its regions cannot be read.
    #[error("`roiHierarchy` of the dataset is not JSON of regions")]
    Hierarchy(#[from] serde_json::Error),
    /// Names of columns that can be read as decimal and as hexadecimal numbers, and are both.
    #[error(
        "the columns `{0}` and `{1}` of the dataset are the same if digits are decimal where they can be: it is not known where they are"
    )]
    Ambiguous(String, String),
    /// Its regions nest too deep.
    #[error("regions of the dataset nest deeper than {MAX_DEPTH}")]
    Deep,
}

#[derive(Deserialize)]
struct Region {
    name: String,
    #[serde(default)]
    children: Vec<Region>,
}

/// Regions below a region, by name, and so on. Layers and columns are none.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
struct Tree(BTreeMap<String, Tree>);

/// By region and side, `[hex1, hex2]`, with the name that it was read from.
type Columns = BTreeMap<String, BTreeMap<Side, BTreeMap<[i64; 2], String>>>;

#[derive(Serialize)]
struct Record<'a> {
    kind: &'static str,
    name: &'a str,
    tag: Option<&'a str>,
    uuid: Option<&'a str>,
    edited: Option<&'a str>,
    server: &'a str,
    primary: BTreeSet<&'a str>,
    tree: Tree,
    columns: BTreeMap<&'a str, BTreeMap<Side, Vec<[i64; 2]>>>,
}

/// Columns in which there are synapses; `None` if the dataset does not say.
struct Counted(Option<BTreeSet<String>>);

impl Counted {
    /// What `roiInfo` of the dataset says.
    fn read(text: Option<&str>) -> Self {
        // What is said otherwise, or not at all, says nothing of columns.
        let all: BTreeMap<String, Counts> =
            text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let is_counted = |(name, counts): &(&String, &Counts)| {
            matches!(Place::read(name), Place::Column(..)) && (counts.pre.is_some() || counts.post.is_some())
        };
        if !all.iter().any(|region| is_counted(&region)) {
            return Self(None);
        }
        let there = all.into_iter().filter(|(_, counts)| counts.both() != [0, 0]);
        Self(Some(there.map(|(name, _)| name).collect()))
    }

    fn has(&self, column: &str) -> bool {
        self.0.as_ref().is_none_or(|there| there.contains(column))
    }
}

/// The record of a dataset as JSON. `server` is the address that it was asked at: scheme, host and port.
///
/// # Errors
/// [`DatasetError`].
pub fn record(meta: &Meta, server: &str) -> Result<Vec<u8>, DatasetError> {
    let text = meta.hierarchy.as_deref().filter(|text| !text.is_empty());
    let root: Option<Region> = text.map_or(Ok(None), serde_json::from_str)?;
    let (mut tree, mut columns) = (Tree::default(), Columns::new());
    if let Some(root) = root {
        plant(root, 0, &Counted::read(meta.regions.as_deref()), &mut tree, &mut columns)?;
    }
    let places = columns.iter().map(|(of, sides)| {
        let sides = sides.iter().map(|(side, columns)| (*side, columns.keys().copied().collect()));
        (of.as_str(), sides.collect())
    });
    let text = |text: &'_ Option<Text>| text.as_ref().map(|text| text.0.clone());
    let (tag, uuid, edited) = (text(&meta.tag), text(&meta.uuid), text(&meta.edited));
    let record = Record {
        kind: "dataset",
        name: &meta.dataset,
        tag: tag.as_deref(),
        uuid: uuid.as_deref(),
        edited: edited.as_deref(),
        server,
        primary: meta.primary.iter().flatten().map(String::as_str).collect(),
        tree,
        columns: places.collect(),
    };
    // Of texts and numbers only: it cannot fail.
    Ok(serde_json::to_vec(&record).unwrap_or_default())
}

/// Puts a region and those below it into the tree.
fn plant(
    region: Region,
    depth: usize,
    counted: &Counted,
    tree: &mut Tree,
    columns: &mut Columns,
) -> Result<(), DatasetError> {
    if depth > MAX_DEPTH {
        return Err(DatasetError::Deep);
    }
    // Below layers and columns there may be columns, but no regions of their own.
    let below = match Place::read(&region.name) {
        Place::Region(name) => tree.0.entry(name.to_owned()).or_default(),
        Place::Layer(..) => tree,
        Place::Column(..) if !counted.has(&region.name) => tree,
        Place::Column(of, side, column) => {
            let known = columns.entry(of.to_owned()).or_default().entry(side).or_default().entry(column);
            let known = known.or_insert_with(|| region.name.clone());
            if region::spelt(known) != region::spelt(&region.name) {
                return Err(DatasetError::Ambiguous(known.clone(), region.name));
            }
            tree
        }
    };
    for child in region.children {
        plant(child, depth + 1, counted, below, columns)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SERVER: &str = "https://np.example.org";

    fn meta(hierarchy: Option<&str>) -> Meta {
        Meta {
            dataset: "cns".to_owned(),
            tag: None,
            uuid: None,
            edited: None,
            primary: Some(vec!["ME(R)".to_owned(), "GNG".to_owned()]),
            above: None,
            hierarchy: hierarchy.map(str::to_owned),
            regions: None,
        }
    }

    /// The record of a dataset with these regions.
    fn made(hierarchy: &Value) -> Value {
        serde_json::from_slice(&record(&meta(Some(&hierarchy.to_string())), SERVER).unwrap()).unwrap()
    }

    #[test]
    fn columns_and_layers_are_told_apart_from_regions_and_no_order_counts() {
        let name = |name: &str| json!({ "name": name });
        let right = json!({ "name": "ME(R)", "children": [name("ME_R_col_02_01"), name("ME_R_col_01_10"), name("ME_R_layer_01")] });
        let forth = made(&json!({ "name": "CNS", "children": [right, name("GNG")] }));
        assert_eq!(forth["tree"], json!({ "CNS": { "GNG": {}, "ME(R)": {} } }));
        assert_eq!(forth["columns"], json!({ "ME": { "R": [[1, 10], [2, 1]] } }));
        assert_eq!((&forth["kind"], &forth["primary"]), (&json!("dataset"), &json!(["GNG", "ME(R)"])));
        assert_eq!(forth["server"], SERVER);
        let back = made(&json!({ "name": "CNS", "children": [name("GNG"), right] }));
        assert_eq!(forth, back);
    }

    #[test]
    fn columns_without_synapses_are_none_if_the_dataset_counts_them() {
        let name = |name: &str| json!({ "name": name });
        let names = ["ME_R_col_01_01", "ME_R_col_01_02", "ME_R_col_01_03", "ME_L_col_01_01"].map(name);
        let hierarchy = json!({ "name": "ME(R)", "children": names }).to_string();
        let columns = |regions: Option<&Value>| -> Value {
            let meta = Meta { regions: regions.map(Value::to_string), ..meta(Some(&hierarchy)) };
            serde_json::from_slice::<Value>(&record(&meta, SERVER).unwrap()).unwrap()["columns"].clone()
        };
        let all = json!({ "ME": { "L": [[1, 1]], "R": [[1, 1], [1, 2], [1, 3]] } });
        let plain = json!({ "ME(R)": { "pre": 9, "post": 9 }, "ME_R_col_01_01": { "isPrimary": false } });
        for silent in [None, Some(&json!({})), Some(&json!([1])), Some(&plain)] {
            assert_eq!(columns(silent), all, "{silent:?}");
        }
        let counted = json!({
            "ME_R_col_01_01": { "pre": 0, "post": 3, "isPrimary": false }, "ME_R_col_01_02": { "pre": 0, "post": 0 },
            "ME_R_col_01_03": { "pre": 1, "description": "" }, "ME(R)": { "pre": 9, "post": 9 },
        });
        assert_eq!(columns(Some(&counted)), json!({ "ME": { "R": [[1, 1], [1, 3]] } }));
    }

    #[test]
    fn names_that_are_of_one_column_by_chance_are_no_columns() {
        let made = |names: [&str; 2]| {
            let children = names.map(|name| json!({ "name": name }));
            let hierarchy = json!({ "name": "ME(R)", "children": children }).to_string();
            record(&meta(Some(&hierarchy)), SERVER)
        };
        made(["ME_R_col_10_06", "ME_R_col_10_6"]).unwrap();
        made(["ME_R_col_0b_06", "ME_R_col_10_06"]).unwrap();
        made(["ME_R_col_0A_06", "ME_R_col_a_6"]).unwrap();
        for both in [["ME_R_col_0a_06", "ME_R_col_10_06"], ["ME_R_col_10_0a", "ME_R_col_0a_10"]] {
            let error = made(both).unwrap_err();
            assert!(matches!(error, DatasetError::Ambiguous(..)), "{error}");
        }
    }

    #[test]
    fn a_dataset_without_regions_has_a_record_and_one_whose_regions_cannot_be_read_has_none() {
        let record = |hierarchy| record(&meta(hierarchy), SERVER);
        let silent = record(None).unwrap();
        assert!(String::from_utf8(silent).unwrap().contains(r#""tree":{}"#));
        assert!(matches!(record(Some("{")), Err(DatasetError::Hierarchy(_))));
        let deep =
            (0..60).fold(json!({ "name": "x" }), |below, _| json!({ "name": "x", "children": [below] }));
        assert!(matches!(record(Some(&deep.to_string())), Err(DatasetError::Deep)));
    }
}
