//! Reads what the index needs of a manifest: rows without their claims and files, and documents.

use quire_catalogue::{Bundle, Catalogue, CataloguesError, IndexDocument};
use quire_proto::{CatalogueRef, Digest, DigestBuilder, PackSlice, codec, manifest::Chunk};
use quire_runtime::Store;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{IndexError, schema::FieldSpec};

/// The part of an entry that the index shows or compares; the rest is skipped unread.
#[derive(Debug, Deserialize)]
pub(crate) struct EntryRow {
    pub(crate) record: RecordRow,
    pub(crate) document: PackSlice,
}

/// The part of a record's verdict that the index needs.
#[derive(Debug, Deserialize)]
pub(crate) struct RecordRow {
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) slug: String,
    pub(crate) digest: Digest,
    pub(crate) row: SummaryRow,
}

/// The part of a list row that the index needs.
#[derive(Debug, Deserialize)]
pub(crate) struct SummaryRow {
    pub(crate) summary: String,
}

impl EntryRow {
    /// A short digest of everything that the document of this entry is made from.
    pub(crate) fn print(&self, basis: &Digest) -> u64 {
        let record = &self.record;
        let digest = DigestBuilder::new("quire index print")
            .digest(basis)
            .digest(&record.digest)
            .text(&record.title)
            .text(&record.slug)
            .text(&record.row.summary)
            .finish();
        digest.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// The rows of one chunk.
pub(crate) fn rows(store: &Store, chunk: &Chunk) -> Result<Vec<EntryRow>, IndexError> {
    decode(&store.get_slice(&chunk.rows)?, "the manifest's rows")
}

/// The document of one row.
pub(crate) fn document(store: &Store, row: &EntryRow) -> Result<IndexDocument, IndexError> {
    decode(&store.get_slice(&row.document)?, "an index document")
}

/// The index fields of the manifest's catalogue.
pub(crate) fn fields(store: &Store, catalogue: &CatalogueRef) -> Result<Vec<FieldSpec>, IndexError> {
    let failed = |error| IndexError::Catalogue(Box::new(error));
    let bytes = store.get_blob(&catalogue.bundle)?;
    let bundle = Bundle::decode(&bytes).map_err(|error| failed(CataloguesError::Bundle(error)))?;
    let catalogue = Catalogue::load(bundle).map_err(|error| failed(CataloguesError::Definition(error)))?;
    Ok(FieldSpec::of(catalogue.definition()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, IndexError> {
    codec::decode(bytes).map_err(|source| IndexError::Decode { what, source })
}
