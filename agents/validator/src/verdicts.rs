//! Judges items and packs what came out. Pure.

use std::sync::Arc;

use quire_catalogue::{Assessment, Catalogue};
use quire_proto::{
    CodecError, Item, Judged, Outputs, PackSlice, Problem, RecordVerdict, Severity, Verdict, codec,
    pack::{FinishedPack, PackBuilder},
};

/// Most bytes of one encoded verdict. A record with more claims, terms and list values than that is no record
/// of a catalogue, and would not fit into a manifest's chunk either.
pub(crate) const MAX_VERDICT_BYTES: usize = 1024 * 1024;

/// The verdicts on a parcel's items, packed.
pub(crate) struct Judgement {
    /// Canonical bodies of the records and long shares in aggregates, in the order of the items; `None` if all are rejects.
    pub(crate) bodies: Option<FinishedPack>,
    /// The pack with the encoded verdicts.
    pub(crate) verdicts: FinishedPack,
    /// Where in it they lie.
    pub(crate) slice: PackSlice,
}

/// Judges every item by itself.
///
/// # Errors
/// [`CodecError::TooLarge`] if the verdicts together do not fit into a message: then half of the items will.
pub(crate) fn judge(catalogue: &Catalogue, items: &[Item]) -> Result<Judgement, CodecError> {
    let assessed: Vec<Assessment> = items.iter().map(|item| catalogue.judge(item)).collect();
    let (verdicts, bodies) = store_bodies(assessed);
    let mut pack = PackBuilder::default();
    let position = pack.add(encoded(verdicts)?);
    let verdicts = pack.finish();
    let slice = verdicts.slice(position).unwrap_or(PackSlice { pack: verdicts.digest, offset: 0, len: 0 });
    Ok(Judgement { bodies, verdicts, slice })
}

/// Packs the bodies and tells each record where its own lies.
fn store_bodies(assessed: Vec<Assessment>) -> (Vec<Verdict>, Option<FinishedPack>) {
    let mut pack = PackBuilder::default();
    // Shares lie behind the body that they are of.
    let placed: Vec<(Verdict, Option<usize>)> = assessed
        .into_iter()
        .map(|Assessment { verdict, body, packed }| {
            let position = body.map(|body| pack.add(body));
            for share in packed {
                pack.add(share);
            }
            (verdict, position)
        })
        .collect();
    let bodies = (!pack.is_empty()).then(|| pack.finish());
    let fill = |(mut verdict, position): (Verdict, Option<usize>)| {
        if let (Judged::Record(record), Some(pack), Some(position)) = (&mut verdict.judged, &bodies, position)
        {
            place(Arc::make_mut(record), pack, position);
        }
        verdict
    };
    (placed.into_iter().map(fill).collect(), bodies)
}

/// Tells a record where its body, at this position, and its shares lie.
fn place(record: &mut RecordVerdict, pack: &FinishedPack, position: usize) {
    let mut slices = (position..).map_while(|position| pack.slice(position));
    record.body = slices.next().unwrap_or(record.body);
    for share in &mut record.shares {
        if let Outputs::Packed { from, .. } = &mut share.outputs {
            *from = slices.next().unwrap_or(*from);
        }
    }
}

/// Encodes the verdicts; a record whose verdict is too large by itself, whatever else is in the parcel, is rejected.
fn encoded(mut verdicts: Vec<Verdict>) -> Result<Vec<u8>, CodecError> {
    // All together are rarely as large as one may be.
    match codec::encode(&verdicts) {
        Ok(bytes) if bytes.len() <= MAX_VERDICT_BYTES => return Ok(bytes),
        Ok(_) | Err(CodecError::TooLarge { .. }) => {}
        Err(error) => return Err(error),
    }
    for verdict in &mut verdicts {
        let too_large = match codec::encode(verdict) {
            Ok(bytes) => bytes.len() > MAX_VERDICT_BYTES,
            Err(CodecError::TooLarge { .. }) => true,
            Err(error) => return Err(error),
        };
        if too_large {
            reject(verdict);
        }
    }
    codec::encode(&verdicts)
}

fn reject(verdict: &mut Verdict) {
    let (key, line) = match &verdict.judged {
        Judged::Record(record) => (Some(record.key.clone()), record.claims.first().map(|claim| claim.line)),
        Judged::Rejected { key, problems, .. } => {
            (key.clone(), problems.first().and_then(|problem| problem.line))
        }
    };
    let message = format!(
        "what is known of the record (claims, terms, list values, problems) has more than {MAX_VERDICT_BYTES} bytes"
    );
    let problem = Problem {
        rule: "too-large".to_owned(),
        pointer: String::new(),
        line: line.filter(|&line| line > 0),
        message,
        holder: None,
        severity: Severity::Reject,
    };
    verdict.judged = Judged::Rejected { key, problems: vec![problem], claims: Vec::new() };
}
