//! What queries find, and in which order.

mod support;

use quire_indexer::{Answer, Matched, Query, SearchError, SearchIndex};
use serde_json::json;
use support::{CATALOGUE, World, ask, keys};

fn world() -> World {
    let mut world = World::new(CATALOGUE);
    let mut put = |id: &str, name: &str, synonyms: &[&str], text: &str, tags: &[&str]| {
        world.put_json(json!({ "id": id, "name": name, "synonyms": synonyms, "text": text, "tags": tags }));
    };
    put(
        "W1",
        "Grey heron",
        &["heronshaw", "moll"],
        "A tall wading bird of lakes and rivers.",
        &["wader", "large"],
    );
    put(
        "W2",
        "Great bittern",
        &["butterbump", "moll"],
        "A heron that booms in the reeds.",
        &["wader", "large"],
    );
    put("S1", "Cetti's warbler", &[], "A small bird; sings from dense bushes near water.", &["small"]);
    put("S2", "Ménétries's warbler", &["Menetries warbler"], "A small bird of dry places.", &["small"]);
    put("M1", "Moll", &[], "A bird by the name of moll, among molls.", &["large"]);
    put("X1", "TAIL*", &[], "The of and a: nothing but stop words.", &[]);
    put("J1", "鷺", &["サギ"], "日本の鳥", &["large"]);
    world.publish();
    world
}

fn matched(answer: &Answer) -> Vec<(&str, Matched)> {
    answer.hits.iter().map(|hit| (hit.key.as_str(), hit.matched)).collect()
}

fn filtered(index: &SearchIndex, text: &str, filters: &[(&str, &str)], limit: usize) -> Answer {
    let filters: Vec<_> =
        filters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    index.search(&Query { text, limit, filters: &filters, facets: true }).unwrap()
}

#[test]
fn filters_alone_find_all_that_have_their_values_by_key() {
    let mut world = world();
    let found = |answer: &Answer| -> Vec<(String, Matched)> {
        answer.hits.iter().map(|hit| (hit.key.clone(), hit.matched)).collect()
    };
    let by_filter = |keys: &[&str]| -> Vec<(String, Matched)> {
        keys.iter().map(|key| ((*key).to_owned(), Matched::Filter)).collect()
    };
    let answer = filtered(&world.index(), " ", &[("tags", "large")], 10);
    assert_eq!(found(&answer), by_filter(&["J1", "M1", "W1", "W2"]));
    assert_eq!(answer.facets[0].values.len(), 2);
    let first = filtered(&world.index(), "", &[("tags", "large")], 1);
    assert_eq!((first.total, found(&first)), (4, by_filter(&["J1"])));
    world.rows.remove("M1");
    world.publish();
    let both = filtered(&world.index(), "", &[("tags", "large"), ("tags", "wader")], 10);
    assert_eq!(found(&both), by_filter(&["W1", "W2"]));
    assert_eq!(filtered(&world.index(), "", &[("tags", "large")], 10).total, 3);
}

