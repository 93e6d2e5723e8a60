//! Taking a suspect parcel apart, until the record at fault stands alone.

use quire_proto::{ItemId, Work};

/// Work on more than one record in parts, in order; `None` if it cannot be split. The record at the position `fault` stands
/// alone, with what is before and what is after it; where there is none, the parts are halves.
pub(crate) fn parts(work: &Work, fault: Option<usize>) -> Option<Vec<Work>> {
    match work {
        Work::List(_) => None,
        Work::Read { source, locations, base } => {
            let part = |locations| Work::Read { source: source.clone(), locations, base: *base };
            cut(locations, fault, part)
        }
        Work::Validate(items) => cut(items, fault, Work::Validate),
        Work::Index(records) => cut(records, fault, Work::Index),
        Work::Render(records) => cut(records, fault, Work::Render),
        Work::Publish(files) => cut(files, fault, Work::Publish),
    }
}

/// What work is about: keys, paths, or `source:location`.
pub(crate) fn subjects(work: &Work) -> Vec<String> {
    match work {
        Work::List(list) => vec![list.source.clone()],
        Work::Read { source, locations, .. } => {
            locations.iter().map(|listed| format!("{source}:{}", listed.location)).collect()
        }
        Work::Validate(items) => items.iter().map(|item| item_subject(&item.id)).collect(),
        Work::Index(records) => records.iter().map(|record| record.key.clone()).collect(),
        Work::Render(records) => records.iter().map(|record| record.key.clone()).collect(),
        Work::Publish(files) => files.iter().map(|file| file.path.clone()).collect(),
    }
}

/// The word for a kind of work, from which its parcel's id is derived.
pub(crate) const fn kind(work: &Work) -> &'static str {
    match work {
        Work::List(_) => "list",
        Work::Read { .. } => "read",
        Work::Validate(_) => "validate",
        Work::Index(_) => "index",
        Work::Render(_) => "render",
        Work::Publish(_) => "publish",
    }
}

fn item_subject(item: &ItemId) -> String {
    format!("{}:{item}", item.source)
}

fn cut<T: Clone>(records: &[T], fault: Option<usize>, part: impl Fn(Vec<T>) -> Work) -> Option<Vec<Work>> {
    if records.len() < 2 {
        return None;
    }
    let parts = match fault
        .and_then(|at| Some((records.get(..at)?, records.get(at..=at)?, records.get(at + 1..)?)))
    {
        Some((before, alone, after)) => vec![before, alone, after],
        None => {
            let (first, second) = records.split_at(records.len() / 2);
            vec![first, second]
        }
    };
    Some(
        parts
            .into_iter()
            .filter(|records| !records.is_empty())
            .map(|records| part(records.to_vec()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use quire_proto::{Digest, ListSource, Listed};

    use super::*;

    fn read(count: usize) -> Work {
        let listed = |number| Listed { location: format!("{number}.json"), size: 1, modified_ns: 0 };
        Work::Read {
            source: "s".into(),
            locations: (0..count).map(listed).collect(),
            base: Some(Digest::of(b"b")),
        }
    }

    #[test]
    fn splitting_again_and_again_ends_with_every_record_alone_and_none_lost() {
        let (mut todo, mut alone) = (vec![read(13)], Vec::new());
        while let Some(work) = todo.pop() {
            match parts(&work, None) {
                Some(parts) => todo.extend(parts.into_iter().rev()),
                None => alone.extend(subjects(&work)),
            }
        }
        assert_eq!(alone, subjects(&read(13)));
    }

    #[test]
    fn a_record_that_is_known_to_be_at_fault_stands_alone_at_once() {
        for (at, sizes) in [(0, vec![1, 4]), (2, vec![2, 1, 2]), (4, vec![4, 1]), (5, vec![2, 3])] {
            let parts = parts(&read(5), Some(at)).unwrap();
            assert_eq!(parts.iter().map(|part| subjects(part).len()).collect::<Vec<_>>(), sizes);
            assert_eq!(parts.iter().flat_map(subjects).collect::<Vec<_>>(), subjects(&read(5)));
            let alone = subjects(&read(5)).get(at).map(|subject| vec![subject.clone()]);
            assert!(alone.is_none_or(|alone| parts.iter().any(|part| subjects(part) == alone)));
        }
    }

    #[test]
    fn a_listing_and_a_single_record_cannot_be_split() {
        assert_eq!(parts(&read(1), None), None);
        assert_eq!(parts(&read(1), Some(0)), None);
        assert_eq!(parts(&read(0), None), None);
        let list = Work::List(ListSource { source: "s".into(), base: None, only: None });
        assert_eq!(parts(&list, None), None);
    }
}
