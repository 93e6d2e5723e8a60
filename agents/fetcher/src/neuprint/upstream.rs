//! The upstream `neuprint`: lists and reads types of a dataset.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use quire_catalogue::{Neuprint, TypePatterns};
use quire_proto::Listed;
use quire_runtime::{Context, StageError, chain};

use super::{
    ask::{AskError, Asker},
    batch,
    clients::{Reached, refused},
    dataset,
    edit::version_ns,
    listing::{self, DATASET},
    meters::Meters,
    query::{self, Sides},
    rows::{Edited, Meta},
};
use crate::{
    FetcherOptions,
    gather::Gather,
    memo::{MemoBook, MemoScope, Stamp, now_ns},
    take::Taker,
    upstream::{Answer, Listing, Means, Unreachable, Upstream, Wanted},
};

/// Refusals of queries in a row, without an answer in between, after which the others are not asked.
const MAX_REFUSALS: u32 = 16;

/// One dataset of a server.
pub(crate) struct NeuprintUpstream {
    reached: Reached,
    patterns: TypePatterns,
    sides: Sides,
    source: Neuprint,
    memo: MemoBook,
    meters: Arc<Meters>,
}

impl NeuprintUpstream {
    pub(crate) fn connect(
        catalogue: &str,
        source: &Neuprint,
        options: &FetcherOptions,
        means: &Means,
    ) -> Result<Self, Unreachable> {
        let unreachable = |why: String| Unreachable(format!("neuPrint cannot be asked: {why}"));
        let reached = means.clients.reach(catalogue, source, options).map_err(unreachable)?;
        let patterns = source.patterns().map_err(|error| unreachable(chain(&error)))?;
        let sides = Sides::of(&reached.dataset);
        let (memo, meters) = (means.memo.clone(), Arc::clone(&means.meters));
        Ok(Self { reached, patterns, sides, source: source.clone(), memo, meters })
    }

    fn asker<'a>(&'a self, ctx: &'a Context) -> Asker<'a> {
        let Reached { client, dataset, .. } = &self.reached;
        Asker { client, ctx: Some(ctx), dataset, meters: &self.meters, requests: Mutex::default() }
    }

    /// What stands before everything that is remembered of the dataset.
    fn prefix(&self) -> Vec<u8> {
        let Reached { origin, dataset, .. } = &self.reached;
        [b"neuprint\0", origin.as_bytes(), b"\0", dataset.as_bytes(), b"\0"].concat()
    }

    async fn list_it(&self, ctx: &Context, wanted: &Wanted) -> Result<Listing, StageError> {
        let asker = self.asker(ctx);
        let scope = self.prefix();
        let mut listing = match listing::list(&asker, &self.memo, &scope, &self.patterns, wanted).await {
            Ok(listing) => listing,
            Err(error @ (AskError::Busy(..) | AskError::Ours(_))) => return Err(error.for_stage()),
            Err(AskError::Refused(why)) => Listing::failed(refused(&self.source, &why)),
            Err(error) => Listing::failed(error.to_string()),
        };
        listing.requests = asker.requests();
        Ok(listing)
    }

    async fn read_it(
        &self,
        ctx: &Context,
        locations: Vec<Listed>,
        mut gather: Gather,
        taker: &Arc<Taker>,
    ) -> Result<Gather, StageError> {
        let asker = self.asker(ctx);
        let mut reading = Reading { upstream: self, asker: &asker, taker, taken: 0, refusals: 0 };
        let (own, types): (Vec<_>, Vec<_>) =
            locations.into_iter().partition(|listed| listed.location == DATASET);
        let mut todo: VecDeque<Vec<Listed>> = own.into_iter().map(|listed| vec![listed]).collect();
        todo.extend(cut(types, self.source.batch));
        while let Some(batch) = todo.pop_front() {
            if gather.is_full() {
                gather.defer(batch);
                gather.defer(todo.into_iter().flatten());
                break;
            }
            match reading.one(batch, &mut gather).await? {
                After::Next => {}
                After::Halves(halves) => halves.into_iter().rev().for_each(|half| todo.push_front(half)),
                After::Fail(batch, why) => {
                    for listed in batch.into_iter().chain(todo.into_iter().flatten()) {
                        gather.fail(&listed.location, why.clone());
                    }
                    break;
                }
                After::Defer(batch) => {
                    gather.defer(batch);
                    gather.defer(todo.into_iter().flatten());
                    break;
                }
            }
        }
        gather.asked_all(asker.requests());
        Ok(gather)
    }
}

/// What is to be done after a batch.
enum After {
    Next,
    Halves([Vec<Listed>; 2]),
    /// Neither this batch nor any other can be read, for this reason.
    Fail(Vec<Listed>, String),
    /// Others may be read later.
    Defer(Vec<Listed>),
}

/// One parcel on its way.
struct Reading<'a> {
    upstream: &'a NeuprintUpstream,
    asker: &'a Asker<'a>,
    taker: &'a Arc<Taker>,
    /// Locations that were read.
    taken: usize,
    /// In a row.
    refusals: u32,
}

