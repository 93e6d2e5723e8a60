//! Taking a suspect parcel apart, until the record at fault stands alone.

use std::fmt;

use quire_proto::{ItemId, Work};

/// Subjects of a parcel that a log line tells.
const TOLD: usize = 4;

/// The two halves of work on more than one record, in order; `None` if it cannot be split.
pub(crate) fn halves(work: &Work) -> Option<[Work; 2]> {
    match work {
        Work::List(_) => None,
        Work::Read { source, locations, base } => {
            let half = |locations| Work::Read { source: source.clone(), locations, base: *base };
            Some(cut(locations)?.map(half))
        }
        Work::Validate(items) => Some(cut(items)?.map(Work::Validate)),
        Work::Index(records) => Some(cut(records)?.map(Work::Index)),
        Work::Render(records) => Some(cut(records)?.map(Work::Render)),
        Work::Publish(files) => Some(cut(files)?.map(Work::Publish)),
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

/// [`subjects`] for a log line: the first few, and how many more there are. Looked for only where a line is written.
pub(crate) struct Subjects<'a>(pub(crate) &'a Work);

impl fmt::Display for Subjects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subjects = subjects(self.0);
        let told = subjects.get(..TOLD).unwrap_or(&subjects);
        f.write_str(&told.join(", "))?;
        match subjects.len() - told.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
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

fn cut<T: Clone>(records: &[T]) -> Option<[Vec<T>; 2]> {
    if records.len() < 2 {
        return None;
    }
    let (first, second) = records.split_at(records.len() / 2);
    Some([first.to_vec(), second.to_vec()])
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
            match halves(&work) {
                Some(halves) => todo.extend(halves.into_iter().rev()),
                None => alone.extend(subjects(&work)),
            }
        }
        assert_eq!(alone, subjects(&read(13)));
    }

    #[test]
    fn a_log_line_tells_the_first_subjects_and_how_many_more_there_are() {
        let told = |count| Subjects(&read(count)).to_string();
        assert_eq!(told(1), "s:0.json");
        assert_eq!(told(4), "s:0.json, s:1.json, s:2.json, s:3.json");
        assert_eq!(told(64), "s:0.json, s:1.json, s:2.json, s:3.json and 60 more");
    }

    #[test]
    fn a_listing_and_a_single_record_cannot_be_split() {
        assert_eq!(halves(&read(1)), None);
        assert_eq!(halves(&read(0)), None);
        assert_eq!(halves(&Work::List(ListSource { source: "s".into(), base: None, only: None })), None);
    }
}
