//! What the pages of a record would be.

use bytes::Bytes;
use quire_api::page::{File, PreviewRequest, PreviewResponse, Problem};
use quire_catalogue::Catalogue;
use quire_proto::{Digest, Format, Item, ItemId, Judged, RecordVerdict, RenderRecord, Severity, Verdict};
use quire_runtime::Store;
use tonic::Status;

use super::{
    Shared,
    service::{failed, newest},
};
use crate::sight::{Decoded, read_from};

/// The location that a preview's record says it is from.
const LOCATION: &str = "preview";

pub(super) fn preview(
    shared: &Shared,
    store: &Store,
    request: PreviewRequest,
) -> Result<PreviewResponse, Status> {
    let manifest = newest(store, &request.catalogue)?;
    let bundle = manifest.catalogue.bundle;
    let load = || store.get_blob(&bundle).map(|bytes| bytes.to_vec());
    let catalogue = shared.catalogues.get(&bundle, load).map_err(|error| failed(&error))?;
    let item = item(&catalogue, &request)?;
    let assessment = catalogue.judge(&item);
    let Verdict { judged, .. } = assessment.verdict;
    let (record, body) = match (judged, assessment.body) {
        (Judged::Record(record), Some(body)) => (record, body),
        (Judged::Record(_), None) => return Err(Status::internal("a record without a body")),
        (Judged::Rejected { problems, .. }, _) => {
            let problems = problems.into_iter().map(problem).collect();
            return Ok(PreviewResponse { files: Vec::new(), problems });
        }
    };
    let compiled = shared.engines.of(&catalogue.bundle().encode()).map_err(|error| failed(&error))?;
    let lookups = vec![Vec::new(); catalogue.definition().lookups.len()];
    // Together with what the other records gave when the catalogue was last committed.
    let record_now =
        RenderRecord { aggregates: manifest.basis.aggregates(), ..to_render(&record, item, lookups) };
    let made = compiled.pages.make(&record_now, &body, &Decoded::default(), &read_from(store));
    let made = made.map_err(|error| Status::invalid_argument(quire_runtime::chain(&error)))?;
    let folder = &compiled.engine.look().slug;
    let files = made
        .pages
        .into_iter()
        .map(|page| File { path: format!("{folder}/{}", page.path), content: page.bytes });
    let problems = record.warnings.iter().cloned().map(problem).collect();
    Ok(PreviewResponse { files: files.collect(), problems })
}

/// The body as an item of the source that it should be of.
fn item(catalogue: &Catalogue, request: &PreviewRequest) -> Result<Item, Status> {
    let sources = &catalogue.definition().sources;
    let named = |name: &str| request.source.is_empty() || request.source == name;
    let Some(source) = sources.iter().find(|source| named(&source.name)) else {
        let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        let message = format!("no source {:?}; there are: {}", request.source, known.join(", "));
        return Err(Status::invalid_argument(message));
    };
    let raw = Bytes::copy_from_slice(&request.body);
    Ok(Item {
        id: ItemId { source: source.name.as_str().into(), location: LOCATION.into(), ordinal: 0 },
        line: 1,
        format: Format::Json,
        content: Digest::of(&raw),
        raw,
    })
}

fn to_render(record: &RecordVerdict, item: Item, lookups: Vec<Vec<quire_proto::LookupHit>>) -> RenderRecord {
    RenderRecord {
        key: record.key.clone(),
        title: record.title.clone(),
        slug: record.slug.clone(),
        item: item.id,
        row: record.row.clone(),
        body: record.body,
        lookups,
        inputs: record.digest,
        aggregates: Vec::new(),
    }
}

fn problem(problem: quire_proto::Problem) -> Problem {
    Problem {
        reject: problem.severity == Severity::Reject,
        rule: problem.rule,
        pointer: problem.pointer,
        message: problem.message,
    }
}
