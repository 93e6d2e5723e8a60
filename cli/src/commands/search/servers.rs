//! Indexers: asked one after the other, until one answers for every catalogue.

use std::{error::Error as _, time::Duration};

use anyhow::Context as _;
use quire_api::search::{Filter, SearchRequest, SearchResponse, search_service_client::SearchServiceClient};
use quire_indexer::{Query, wire};
use tonic::{Code, Status};

use super::Found;
use crate::{
    TlsArgs,
    exit::{Unreachable, WrongUsage},
    output,
    remote::{MAX_ANSWER_BYTES, block_on, connect, refused, why_away},
};

/// How long an indexer may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why one indexer gave no answer.
enum Failure {
    /// Another may.
    Ask(anyhow::Error),
    /// Any other would say the same.
    End(anyhow::Error),
}

/// Asks `servers`; what those are that were passed over, is told.
pub(super) fn ask(
    servers: &[String],
    tls: &TlsArgs,
    catalogue: Option<&str>,
    query: &Query<'_>,
) -> anyhow::Result<Found> {
    let filter = |(field, value): &(String, String)| Filter { field: field.clone(), value: value.clone() };
    let request = SearchRequest {
        query: query.text.to_owned(),
        catalogue: catalogue.unwrap_or_default().to_owned(),
        filters: query.filters.iter().map(filter).collect(),
        limit: u32::try_from(query.limit).unwrap_or(u32::MAX),
        facets: query.facets,
    };
    block_on(async {
        let (mut best, mut failures): (Option<Found>, Vec<anyhow::Error>) = (None, Vec::new());
        for server in servers {
            match ask_one(server, tls, request.clone()).await {
                Ok(found) => {
                    let complete = found.unavailable.is_empty();
                    let known = best.as_ref().map_or(usize::MAX, |best| best.unavailable.len());
                    if found.unavailable.len() < known {
                        best = Some(found);
                    }
                    if complete {
                        break;
                    }
                }
                Err(Failure::Ask(error)) => failures.push(error),
                Err(Failure::End(error)) => return Err(error),
            }
        }
        let Some(found) = best else { return Err(together(failures)) };
        failures.iter().for_each(|error| output::note(&format!("{error:#}")));
        Ok(found)
    })
}

async fn ask_one(server: &str, tls: &TlsArgs, request: SearchRequest) -> Result<Found, Failure> {
    let channel = connect(server, tls)
        .await
        .map_err(|error| if error.is::<WrongUsage>() { Failure::End(error) } else { Failure::Ask(error) })?;
    let mut client = SearchServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let Ok(answered) = tokio::time::timeout(PATIENCE, client.search(request)).await else {
        return Err(Failure::Ask(silent(server)));
    };
    let answered = answered.map_err(|status| failure(server, &status))?;
    received(answered.into_inner())
        .with_context(|| format!("{server} gave an answer that cannot be read: is it of another version?"))
        .map_err(Failure::Ask)
}

fn silent(server: &str) -> anyhow::Error {
    Unreachable::silent(server.to_owned(), PATIENCE, "is it running there (--server)?").into()
}

fn failure(server: &str, status: &Status) -> Failure {
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange => Failure::End(refused(status)),
        Code::Unimplemented => Failure::Ask(
            WrongUsage(format!(
                "{server} is not an indexer: it answers no searches; indexers listen on port 7403 unless told otherwise"
            ))
            .into(),
        ),
        // It was there for the connection, and then no more.
        Code::Unavailable | Code::Cancelled | Code::Unknown if status.source().is_some() => {
            Failure::Ask(Unreachable { server: server.to_owned(), why: why_away(status) }.into())
        }
        _ => Failure::Ask(refused(status).context(format!("{server} cannot answer"))),
    }
}

fn received(response: SearchResponse) -> Option<Found> {
    let unavailable = response.unavailable.into_iter().map(|missing| (missing.catalogue, missing.reason));
    let answers = response.answers.into_iter().map(wire::received).collect::<Option<_>>()?;
    Some(Found { answers, unavailable: unavailable.collect() })
}

/// One error for all of them: the first that says more than that nobody is there, with the others beside it.
fn together(mut failures: Vec<anyhow::Error>) -> anyhow::Error {
    let telling = failures.iter().position(|error| !error.is::<Unreachable>());
    match telling {
        Some(at) => {
            let told = failures.swap_remove(at);
            failures.iter().for_each(|error| output::note(&format!("{error:#}")));
            told
        }
        None => {
            let away = failures.into_iter().filter_map(|error| error.downcast().ok());
            Unreachable::all(away.collect()).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_one_indexer_cannot_be_asked_is_told_as_of_several() {
        let query = Query { text: "heron", limit: 1, filters: &[], facets: false };
        for servers in
            [&["127.0.0.1:1".to_owned()][..], &["127.0.0.1:1".to_owned(), "localhost:2".to_owned()]]
        {
            let error = ask(servers, &TlsArgs::default(), None, &query).unwrap_err();
            assert!(error.is::<Unreachable>(), "{error:#}");
            let text = error.to_string();
            assert_eq!(text.matches("Connection refused").count(), servers.len(), "{text}");
        }
    }
}
