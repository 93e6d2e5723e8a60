//! `SearchService`.

use quire_api::search::{
    GetRequest, GetResponse, SearchRequest, SearchResponse, SuggestRequest, SuggestResponse, Suggestion,
    Unavailable,
    search_service_server::{SearchService, SearchServiceServer},
};
use tonic::{Request, Response, Status};

use super::asking::{Asking, Refused};
use crate::{Query, Shown, wire};

/// Hits, if nothing else is asked for.
pub(super) const DEFAULT_LIMIT: usize = 10;
/// Largest question.
const MAX_QUESTION_BYTES: usize = 64 << 10;

/// The service's implementation.
pub(super) struct Search(Asking);

type Answered<T> = Result<Response<T>, Status>;

impl Search {
    pub(super) fn service(asking: Asking) -> SearchServiceServer<Self> {
        SearchServiceServer::new(Self(asking)).max_decoding_message_size(MAX_QUESTION_BYTES)
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let message = refused.message();
        match &refused {
            Refused::Wrong(_) => Self::invalid_argument(message),
            Refused::NotFound(_) => Self::not_found(message),
            Refused::Unavailable(_) => Self::unavailable(message),
            Refused::Failed(_) => Self::internal(message),
        }
    }
}

fn limit(asked: u32) -> usize {
    if asked == 0 { DEFAULT_LIMIT } else { asked as usize }
}

fn named(catalogue: &str) -> Result<(), Refused> {
    if catalogue.is_empty() {
        return Err(Refused::Wrong("no catalogue is named: name one".to_owned()));
    }
    Ok(())
}

#[tonic::async_trait]
impl SearchService for Search {
    async fn search(&self, request: Request<SearchRequest>) -> Answered<SearchResponse> {
        let SearchRequest { query, catalogue, filters, limit: asked, facets } = request.into_inner();
        let filters: Vec<_> = filters.into_iter().map(|filter| (filter.field, filter.value)).collect();
        let found = self.0.run("search", move |indexes| {
            let query = Query { text: &query, limit: limit(asked), filters: &filters, facets };
            indexes.search(&query, Some(catalogue.as_str()).filter(|name| !name.is_empty()))
        });
        let found = found.await?;
        let answers = found.asked.answers.into_iter();
        let unavailable = found.unavailable.into_iter();
        Ok(Response::new(SearchResponse {
            answers: answers.map(|(catalogue, answer)| wire::answer(catalogue, answer)).collect(),
            unavailable: unavailable.map(|(catalogue, reason)| Unavailable { catalogue, reason }).collect(),
        }))
    }

    async fn suggest(&self, request: Request<SuggestRequest>) -> Answered<SuggestResponse> {
        let SuggestRequest { query, catalogue, limit: asked } = request.into_inner();
        let suggested = self.0.run("suggest", move |indexes| {
            named(&catalogue)?;
            indexes.suggest(&query, &catalogue, limit(asked))
        });
        let (epoch, suggested) = suggested.await?;
        let suggestion = |crate::Suggestion { key, title, slug }| Suggestion { key, title, slug };
        let suggestions = suggested.into_iter().map(suggestion).collect();
        Ok(Response::new(SuggestResponse { epoch: epoch.0, suggestions }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Answered<GetResponse> {
        let GetRequest { catalogue, key } = request.into_inner();
        let found = self.0.run("get", move |indexes| {
            named(&catalogue)?;
            indexes.get(&catalogue, &key)
        });
        let (epoch, Shown { key, title, slug, summary }) = found.await?;
        Ok(Response::new(GetResponse { epoch: epoch.0, key, title, slug, summary }))
    }
}
