//! What a record gives to its catalogue's aggregates.

use jaq_json::Val;
use quire_proto::{Digest, Outputs, PackSlice, Problem, Share};

use crate::{catalogue::problem, definition::Aggregate, encode, expr::Expr};

/// Most bytes that one record gives to all aggregates together.
const MAX_BYTES: usize = 256 * 1024;

/// The outputs of all aggregates on one record.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// Those that have any, ascending.
    pub(crate) shares: Vec<Share>,
    /// Texts that are too long to stand there.
    pub(crate) packed: Vec<Vec<u8>>,
}

impl Shares {
    pub(crate) fn of(definitions: &[Aggregate], exprs: &[Expr], record: &Val) -> Result<Self, Problem> {
        let (mut shares, mut bytes) = (Self::default(), 0);
        for ((position, definition), expr) in (0_u16..).zip(definitions).zip(exprs) {
            let rule = || format!("aggregate:{}", definition.name);
            let outputs = expr.values(record).map_err(|error| problem(&rule(), error.to_string()))?;
            let mut text = Vec::new();
            for (number, output) in outputs.iter().enumerate() {
                if number > 0 {
                    text.push(b',');
                }
                encode::write(output, &mut text).map_err(|error| problem(&rule(), error.to_string()))?;
                if bytes + text.len() > MAX_BYTES {
                    let message = format!("the record gives more than {MAX_BYTES} bytes to aggregates");
                    return Err(problem(&rule(), message));
                }
            }
            bytes += text.len();
            if !text.is_empty() {
                shares.add(position, text);
            }
        }
        Ok(shares)
    }

    fn add(&mut self, aggregate: u16, text: Vec<u8>) {
        let text = match String::from_utf8(text) {
            Ok(text) if text.len() <= Outputs::MOST_HERE => {
                self.shares.push(Share { aggregate, outputs: Outputs::Here(text) });
                return;
            }
            Ok(text) => text.into_bytes(),
            Err(error) => error.into_bytes(),
        };
        let digest = Digest::of(&text);
        let from = PackSlice { pack: digest, offset: 0, len: text.len() as u64 };
        self.shares.push(Share { aggregate, outputs: Outputs::Packed { digest, from } });
        self.packed.push(text);
    }
}