#[test]
fn names_and_ids_come_first_in_any_case_and_then_all_that_share_a_synonym() {
    let world = world();
    let index = world.index();
    let expected = [("M1", Matched::ExactName), ("W1", Matched::Synonym), ("W2", Matched::Synonym)];
    for text in ["moll", "MOLL", "  Moll "] {
        let answer = ask(&index, text);
        let mut found = matched(&answer);
        found[1..].sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
    assert_eq!(matched(&ask(&index, "w2"))[0], ("W2", Matched::ExactId));
    assert_eq!(matched(&ask(&index, "menetries's WARBLER"))[0], ("S2", Matched::ExactName));
    assert_eq!(matched(&ask(&index, "tail*"))[0], ("X1", Matched::ExactName));
    assert_eq!(matched(&ask(&index, "鷺"))[0], ("J1", Matched::ExactName));
}

#[test]
fn other_forms_beginnings_and_misspellings_of_words_are_found() {
    let world = world();
    let index = world.index();
    assert_eq!(matched(&ask(&index, "herons")), [("W1", Matched::Text), ("W2", Matched::Text)]);
    assert_eq!(matched(&ask(&index, "bitt")), [("W2", Matched::Prefix)]);
    assert_eq!(matched(&ask(&index, "bittren")), [("W2", Matched::Typo)]);
    assert_eq!(matched(&ask(&index, "warbeler"))[0].1, Matched::Typo);
    assert_eq!(keys(&index, "xarbler").len(), 2);
}

#[test]
fn records_with_all_words_come_before_those_with_some() {
    let world = world();
    assert_eq!(keys(&world.index(), "dense small bird")[0], "S1");
    assert_eq!(keys(&world.index(), "heron reeds")[0], "W2");
}

#[test]
fn equal_scores_are_ordered_by_key() {
    let mut world = World::new(CATALOGUE);
    for n in [7, 3, 9, 1, 5] {
        world.put_json(json!({ "id": format!("k{n}"), "name": "same", "text": "equal text" }));
    }
    world.publish();
    assert_eq!(keys(&world.index(), "equal"), ["k1", "k3", "k5", "k7", "k9"]);
    let two = world.index().search(&Query { text: "equal", limit: 2, ..Query::default() }).unwrap();
    assert_eq!((two.total, two.hits.len(), two.hits[0].key.as_str()), (5, 2, "k1"));
}

#[test]
fn filters_apply_before_the_limit_and_facets_count_everything_found() {
    let mut world = World::new(CATALOGUE);
    for n in 0..200 {
        let tags = if n == 150 { vec!["all", "one", "one"] } else { vec!["all"] };
        world.put_json(
            json!({ "id": format!("k{n:03}"), "name": format!("n{n}"), "text": "word", "tags": tags }),
        );
    }
    world.publish();
    let index = world.index();
    let one = filtered(&index, "word", &[("tags", "one")], 1);
    assert_eq!((one.total, one.hits[0].key.as_str()), (1, "k150"));
    assert_eq!(filtered(&index, "k150", &[("tags", "one"), ("tags", "all")], 5).total, 1);
    assert_eq!(filtered(&index, "word", &[("tags", "none")], 5).total, 0);
    let all = filtered(&index, "word", &[], 3);
    let counts: Vec<_> =
        all.facets[0].values.iter().map(|value| (value.value.as_str(), value.count)).collect();
    assert_eq!((all.total, counts), (200, vec![("all", 200), ("one", 1)]));
    let filters = [("colour".to_owned(), "red".to_owned())];
    let error =
        index.search(&Query { text: "word", limit: 1, filters: &filters, facets: false }).unwrap_err();
    assert_eq!(error.to_string(), "no filter \"colour\"; there are: tags");
}

#[test]
fn stop_words_and_single_letters_find_something() {
    let world = world();
    for text in ["a", "the", "the of and", "of"] {
        assert!(ask(&world.index(), text).total > 0, "{text}");
    }
}

#[test]
fn blank_is_an_error_and_nothing_else_is() {
    let world = world();
    let index = world.index();
    for text in ["", "   ", "\t\n", "\u{3000}"] {
        let error = index.search(&Query { text, limit: 10, ..Query::default() }).unwrap_err();
        assert!(matches!(error, SearchError::Blank), "{text:?}");
    }
    let long = "heron ".repeat(2_000);
    let strange = [
        "heron (wading",
        "\"",
        "'; DROP TABLE",
        "+-&|!(){}[]^~*?:\\/",
        "a AND OR NOT",
        "field:value",
        "*",
        "🦆",
        "\u{0}",
        "\u{1}\u{101}heron",
        "é\u{301}\u{301}",
        "\u{202e}noreh",
        &long,
        &"x".repeat(10_000),
        &"é".repeat(5_001),
        &"肺".repeat(4_000),
        "heron\u{ad}",
        "𝐡𝐞𝐫𝐨𝐧",
    ];
    for text in strange {
        ask(&index, text);
        index.suggest(text, 10).unwrap();
        filtered(&index, text, &[("tags", text)], 10);
    }
    assert_eq!(keys(&index, "heron (wading")[0], "W1");
    assert_eq!(keys(&index, &long)[0], "W1");
}

#[test]
fn a_limit_is_kept_and_none_is_too_large() {
    let world = world();
    for limit in [0, 1, usize::MAX] {
        let answer = world.index().search(&Query { text: "bird", limit, ..Query::default() }).unwrap();
        assert_eq!(answer.hits.len(), limit.min(answer.total));
    }
}

#[test]
fn the_summary_shows_what_was_found() {
    let world = world();
    let hit = ask(&world.index(), "booms reed").hits.swap_remove(0);
    assert_eq!(hit.summary.with_marks("[", "]", str::to_owned), "A heron that [booms] in the [reeds].");
}

#[test]
fn suggestions_start_with_what_was_typed() {
    let world = world();
    let index = world.index();
    let titles = |text: &str| -> Vec<String> {
        index.suggest(text, 3).unwrap().into_iter().map(|suggestion| suggestion.title).collect()
    };
    assert_eq!(titles("gre"), ["Great bittern", "Grey heron"]);
    assert_eq!(titles("BUTTER"), ["Great bittern"]);
    assert_eq!(titles("warb").len(), 2);
    assert_eq!(titles(" "), Vec::<String>::new());
}
