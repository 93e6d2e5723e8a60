//! The records that a dead letter is about, as texts.

use quire_api::run::DeadRecord;
use quire_proto::{PackSlice, Parcel, Work};
use quire_runtime::Store;
use serde_json::{Value, json};

/// Bytes told of one record.
const MAX_TEXT: usize = 64 << 10;
/// Bytes told of all records of a letter: an answer has to fit into one message.
const MAX_TEXTS: usize = 1 << 20;

/// What the work holds or refers to, by the names of its subjects; nothing, where its sources were not read yet or it is
/// about files.
pub(super) fn all(store: &Store, work: &Work, subjects: Vec<String>) -> Vec<DeadRecord> {
    let mut left = MAX_TEXTS;
    let subjects = subjects.into_iter();
    let bodies: Vec<&PackSlice> = match work {
        Work::Validate(items) => {
            return subjects.zip(items).map(|(subject, item)| told(subject, &item.raw, &mut left)).collect();
        }
        Work::Index(records) => records.iter().map(|record| &record.body).collect(),
        Work::Render(records) => records.iter().map(|record| &record.body).collect(),
        Work::List(_) | Work::Read { .. } | Work::Publish(_) => Vec::new(),
    };
    subjects.zip(bodies).map(|(subject, body)| of_store(store, subject, body, &mut left)).collect()
}

fn of_store(store: &Store, subject: String, body: &PackSlice, left: &mut usize) -> DeadRecord {
    match store.get_slice(body) {
        Ok(bytes) => told(subject, &bytes, left),
        Err(error) => {
            let error = quire_runtime::chain(&error);
            DeadRecord { subject, bytes: body.len, error, ..DeadRecord::default() }
        }
    }
}

fn told(subject: String, bytes: &[u8], left: &mut usize) -> DeadRecord {
    let shown = bytes.len().min(MAX_TEXT).min(*left);
    *left -= shown;
    let text = String::from_utf8_lossy(bytes.get(..shown).unwrap_or(bytes)).into_owned();
    DeadRecord { subject, text, bytes: bytes.len() as u64, error: String::new() }
}

/// The parcel, with the number of bytes in place of the bytes of items, which are told as records.
pub(super) fn json_of(parcel: &Parcel) -> String {
    let mut json = serde_json::to_value(parcel).unwrap_or_default();
    let items = json.pointer_mut("/work/Validate").and_then(Value::as_array_mut);
    for raw in items.into_iter().flatten().filter_map(|item| item.get_mut("raw")) {
        *raw = json!({ "bytes": raw.as_array().map_or(0, Vec::len) });
    }
    serde_json::to_string_pretty(&json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use quire_proto::{Digest, Format, IndexRecord, Item, ItemId};

    use super::*;

    fn item(raw: Vec<u8>) -> Item {
        let id = ItemId { source: "s".into(), location: "a.json".into(), ordinal: 2 };
        Item { id, line: 1, format: Format::Json, content: Digest::of(&raw), raw: raw.into() }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    #[test]
    fn an_item_is_told_as_it_stands_in_its_source_even_if_it_is_no_text() {
        let (_folder, store) = store();
        let told =
            all(&store, &Work::Validate(vec![item(b"{\"a\": 1,\xff".to_vec())]), vec!["s:a.json#2".into()]);
        let [only] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((only.subject.as_str(), only.bytes), ("s:a.json#2", 9));
        assert_eq!((only.text.as_str(), only.error.as_str()), ("{\"a\": 1,\u{fffd}", ""));
    }

    #[test]
    fn what_is_told_is_bounded_for_a_record_and_for_all() {
        let (_folder, store) = store();
        let told = all(&store, &Work::Validate(vec![item(vec![b'x'; 100_000]); 20]), vec![String::new(); 20]);
        assert!(told.iter().all(|record| record.bytes == 100_000 && record.text.len() <= MAX_TEXT));
        assert_eq!(told.iter().map(|record| record.text.len()).sum::<usize>(), MAX_TEXTS);
    }

    #[test]
    fn a_body_that_is_gone_is_said_to_be_so() {
        let (_folder, store) = store();
        let body = PackSlice { pack: Digest::of(b"gone"), offset: 0, len: 7 };
        let record = IndexRecord { key: "wren".into(), body };
        let told = all(&store, &Work::Index(vec![record]), vec!["wren".into()]);
        let [only] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((only.subject.as_str(), only.text.as_str(), only.bytes), ("wren", "", 7));
        assert!(!only.error.is_empty());
    }
}
