//! Copies of an index agree, however each came to its epoch; and one question may be put to several indexes.

mod support;

use std::path::PathBuf;

use quire_indexer::{Query, SearchError, SearchIndex, ask, follow};
use serde_json::json;
use support::{CATALOGUE, World};

/// An index beside the world's own.
struct Copy {
    dir: PathBuf,
}

impl Copy {
    fn of(world: &World, name: &str) -> Self {
        Self { dir: world.dir.path().join(name) }
    }

    fn follow(&self, world: &World) -> SearchIndex {
        follow(&world.store, &self.dir, &world.name()).unwrap();
        SearchIndex::open(&self.dir).unwrap()
    }
}

/// Everything that can be asked, answered.
fn answers(index: &SearchIndex) -> Vec<String> {
    let mut told = Vec::new();
    let filters = [("tags".to_owned(), "common".to_owned())];
    // Each is one letter off from dozens of words, the beginning of dozens, or what hundreds have in common.
    for text in ["heronx", "herons", "heron", "her", "bird", "a bird", "aheron", "h", "zzz herona", "common"]
    {
        for filters in [&[][..], &filters] {
            for limit in [1, 7, 1_000] {
                let query = Query { text, limit, filters, facets: true };
                told.push(format!("{text}: {:?}", index.search(&query).unwrap()));
            }
        }
        told.push(format!("{text}: {:?}", index.suggest(text, 10).unwrap()));
    }
    told
}

fn bird(key: &str, name: &str) -> serde_json::Value {
    json!({ "id": key, "name": name, "synonyms": [format!("{name} cock")], "text": "a common bird", "tags": ["common"] })
}

#[test]
fn an_index_made_from_scratch_answers_as_one_that_grew() {
    let mut world = World::new(CATALOGUE);
    let (grown, lagging) = (Copy::of(&world, "grown"), Copy::of(&world, "lagging"));
    // So many that stay that the pieces with removed records are not rewritten soon, all equally good.
    (0..300).for_each(|n| world.put_json(bird(&format!("s{n:03}"), "sparrow")));
    for round in 0..6 {
        for letter in 'a'..='z' {
            let key = format!("{letter}{}", (u32::from(letter) * 7 + round) % 10);
            let number = u32::from(letter) - u32::from('a');
            if number % 6 == round {
                // A word that comes and goes again.
                world.put_json(bird(&key, &format!("heron{letter}")));
            } else if number % 6 == (round + 5) % 6 {
                world.rows.retain(|known, _| !known.starts_with(letter) || letter == 's');
            }
        }
        world.commit();
        grown.follow(&world);
        if round == 2 {
            lagging.follow(&world);
        }
    }
    for letter in ['k', 'v', 'w', 'x', 'y', 'z'] {
        world.put_json(bird(&format!("{letter}9"), &format!("heron{letter}")));
    }
    world.commit();
    let all = [&grown, &lagging, &Copy::of(&world, "fresh")].map(|copy| copy.follow(&world));
    let [first, others @ ..] = all.each_ref().map(answers);
    for other in others {
        for (one, two) in first.iter().zip(&other) {
            assert_eq!(one, two);
        }
    }
    // What is equally good comes in the order of the keys.
    let query = Query { text: "sparrow", limit: 300, ..Query::default() };
    let found: Vec<String> = all[0].search(&query).unwrap().hits.into_iter().map(|hit| hit.key).collect();
    assert_eq!(found, (0..300).map(|n| format!("s{n:03}")).collect::<Vec<_>>());
}

#[test]
fn words_of_removed_records_take_no_room_from_those_that_are_there() {
    let mut world = World::new(CATALOGUE);
    (0..300).for_each(|n| world.put_json(bird(&format!("s{n:03}"), "sparrow")));
    ('a'..='o').for_each(|letter| world.put_json(bird(&format!("h{letter}"), &format!("heron{letter}"))));
    world.publish();
    world.rows.retain(|key, _| key.starts_with('s'));
    ('p'..='z').for_each(|letter| world.put_json(bird(&format!("h{letter}"), &format!("heron{letter}"))));
    world.publish();
    // Fifteen words that are gone come first in the dictionary, and at most twenty are taken.
    assert_eq!(
        world.index().search(&Query { text: "herona", limit: 50, ..Query::default() }).unwrap().total,
        11
    );
}

#[test]
fn a_record_is_had_by_its_key_alone() {
    let mut world = World::new(CATALOGUE);
    world.put_json(bird("W1", "Grey heron"));
    world.publish();
    let shown = world.index().get("W1").unwrap().unwrap();
    assert_eq!((shown.title.as_str(), shown.summary.as_str()), ("Grey heron", "a common bird"));
    assert_eq!(world.index().get("w1").unwrap(), None);
    world.rows.clear();
    world.publish();
    assert_eq!(world.index().get("W1").unwrap(), None);
}

#[test]
fn a_question_is_put_to_all_catalogues_and_a_wrong_one_to_none() {
    let (mut birds, mut stones) =
        (World::new(CATALOGUE), World::new(&CATALOGUE.replace("name: tags", "name: kinds")));
    birds.put_json(bird("W1", "Grey heron"));
    stones.put_json(bird("G1", "Grey granite"));
    birds.publish();
    stones.publish();
    let both = [("birds".to_owned(), birds.index()), ("stones".to_owned(), stones.index())];
    let grey = Query { text: "grey", limit: 10, ..Query::default() };
    let asked = ask(&both, &grey).unwrap();
    assert_eq!(asked.answers.values().map(|answer| answer.total).collect::<Vec<_>>(), [1, 1]);
    let filter = |field: &str, value: &str| vec![(field.to_owned(), value.to_owned())];
    let kinds = filter("kinds", "common");
    let asked = ask(&both, &Query { filters: &kinds, ..grey.clone() }).unwrap();
    assert_eq!(asked.answers.keys().collect::<Vec<_>>(), ["stones"]);
    assert!(asked.failed.is_empty());

    let (sizes, long) = (filter("size", "1"), "é".repeat(1_001));
    let many = vec![("tags".to_owned(), "common".to_owned()); 17];
    let huge = filter("tags", &"x".repeat(1_001));
    for (query, said) in [
        (Query { filters: &sizes, ..grey.clone() }, "no filter \"size\"; there are: kinds, tags"),
        (Query { text: &long, ..grey.clone() }, "2002 bytes"),
        (Query { limit: 0, ..grey.clone() }, "1 to 1000"),
        (Query { limit: 1_001, ..grey.clone() }, "1 to 1000"),
        (Query { filters: &many, ..grey.clone() }, "at most 16 filters"),
        (Query { filters: &huge, ..grey.clone() }, "at most 1000 bytes"),
        (Query { text: " \t", ..grey }, "blank"),
    ] {
        let error: SearchError = ask(&both, &query).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(said), "{error}");
    }
}
