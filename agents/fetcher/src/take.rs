//! From the bytes of a location to its items: framing, then the catalogue's `split`.

use bytes::Bytes;
use quire_catalogue::{Catalogue, Connector, Source, SourceFormat};
use quire_proto::{Digest, DigestBuilder, Format, MAX_MESSAGE_BYTES};

use crate::frame::{self, Body, Framing, MAX_ITEMS, Part, Parts, Refusal};
use crate::neuprint::record;

/// Most bytes of a location with many items, unpacked.
pub(crate) const MAX_LOCATION_BYTES: u64 = 256 * 1024 * 1024;
/// Most bytes of an item that still fits into a message.
const MAX_ITEM_BYTES: usize = MAX_MESSAGE_BYTES - 64 * 1024;

/// Takes the locations of one source apart.
pub(crate) struct Taker {
    catalogue: Catalogue,
    source: String,
    framing: Framing,
    splits: bool,
    max_bytes: u64,
    reading: Digest,
}

impl Taker {
    pub(crate) fn new(catalogue: &Catalogue, source: &Source) -> Self {
        let connector = &source.connector;
        let framing = match connector.format() {
            SourceFormat::Json => Framing::Json,
            SourceFormat::Yaml => Framing::Yaml,
            SourceFormat::Jsonl => Framing::JsonLines,
            SourceFormat::Csv => Framing::Table { delimiter: b',' },
            SourceFormat::Tsv => Framing::Table { delimiter: b'\t' },
        };
        let split = source.split.as_ref().map(|split| split.code.as_str());
        let made = match connector {
            Connector::Files(_) => 0,
            Connector::Neuprint(_) => record::VERSION,
        };
        let reading = DigestBuilder::new("quire reading")
            .text(env!("CARGO_PKG_VERSION"))
            .number(frame::VERSION)
            .number(quire_catalogue::VALIDATION_VERSION)
            .text(connector.format().as_str())
            .number(connector.max_bytes())
            .number(connector.max_depth() as u64)
            .number(made)
            .text(split.unwrap_or_default())
            .finish();
        Self {
            catalogue: catalogue.clone(),
            source: source.name.clone(),
            framing,
            splits: split.is_some(),
            max_bytes: connector.max_bytes(),
            reading,
        }
    }

    /// Digest of everything that decides which items come out of the same bytes.
    pub(crate) fn reading(&self) -> Digest {
        self.reading
    }

    /// Most bytes of a location, unpacked.
    pub(crate) fn max_location_bytes(&self) -> u64 {
        if self.framing.is_many() { MAX_LOCATION_BYTES } else { self.max_bytes.min(MAX_LOCATION_BYTES) }
    }

    /// The items of a location; a single refused one if it cannot be taken apart.
    pub(crate) fn take(&self, bytes: Bytes) -> Vec<Part> {
        let parts = frame::take_apart(bytes, self.framing, self.max_part_bytes());
        let parts = if self.splits { parts.and_then(|parts| self.split(parts)) } else { parts };
        parts.unwrap_or_else(|refusal| vec![refusal.into_part()])
    }

    /// What is split may be larger than a message; what is not goes into one as it is.
    fn max_part_bytes(&self) -> usize {
        let most = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
        if self.splits { most } else { most.min(MAX_ITEM_BYTES) }
    }

    fn split(&self, parts: Vec<Part>) -> Result<Vec<Part>, Refusal> {
        let mut out = Parts::default();
        for part in parts {
            let (line, body) = (part.line, part.body);
            let (format, raw) = match body {
                Body::Raw { format, raw } => (format, raw),
                Body::Refused(refusal) => {
                    out.refused(line, refusal)?;
                    continue;
                }
            };
            match self.catalogue.split(&self.source, format, &raw) {
                Err(problem) => {
                    let at = problem.line.map_or(line, |inner| line.saturating_add(inner).saturating_sub(1));
                    // The words are the catalogue's; its rules are few and fixed.
                    let refusal = Refusal::new(rule(&problem.rule), problem.message);
                    out.refused(at, refusal)?;
                }
                Ok(items) if items.len() > MAX_ITEMS => {
                    return Err(Refusal::new(
                        "too-many",
                        format!("`split` yields more than {MAX_ITEMS} items"),
                    ));
                }
                Ok(items) => {
                    for raw in items {
                        if raw.len() > MAX_ITEM_BYTES {
                            out.refused(line, Refusal::too_large(MAX_ITEM_BYTES))?;
                        } else {
                            out.raw(line, Format::Row, Bytes::from(raw))?;
                        }
                    }
                }
            }
        }
        Ok(out.into_parts())
    }
}

/// A refusal's rule is one of a closed set.
fn rule(rule: &str) -> &'static str {
    ["utf8", "json", "yaml", "size", "split", "catalogue"]
        .into_iter()
        .find(|known| *known == rule)
        .unwrap_or("split")
}