impl Reading<'_> {
    async fn one(&mut self, mut batch: Vec<Listed>, gather: &mut Gather) -> Result<After, StageError> {
        let error = match self.read(batch.clone(), gather).await {
            Ok(()) => {
                (self.taken, self.refusals) = (self.taken + batch.len(), 0);
                return Ok(After::Next);
            }
            Err(error) => error,
        };
        match error {
            AskError::TooMuch(why) | AskError::Slow(why) | AskError::Wrong(why) | AskError::Odd(why) => {
                self.refusals += 1;
                if self.refusals >= MAX_REFUSALS {
                    return Ok(After::Fail(batch, why));
                }
                if batch.len() > 1 {
                    let second = batch.split_off(batch.len() / 2);
                    return Ok(After::Halves([batch, second]));
                }
                batch.iter().for_each(|listed| gather.fail(&listed.location, why.clone()));
                Ok(After::Next)
            }
            AskError::Refused(why) => Ok(After::Fail(batch, refused(&self.upstream.source, &why))),
            // What was read is kept; the rest is a parcel of its own.
            AskError::Busy(..) | AskError::Broken(_) if self.taken > 0 => Ok(After::Defer(batch)),
            error => Err(error.for_stage()),
        }
    }

    async fn read(&self, batch: Vec<Listed>, gather: &mut Gather) -> Result<(), AskError> {
        let made_ns = now_ns();
        if let [only] = batch.as_slice()
            && only.location == DATASET
        {
            let (result, as_listed) = self.dataset(only).await?;
            self.put(only, result.map(|bytes| (bytes, as_listed)), made_ns, gather).await?;
            return Ok(());
        }
        for made in batch::records(self.asker, self.upstream.sides, batch).await? {
            let result = made.result.map(|record| (record.bytes, record.as_listed));
            self.put(&made.listed, result, made_ns, gather).await?;
        }
        Ok(())
    }

    /// The dataset's own record, and whether it is of the version that was listed.
    async fn dataset(&self, listed: &Listed) -> Result<(Result<Bytes, String>, bool), AskError> {
        let answer = self.asker.ask::<Meta>("meta", query::META).await?;
        let (Some(meta), None) = (answer.rows.into_iter().next(), answer.odd.first()) else {
            let why = answer
                .odd
                .first()
                .map_or_else(|| "the dataset says nothing of itself".to_owned(), ToString::to_string);
            return Ok((Err(why), false));
        };
        let version = version_ns(&Edited(meta.uuid.clone(), meta.edited.clone()));
        let as_listed = version.map(i128::from) == Some(listed.modified_ns);
        let server = self.upstream.reached.origin.clone();
        let made = self.asker.compute(move || dataset::record(&meta, &server)).await?;
        Ok((made.map(Bytes::from).map_err(|error| chain(&error)), as_listed))
    }

    /// Takes a record apart into its items.
    async fn put(
        &self,
        listed: &Listed,
        result: Result<(Bytes, bool), String>,
        made_ns: i64,
        gather: &mut Gather,
    ) -> Result<(), AskError> {
        let (bytes, as_listed) = match result {
            Ok(made) => made,
            Err(why) => {
                gather.fail(&listed.location, why);
                // Should the listing be what is wrong, it is not believed again.
                self.upstream.memo.forget_listing(&self.upstream.prefix());
                return Ok(());
            }
        };
        let taker = Arc::clone(self.taker);
        let parts = self.asker.compute(move || taker.take(bytes)).await?;
        let items = gather.take(&listed.location, parts);
        if let Ok(modified_ns) = i64::try_from(listed.modified_ns)
            && as_listed
        {
            let (location, size) = (listed.location.as_str().into(), listed.size);
            gather.remember(Stamp { location, size, modified_ns, made_ns, items });
        }
        Ok(())
    }
}

/// Cuts types into batches of at most `most`, all of about the same length.
fn cut(types: Vec<Listed>, most: usize) -> Vec<Vec<Listed>> {
    let batches = types.len().div_ceil(most.max(1)).max(1);
    let each = types.len().div_ceil(batches).max(1);
    let mut rest = types.into_iter().peekable();
    let mut out = Vec::with_capacity(batches);
    while rest.peek().is_some() {
        out.push(rest.by_ref().take(each).collect());
    }
    out
}

impl Upstream for NeuprintUpstream {
    fn list(&self, ctx: Context, wanted: Wanted) -> Answer<'_, Listing> {
        Box::pin(async move { self.list_it(&ctx, &wanted).await })
    }

    fn read(
        &self,
        ctx: Context,
        locations: Vec<Listed>,
        gather: Gather,
        taker: Arc<Taker>,
    ) -> Answer<'_, Gather> {
        Box::pin(async move { self.read_it(&ctx, locations, gather, &taker).await })
    }

    fn memo(&self, taker: &Taker) -> Option<MemoScope> {
        Some(MemoScope { prefix: self.prefix(), reading: taker.reading() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_of_about_one_length() {
        let types = |count: usize| -> Vec<Listed> {
            (0..count).map(|n| Listed { location: n.to_string(), size: 0, modified_ns: 0 }).collect()
        };
        let lengths = |count, most| cut(types(count), most).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(64, 50), [32, 32]);
        assert_eq!(lengths(50, 50), [50]);
        assert_eq!(lengths(5, 2), [2, 2, 1]);
        assert_eq!(lengths(0, 50), [0; 0]);
        assert_eq!(cut(types(64), 50).concat(), types(64));
    }
}
