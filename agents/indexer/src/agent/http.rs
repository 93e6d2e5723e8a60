//! `GET /api/v1/search`: the search service for whoever speaks no gRPC.
//!
//! `q`, `catalogue`, `limit`, `filter=FIELD=VALUE` (several times), `facets=true`; the answer is
//! `{"answers":{"<catalogue>":…},"unavailable":{"<catalogue>":"why"}}`, an error `{"error":"…"}`.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{Query as Parameters, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use super::{
    asking::{Asking, Refused},
    service::DEFAULT_LIMIT,
};
use crate::{Answer, Query};

const PARAMETERS: &str = "q, catalogue, limit, filter, facets";

#[derive(Serialize)]
struct Answers {
    answers: BTreeMap<String, Answer>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unavailable: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
}

/// A question as it stands in an address.
#[derive(Debug, Default, PartialEq, Eq)]
struct Question {
    text: Option<String>,
    catalogue: Option<String>,
    limit: Option<usize>,
    filters: Vec<(String, String)>,
    facets: Option<bool>,
}

pub(super) fn routes(asking: Asking) -> Router {
    Router::new().route("/api/v1/search", get(search)).with_state(asking)
}

async fn search(
    State(asking): State<Asking>,
    parameters: Result<Parameters<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Refused> {
    let parameters = parameters.map_err(|error| Refused::Wrong(error.body_text()))?;
    let Question { text, catalogue, limit, filters, facets } = Question::read(parameters.0)?;
    let found = asking.run("search", move |indexes| {
        let text = text.unwrap_or_default();
        let (limit, facets) = (limit.unwrap_or(DEFAULT_LIMIT), facets.unwrap_or(false));
        let query = Query { text: &text, limit, filters: &filters, facets };
        indexes.search(&query, catalogue.as_deref())
    });
    let found = found.await?;
    let answers = Answers { answers: found.asked.answers, unavailable: found.unavailable };
    Ok(Json(answers).into_response())
}

impl Question {
    fn read(parameters: Vec<(String, String)>) -> Result<Self, Refused> {
        let mut question = Self::default();
        for (name, value) in parameters {
            let twice = match name.as_str() {
                "q" => question.text.replace(value).is_some(),
                "catalogue" => question.catalogue.replace(value).is_some(),
                "limit" => question.limit.replace(number(&value)?).is_some(),
                "facets" => question.facets.replace(yes_or_no(&value)?).is_some(),
                "filter" => {
                    question.filters.push(filter(&value)?);
                    false
                }
                _ => {
                    let name: String = name.chars().take(40).collect();
                    return Err(Refused::Wrong(format!(
                        "no parameter is named `{name}`: there are {PARAMETERS}"
                    )));
                }
            };
            if twice {
                return Err(Refused::Wrong(format!("`{name}` is given twice")));
            }
        }
        Ok(question)
    }
}

fn number(value: &str) -> Result<usize, Refused> {
    let wrong = |_| Refused::Wrong("`limit` is no number: expected 1 to 1000".to_owned());
    value.parse().map_err(wrong)
}

fn yes_or_no(value: &str) -> Result<bool, Refused> {
    let wrong = |_| Refused::Wrong("`facets` is expected to be true or false".to_owned());
    value.parse().map_err(wrong)
}

fn filter(value: &str) -> Result<(String, String), Refused> {
    let (field, value) = value
        .split_once('=')
        .ok_or_else(|| Refused::Wrong("a filter has the form FIELD=VALUE, such as tags=CT".to_owned()))?;
    Ok((field.to_owned(), value.to_owned()))
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Wrong(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(Failure { error: self.message() })).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Result<Question, String> {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Question::read(parameters.collect()).map_err(|refused| refused.message().to_owned())
    }

    #[test]
    fn a_question_is_read_from_an_address_or_refused_with_what_was_expected() {
        let read_all = read(&[
            ("q", "grey heron"),
            ("catalogue", "birds"),
            ("limit", "5"),
            ("filter", "tags=a=b"),
            ("filter", "size=large"),
            ("facets", "true"),
        ]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = Question {
            text: Some("grey heron".into()),
            catalogue: Some("birds".into()),
            limit: Some(5),
            filters: vec![pair("tags", "a=b"), pair("size", "large")],
            facets: Some(true),
        };
        assert_eq!(read_all, Ok(expected));
        for (wrong, said) in [
            (("limit", "-1"), "1 to 1000"),
            (("limit", "99999999999999999999999"), "1 to 1000"),
            (("facets", "2"), "true or false"),
            (("filter", "tags"), "FIELD=VALUE"),
            (("query", "x"), PARAMETERS),
        ] {
            let error = read(&[wrong]).unwrap_err();
            assert!(error.contains(said), "{wrong:?}: {error}");
        }
        assert!(read(&[("q", "a"), ("q", "b")]).unwrap_err().contains("twice"));
    }
}
