//! Properties of the decision.

use std::{path::Path, sync::Arc};

use proptest::prelude::*;
use quire_proto::{
    Claim, Digest, ItemId, Judged, ListRow, PackSlice, Problem, RecordVerdict, Reference, Severity, Term,
    manifest::RejectRow,
};
use tokio_util::sync::CancellationToken;

use super::{Accepted, Candidate, Messages, Origin, Pair, decide, hits};
use crate::workspace::Workspace;

fn workspace(memory_bytes: usize) -> Workspace {
    Workspace::new(Path::new(&std::env::temp_dir()), memory_bytes, CancellationToken::new())
}

fn claim(rule: &str, value: &str) -> Claim {
    let (rule, value, pointer) = (rule.to_owned(), value.to_owned(), format!("/{rule}"));
    Claim { rule, value, payload: None, pointer, line: 7, severity: Severity::Reject }
}

fn reference(target: &str, value: &str, must_exist: bool) -> Reference {
    let (target, value) = (target.to_owned(), value.to_owned());
    let rule = if must_exist { "reference:to" } else { "excludes:not" }.to_owned();
    Reference { rule, target, value, must_exist, pointer: "/ref".into(), line: 3, severity: Severity::Reject }
}

/// A candidate at position `number` with key `k<number>`.
fn candidate(number: u32, claims: Vec<Claim>, references: Vec<Reference>) -> Candidate {
    let key = format!("k{number}");
    let mut all = vec![claim("key", &key), claim("slug", &key)];
    all.extend(claims);
    let digest = Digest::of(key.as_bytes());
    let record = RecordVerdict {
        title: format!("Title {number}"),
        slug: key.clone(),
        key,
        digest,
        body: PackSlice { pack: digest, offset: 0, len: 1 },
        claims: all,
        references,
        terms: Vec::new(),
        row: ListRow::default(),
        warnings: Vec::new(),
        shares: Vec::new(),
    };
    let item = ItemId { source: "s".into(), location: format!("{number:05}.json").into(), ordinal: 0 };
    Candidate { item, content: digest, origin: Origin::Fresh, judged: Judged::Record(Arc::new(record)) }
}

struct Result_ {
    accepted: Vec<Accepted>,
    rejects: Vec<RejectRow>,
    pairs: Vec<Pair>,
}

impl Result_ {
    fn keys(&self) -> Vec<&str> {
        self.accepted.iter().map(|row| row.record.key.as_str()).collect()
    }

    /// The problems of a rejected item.
    fn why(&self, number: u32) -> Vec<&Problem> {
        let at = format!("{number:05}.json");
        self.rejects.iter().filter(|row| *row.item.location == at).flat_map(|row| &row.problems).collect()
    }

    /// Everything, as comparable text.
    fn text(&self) -> String {
        format!("{:?}{:?}{:?}", self.accepted, self.rejects, self.pairs)
    }
}

fn decided(candidates: impl IntoIterator<Item = Candidate>) -> Result_ {
    decided_in(candidates, 1 << 20)
}

