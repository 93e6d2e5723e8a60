//! Real queries over real models, if they are on this machine.

mod support;

#[path = "support/quality.rs"]
mod quality;

use std::collections::BTreeMap;

use quality::{questions, scores, wrong_synonyms};
use quire_indexer::Query;
use support::{World, models, real_data};

#[test]
fn real_queries_find_their_targets() {
    let Some((folder, list)) = real_data() else { return };
    let (mut world, questions) = (World::findings(), questions(&list));
    world.put(models(&folder).unwrap());
    world.publish();
    assert_eq!(world.rows.len(), 2_039);
    let index = world.index();
    let scores = scores(&index, &questions);
    for kind in ["id", "name", "name_upper"] {
        assert_eq!(scores[kind].first, 150, "{kind}");
    }
    assert_eq!(scores["synonym"].ten, 150);
    assert!(scores["word"].ten >= 80, "{scores:?}");
    assert!(scores["words2"].ten >= 140, "{scores:?}");
    assert!(scores["words3"].ten >= 149, "{scores:?}");
    let wrong = wrong_synonyms(&index, &questions, &holders(&world));
    assert_eq!(wrong, Vec::<String>::new());
    // How many models speak of them, by name, synonym, description or attribute.
    for (word, models) in [("pulmonary", 96), ("thyroid", 7), ("embolism", 3), ("nodule", 30)] {
        let answer = index.search(&Query { text: word, limit: 10, ..Query::default() }).unwrap();
        assert!(answer.total >= models, "{word}: {}", answer.total);
        let first = &answer.hits[0];
        assert!(first.title.to_lowercase().contains(&word[..5]), "{word}: {}", first.title);
    }
}

/// Keys of all records that have a text as their name or as a synonym, by the text in lower case.
fn holders(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut holders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in world.rows.values() {
        let synonyms = entry.record.row.fields.get(1).into_iter().flatten();
        let mut names: Vec<String> =
            synonyms.chain([&entry.record.title]).map(|name| name.to_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            holders.entry(name).or_default().push(entry.record.key.clone());
        }
    }
    holders
}
