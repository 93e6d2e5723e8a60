//! Answers as the search service sends them, and back: whoever asks a server gets what a local index would have said.

use quire_api::search as wire;
use quire_proto::Epoch;

use crate::{Answer, FacetCount, FacetCounts, Hit, Matched, Snippet};

/// An answer on its way out.
pub(crate) fn answer(catalogue: String, answer: Answer) -> wire::Answer {
    wire::Answer {
        catalogue,
        epoch: answer.epoch.0,
        total: answer.total as u64,
        hits: answer.hits.into_iter().map(hit).collect(),
        facets: answer.facets.into_iter().map(facet).collect(),
    }
}

fn hit(hit: Hit) -> wire::Hit {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let mark = |&(start, end): &(usize, usize)| wire::Mark { start: place(start), end: place(end) };
    let marks = hit.summary.marks.iter().map(mark).collect();
    wire::Hit {
        key: hit.key,
        title: hit.title,
        slug: hit.slug,
        summary: Some(wire::Snippet { text: hit.summary.text, marks }),
        matched: hit.matched.as_str().to_owned(),
        score: hit.score,
    }
}

fn facet(facet: FacetCounts) -> wire::Facet {
    let value = |FacetCount { value, count }| wire::FacetValue { value, count };
    wire::Facet { field: facet.field, values: facet.values.into_iter().map(value).collect() }
}

/// An answer that a server sent, with its catalogue; `None` if it says what no server of this version says.
#[must_use]
pub fn received(answer: wire::Answer) -> Option<(String, Answer)> {
    let hits = answer.hits.into_iter().map(received_hit).collect::<Option<_>>()?;
    let counted = |wire::FacetValue { value, count }| FacetCount { value, count };
    let facets = answer.facets.into_iter().map(|wire::Facet { field, values }| FacetCounts {
        field,
        values: values.into_iter().map(counted).collect(),
    });
    let received = Answer {
        epoch: Epoch(answer.epoch),
        total: usize::try_from(answer.total).ok()?,
        hits,
        facets: facets.collect(),
    };
    Some((answer.catalogue, received))
}

fn received_hit(hit: wire::Hit) -> Option<Hit> {
    let wire::Snippet { text, marks } = hit.summary.unwrap_or_default();
    let marks = marks.into_iter().map(|wire::Mark { start, end }| (start as usize, end as usize)).collect();
    Some(Hit {
        key: hit.key,
        title: hit.title,
        slug: hit.slug,
        summary: Snippet { text, marks },
        matched: Matched::ALL.into_iter().find(|matched| matched.as_str() == hit.matched)?,
        score: hit.score,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_arrives_as_it_was_sent() {
        let hit = |matched: Matched| Hit {
            key: format!("K{}", matched.as_str()),
            title: "Größe".into(),
            slug: "groesse".into(),
            summary: Snippet { text: "a … b".into(), marks: vec![(0, 1), (6, 7)] },
            matched,
            score: 1.0 / 3.0,
        };
        let facets = vec![FacetCounts {
            field: "tags".into(),
            values: vec![FacetCount { value: "CT".into(), count: 7 }],
        }];
        let sent = Answer { epoch: Epoch(9), total: 12, hits: Matched::ALL.map(hit).into(), facets };
        let arrived = received(answer("birds".into(), sent.clone())).unwrap();
        assert_eq!(arrived, ("birds".to_owned(), sent.clone()));
        // The names are those of the JSON.
        let json = serde_json::to_value(&sent).unwrap();
        assert_eq!(json["hits"][0]["matched"], Matched::ALL[0].as_str());
        let names: Vec<_> = Matched::ALL.iter().map(|matched| matched.as_str().to_owned()).collect();
        let serialized: Vec<_> = json["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["matched"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(serialized, names);
    }

    #[test]
    fn a_match_of_an_unknown_kind_is_not_guessed() {
        let strange = wire::Answer {
            hits: vec![wire::Hit { matched: "by-smell".into(), ..Default::default() }],
            ..Default::default()
        };
        assert_eq!(received(strange), None);
    }
}