fn decided_in(candidates: impl IntoIterator<Item = Candidate>, memory_bytes: usize) -> Result_ {
    let workspace = workspace(memory_bytes);
    let mut runs = workspace.record_runs();
    for candidate in candidates {
        runs.push(candidate).unwrap();
    }
    let mut rejects = Vec::new();
    let decided = decide(
        runs.finish(),
        &Messages::from([("own".to_owned(), "take another".to_owned())]),
        &workspace,
        &mut |row| {
            rejects.push(row);
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(decided.rejected, rejects.len() as u64);
    let accepted: Vec<Accepted> = decided.accepted.into_rows().unwrap().map(Result::unwrap).collect();
    assert_eq!(decided.items, (accepted.len() + rejects.len()) as u64);
    let pairs = decided.pairs.into_rows().unwrap().map(Result::unwrap).collect();
    Result_ { accepted, rejects, pairs }
}

#[test]
fn the_first_in_order_holds_a_contested_claim_and_the_loser_names_it() {
    let name = || vec![claim("unique:name", "pulmonary embolism")];
    let result =
        decided([candidate(2, name(), vec![]), candidate(1, name(), vec![]), candidate(3, vec![], vec![])]);
    assert_eq!(result.keys(), ["k1", "k3"]);
    let [problem] = result.why(2)[..] else { panic!("one problem expected") };
    assert_eq!(problem.message, "name 'pulmonary embolism' already in use by 'k1' (00001.json)");
    assert_eq!((problem.holder.as_deref(), problem.line), (Some("k1"), Some(7)));
    assert_eq!((problem.rule.as_str(), problem.pointer.as_str()), ("unique:name", "/unique:name"));
    assert!(result.rejects[0].record.is_some(), "it may be accepted when the holder goes");
}

#[test]
fn an_item_that_is_wrong_by_itself_hears_who_holds_what_it_would_claim_and_holds_nothing() {
    let name = |value: &str| vec![claim("unique:name", value)];
    let wrong = |number: u32, values: &[&str]| {
        let mut candidate = candidate(number, values.iter().flat_map(|value| name(value)).collect(), vec![]);
        let own = Problem {
            rule: "schema:type".into(),
            pointer: "/x".into(),
            line: Some(1),
            message: "wrong".into(),
            holder: None,
            severity: Severity::Reject,
        };
        let claims = candidate.claims().to_vec();
        candidate.judged = Judged::Rejected { key: None, problems: vec![own], claims };
        candidate
    };
    // The first one would hold the name if it were right; as it is not, the second one does.
    let result = decided([
        wrong(1, &["a"]),
        candidate(2, name("a"), vec![]),
        wrong(3, &["a", "c"]),
        wrong(4, &["b"]),
        candidate(5, name("c"), vec![]),
    ]);
    assert_eq!(result.keys(), ["k2", "k5"]);
    let told = |number| result.why(number).iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>();
    let later = "which comes later: once this record is right, that one is rejected";
    let (a, c) =
        ("name 'a' already in use by 'k2' (00002.json)", "name 'c' already in use by 'k5' (00005.json)");
    assert_eq!(told(1), ["wrong", &format!("{a}, {later}")]);
    assert_eq!(told(3), ["wrong", a, &format!("{c}, {later}")]);
    assert_eq!(told(4), ["wrong"]);
}

#[test]
fn a_rule_is_named_with_its_kind_and_a_message_of_the_catalogue_stands_in_place_of_ours() {
    let claims = || vec![claim("own", "x"), claim("name", "n")];
    let result = decided([candidate(1, claims(), vec![]), candidate(2, claims(), vec![])]);
    let told: Vec<(&str, &str)> =
        result.why(2).iter().map(|problem| (problem.rule.as_str(), problem.message.as_str())).collect();
    let ours = "name 'n' already in use by 'k1' (00001.json)";
    assert_eq!(told, [("unique:name", ours), ("unique:own", "take another")]);
}

#[test]
fn a_loser_holds_none_of_its_claims_and_tells_of_every_one_it_lost() {
    let result = decided([
        candidate(1, vec![claim("a", "x"), claim("b", "y")], vec![]),
        candidate(2, vec![claim("a", "x"), claim("b", "y"), claim("c", "z")], vec![]),
        candidate(3, vec![claim("c", "z")], vec![]),
    ]);
    assert_eq!(result.keys(), ["k1", "k3"]);
    assert_eq!(result.why(2).len(), 2);
}

#[test]
fn a_chain_of_references_falls_with_its_first_link() {
    let link =
        |number: u32| candidate(number, vec![], vec![reference("key", &format!("k{}", number + 1), true)]);
    let result = decided((0..50).map(link));
    assert_eq!(result.keys(), Vec::<&str>::new());
    assert_eq!(result.why(49)[0].message, "no accepted record has key 'k50'");
    let whole = decided((0..50).map(link).chain([candidate(50, vec![], vec![])]));
    assert_eq!(whole.keys().len(), 51);
}

#[test]
fn who_lost_to_a_record_that_is_put_out_is_accepted_after_all() {
    let result = decided([
        candidate(1, vec![claim("a", "x")], vec![reference("key", "nobody", true)]),
        candidate(2, vec![claim("a", "x")], vec![]),
        candidate(3, vec![], vec![reference("a", "x", true)]),
    ]);
    assert_eq!(result.keys(), ["k2", "k3"]);
    assert_eq!(result.why(1)[0].rule, "reference:to");
}

#[test]
fn a_record_put_out_too_early_gets_a_second_chance() {
    // 1 holds `x` and is put out; 2 needs `y`, which 3 holds, who first loses `x` to 1: in round one 2 has no `y`.
    let result = decided([
        candidate(1, vec![claim("a", "x")], vec![reference("key", "nobody", true)]),
        candidate(2, vec![], vec![reference("b", "y", true)]),
        candidate(3, vec![claim("a", "x"), claim("b", "y")], vec![]),
    ]);
    assert_eq!(result.keys(), ["k2", "k3"]);
}

#[test]
fn a_record_may_refer_to_itself_and_exclude_only_others() {
    let own = vec![claim("a", "x")];
    let result =
        decided([candidate(1, own.clone(), vec![reference("a", "x", true), reference("a", "x", false)])]);
    assert_eq!(result.keys(), ["k1"]);
    let result = decided([candidate(1, own, vec![]), candidate(2, vec![], vec![reference("a", "x", false)])]);
    assert_eq!(result.keys(), ["k1"]);
    assert_eq!(result.why(2)[0].message, "'k1' (00001.json) has a 'x'");
}

#[test]
fn consistent_claims_are_shared_while_their_payloads_agree() {
    let person =
        |payload: &str| Claim { payload: Some(Digest::of(payload.as_bytes())), ..claim("person", "p") };
    let result = decided([
        candidate(1, vec![person("a")], vec![]),
        candidate(2, vec![person("a")], vec![]),
        candidate(3, vec![person("b")], vec![]),
    ]);
    assert_eq!(result.keys(), ["k1", "k2"]);
    assert_eq!(result.why(3)[0].message, "person 'p' differs from what 'k1' (00001.json) says of it");
}

#[test]
fn a_claim_that_only_warns_rejects_nobody_and_warns_all_but_the_first() {
    let name = || vec![Claim { severity: Severity::Warn, ..claim("name", "n") }];
    let mut missing = reference("key", "nobody", true);
    missing.severity = Severity::Warn;
    let result = decided([
        candidate(1, name(), vec![]),
        candidate(2, name(), vec![missing]),
        candidate(3, name(), vec![]),
    ]);
    assert_eq!(result.keys(), ["k1", "k2", "k3"]);
    let warned: Vec<usize> = result.accepted.iter().map(|row| row.decided.len()).collect();
    assert_eq!(warned, [0, 2, 1]);
    assert!(result.accepted[2].decided.iter().all(|problem| problem.severity == Severity::Warn));
    assert_eq!(result.accepted[2].decided[0].holder.as_deref(), Some("k1"));
}

#[test]
fn a_new_verdict_takes_the_place_of_the_last_manifests_row() {
    let kept = Candidate { origin: Origin::Kept, ..candidate(1, vec![claim("a", "old")], vec![]) };
    let fresh = candidate(1, vec![claim("a", "new")], vec![]);
    let result = decided([kept, fresh]);
    assert_eq!(result.accepted.len(), 1);
    assert_eq!(result.accepted[0].record.claims[2].value, "new");
}

#[test]
fn look_ups_find_the_others_by_every_term_and_are_capped() {
    let with_terms = |number: u32, terms: &[(&str, bool, bool)]| {
        let mut candidate = candidate(number, vec![], vec![]);
        if let Judged::Record(record) = &mut candidate.judged {
            let term = |&(value, offered, wanted): &(&str, bool, bool)| Term {
                lookup: 0,
                value: value.to_owned(),
                offered,
                wanted,
            };
            Arc::make_mut(record).terms = terms.iter().map(term).collect();
        }
        candidate
    };
    let mut all: Vec<Candidate> = (1_000..1_300)
        .map(|number| with_terms(number, &[("shared", true, true), ("x", true, true)]))
        .collect();
    all.push(with_terms(5, &[("none", false, true), ("shared", false, true)]));
    let result = decided(all);
    let of = |key: &str| {
        let pairs: Vec<Pair> = result.pairs.iter().filter(|pair| pair.seeker == key).cloned().collect();
        hits(2, pairs)
    };
    let found = of("k1100");
    assert_eq!((found.len(), found[0].len(), found[1].len()), (2, super::lookup::MAX_HITS, 0));
    assert!(found[0].iter().all(|hit| hit.key != "k1100" && hit.via == ["shared", "x"]));
    assert!(found[0].is_sorted_by(|one, other| one.key < other.key));
    assert_eq!((found[0][0].key.as_str(), found[0][0].title.as_str()), ("k1000", "Title 1000"));
    assert_eq!(of("k5")[0].len(), super::lookup::MAX_HITS);
}

prop_compose! {
    fn stakes()(
        claims in proptest::collection::vec((0..3u8, 0..5u8, 0..3u8), 0..3),
        references in proptest::collection::vec((0..3u8, 0..5u8, any::<bool>()), 0..2),
    ) -> (Vec<Claim>, Vec<Reference>) {
        // Rule `r2` may be shared by those who agree.
        let claims = claims.into_iter().map(|(rule, value, payload)| Claim {
            payload: (rule == 2).then(|| Digest::of(&[payload])),
            ..claim(&format!("r{rule}"), &value.to_string())
        });
        let references = references
            .into_iter()
            .map(|(rule, value, must_exist)| reference(&format!("r{rule}"), &value.to_string(), must_exist));
        (claims.collect(), references.collect())
    }
}

/// Whether the accepted records can stand beside each other.
fn stands(accepted: &[Accepted]) -> bool {
    let conflict = |one: &Claim, other: &Claim| {
        one.rule == other.rule
            && one.value == other.value
            && (one.payload.is_none() || one.payload != other.payload)
    };
    let holds = |row: &Accepted, reference: &Reference| {
        row.record.claims.iter().any(|claim| claim.rule == reference.target && claim.value == reference.value)
    };
    accepted.iter().enumerate().all(|(at, row)| {
        let others =
            || accepted.iter().enumerate().filter(move |(other, _)| *other != at).map(|(_, other)| other);
        let alone =
            row.record.claims.iter().all(|own| {
                !others().any(|other| other.record.claims.iter().any(|claim| conflict(own, claim)))
            });
        alone
            && row.record.references.iter().all(|reference| {
                if reference.must_exist {
                    accepted.iter().any(|other| holds(other, reference))
                } else {
                    !others().any(|other| holds(other, reference))
                }
            })
    })
}

proptest! {
    #[test]
    fn any_arrival_order_and_any_spilling_give_the_same_outcome_and_it_stands(
        stakes in proptest::collection::vec(stakes(), 1..14),
        order in any::<u64>(),
        memory in 0usize..20_000,
    ) {
        let candidates: Vec<Candidate> =
            (0..).zip(stakes).map(|(number, (claims, references))| candidate(number, claims, references)).collect();
        let first = decided(candidates.clone());
        prop_assert!(stands(&first.accepted), "{:?}", first.keys());
        for row in &first.rejects {
            prop_assert!(!row.problems.is_empty());
            for problem in &row.problems {
                prop_assert_eq!(problem.severity, Severity::Reject);
                prop_assert!(problem.message != "depends on records that were rejected");
                if let Some(holder) = &problem.holder {
                    prop_assert!(first.keys().contains(&holder.as_str()), "{} names {}", row.item, holder);
                }
            }
        }
        let mut shuffled = candidates;
        shuffled.sort_by_key(|candidate| Digest::of(format!("{order}{}", candidate.item).as_bytes()));
        let second = decided_in(shuffled, memory);
        prop_assert_eq!(first.text(), second.text());
    }
}

/// Verdicts like those of finding models: half a dozen claims, a few index values.
fn synthetic(number: u32) -> Candidate {
    let attributes = (0..4).map(|at| claim("unique:attribute", &format!("OIFMA_{number}_{at}")));
    let mut claims: Vec<Claim> = attributes.collect();
    // Every 50th contests a name with the one before it.
    claims.push(claim("unique:name", &format!("name of {}", number - number % 50 / 49)));
    let mut candidate = candidate(number, claims, vec![]);
    if let Judged::Record(record) = &mut candidate.judged {
        let row = &mut Arc::make_mut(record).row;
        row.summary = format!("The summary of number {number}, which is about as long as such a thing is");
        row.fields = (0..4).map(|field| vec![format!("value {field} of {number}")]).collect();
    }
    candidate
}

#[test]
fn the_decision_costs_no_more_per_verdict_at_a_hundred_thousand() {
    // Unoptimised code is an order of magnitude slower: fewer verdicts.
    let (few, many) = if cfg!(debug_assertions) { (2_000, 8_000) } else { (25_000, 100_000) };
    let per_verdict = |count| seconds_to_decide(count) / f64::from(count);
    let ratio = per_verdict(many) / per_verdict(few);
    println!("the cost of one of {many} verdicts is {ratio:.2} of that of one of {few}");
    // Sorting costs a logarithm more; the rest is for the caches of a busy processor.
    assert!(ratio < 2.0, "{ratio}");
}

/// Decides `count` verdicts in bounded memory; returns the time on the processor.
fn seconds_to_decide(count: u32) -> f64 {
    let workspace = workspace(64 << 20);
    let mut runs = workspace.record_runs();
    for number in 0..count {
        runs.push(synthetic(number)).unwrap();
    }
    let candidates = runs.finish();
    let (started, mut rejected) = (seconds_on_cpu(), 0);
    let decided = decide(candidates, &Messages::new(), &workspace, &mut |_| {
        rejected += 1;
        Ok(())
    })
    .unwrap();
    let accepted = decided.accepted.into_rows().unwrap().filter(|row| row.is_ok()).count();
    assert_eq!((accepted as u32, rejected), (count - count / 50, count / 50));
    seconds_on_cpu() - started
}

/// Time that this thread was on a CPU: what others do meanwhile does not count.
fn seconds_on_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}
