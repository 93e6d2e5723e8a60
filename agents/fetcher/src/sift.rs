//! Sifts a listing: what the last manifest has with the same content, and what must be read.

use quire_proto::{Digest, Listed, MAX_PARCEL_RECORDS, Outcome, Work};
use quire_runtime::Processed;

use crate::{
    base::BaseIndex,
    memo::{MemoBook, MemoScope, Stamp},
    upstream::Listing,
};

/// A parcel is closed when its locations reach this many bytes as listed.
const MAX_READ_BYTES: u64 = 4 * 1024 * 1024;
/// Most bytes of the settlement of a listing: its unchanged locations and its announced children.
const MAX_SETTLED_BYTES: usize = 7 * 1024 * 1024;
/// What an announced child takes in it, at most.
const CHILD_BYTES: usize = 72;
/// What a location takes beside its text, at most.
const LOCATION_BYTES: usize = 5;

/// What a listing is compared with.
pub(crate) struct Known<'a> {
    /// What the last manifest knows of the source.
    pub(crate) index: &'a BaseIndex,
    pub(crate) memo: &'a MemoBook,
    pub(crate) scope: &'a MemoScope,
}

/// Sorts the locations into unchanged ones and parcels to read.
pub(crate) fn sift(
    source: &str,
    listing: Listing,
    known: Option<&Known<'_>>,
    base: Option<Digest>,
) -> Processed {
    let Listing { found, failure, notes, requests } = listing;
    let queries = requests.values().sum();
    let (unchanged, to_read) = match known {
        Some(known) => compare(found, known),
        None => (Vec::new(), found),
    };
    let mut parcels = parcels(to_read);
    let (unchanged, unsaid) = bounded(unchanged, parcels.len());
    if let Some(known) = known {
        parcels.extend(confirm(unsaid, known));
    }
    let to_read = parcels.iter().map(|locations| locations.len() as u64).sum();
    let unchanged = unchanged.into_iter().map(|(listed, _)| listed.location).collect();
    let read = |locations| Work::Read { source: source.to_owned(), locations, base };
    Processed {
        outcome: Outcome::Listed { source: source.to_owned(), unchanged, to_read, failure, notes, queries },
        children: parcels.into_iter().map(read).collect(),
    }
}

type Unchanged = (Listed, Stamp);

fn compare(found: Vec<Listed>, known: &Known<'_>) -> (Vec<Unchanged>, Vec<Listed>) {
    let mut memo = known.memo.reader(known.scope);
    let mut base = known.index.cursor();
    let (mut unchanged, mut to_read) = (Vec::with_capacity(found.len()), Vec::new());
    for listed in found {
        while let Some(gone) = base.before(&listed.location) {
            memo.gone(gone);
        }
        let committed = base.at(&listed.location);
        match memo.look_up(&listed) {
            Some(stamp) if stamp.items == committed => unchanged.push((listed, stamp)),
            _ => to_read.push(listed),
        }
    }
    (unchanged, to_read)
}

/// Cuts locations into parcels, in their order.
fn parcels(locations: Vec<Listed>) -> Vec<Vec<Listed>> {
    let mut parcels: Vec<Vec<Listed>> = Vec::new();
    let mut bytes = 0_u64;
    for listed in locations {
        let with = bytes.saturating_add(listed.size);
        match parcels.last_mut().filter(|last| last.len() < MAX_PARCEL_RECORDS && with <= MAX_READ_BYTES) {
            Some(last) => {
                bytes = with;
                last.push(listed);
            }
            None => {
                bytes = listed.size;
                parcels.push(vec![listed]);
            }
        }
    }
    parcels
}

/// As many unchanged locations as one settlement can name, and the others.
fn bounded(mut unchanged: Vec<Unchanged>, parcels: usize) -> (Vec<Unchanged>, Vec<Unchanged>) {
    let children = parcels + unchanged.len() / MAX_PARCEL_RECORDS + 1;
    let mut left = MAX_SETTLED_BYTES.saturating_sub(children * CHILD_BYTES);
    let fits = unchanged.iter().take_while(|(listed, _)| {
        let bytes = listed.location.len() + LOCATION_BYTES;
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    });
    let count = fits.count();
    let rest = unchanged.split_off(count);
    (unchanged, rest)
}

/// Parcels of locations that are unchanged but have no room in the settlement: their reader finds the same in
/// the block under their first location and reads none of them.
fn confirm(unsaid: Vec<Unchanged>, known: &Known<'_>) -> Vec<Vec<Listed>> {
    let mut parcels = Vec::new();
    let mut unsaid = unsaid.into_iter();
    loop {
        let (listed, stamps): (Vec<_>, Vec<_>) = unsaid.by_ref().take(MAX_PARCEL_RECORDS).unzip();
        if listed.is_empty() {
            return parcels;
        }
        known.memo.keep(known.scope, stamps);
        parcels.push(listed);
    }
}

#[cfg(test)]
mod tests {
    use quire_cache::{CacheOptions, CacheStore};
    use quire_proto::codec;

    use super::*;
    use crate::memo::Fingerprint;

    fn listed(location: String, size: u64) -> Listed {
        Listed { location, size, modified_ns: 1 }
    }

    fn numbered(count: usize, prefix: &str) -> Vec<Listed> {
        (0..count).map(|number| listed(format!("{prefix}{number:07}"), 10)).collect()
    }

    fn sizes(processed: &Processed) -> Vec<usize> {
        processed.children.iter().map(Work::records).collect()
    }

    fn listing(found: Vec<Listed>) -> Listing {
        Listing { found, ..Listing::default() }
    }

    fn stamp(listed: &Listed) -> Stamp {
        let items = Fingerprint { count: 1, digest: Digest::of(listed.location.as_bytes()) };
        Stamp {
            location: listed.location.as_str().into(),
            size: listed.size,
            modified_ns: 1,
            made_ns: i64::MAX,
            items,
        }
    }

    fn scope() -> MemoScope {
        MemoScope { prefix: b"/data".to_vec(), reading: Digest::of(b"r") }
    }

    /// A memo and a manifest that know all of `found`.
    fn all_known(found: &[Listed]) -> (MemoBook, BaseIndex) {
        let memo = MemoBook::new(CacheStore::in_memory().cache("memo", CacheOptions::default()));
        for block in found.chunks(64) {
            memo.keep(&scope(), block.iter().map(stamp).collect());
        }
        let row =
            |listed: &Listed| (listed.location.as_str().into(), 0, Digest::of(listed.location.as_bytes()));
        (memo, BaseIndex::new(None, found.iter().map(row).collect()))
    }

    #[test]
    fn without_a_manifest_everything_is_read_in_parcels_of_64() {
        let processed = sift("s", listing(numbered(130, "a")), None, None);
        assert_eq!(sizes(&processed), [64, 64, 2]);
        let Outcome::Listed { unchanged, to_read, failure, .. } = processed.outcome else { panic!() };
        assert_eq!((unchanged.len(), to_read, failure), (0, 130, None));
    }

    #[test]
    fn a_parcel_is_closed_at_four_mib_as_listed() {
        let mib = 1024 * 1024;
        let found = [1, 2, 2, 9, 1, 3]
            .iter()
            .zip('a'..)
            .map(|(size, name)| listed(name.into(), size * mib))
            .collect();
        assert_eq!(sizes(&sift("s", listing(found), None, None)), [2, 1, 1, 2]);
    }

    #[test]
    fn what_memo_and_manifest_agree_on_is_unchanged() {
        let found = numbered(200, "a");
        let (memo, index) = all_known(&found);
        let scope = scope();
        let known = Known { index: &index, memo: &memo, scope: &scope };
        let processed = sift("s", listing(found.clone()), Some(&known), None);
        assert_eq!(processed.children, []);

        let mut changed = found;
        changed[77].size = 11;
        changed.remove(64);
        let processed = sift("s", listing(changed), Some(&known), None);
        let Outcome::Listed { unchanged, .. } = &processed.outcome else { panic!() };
        assert_eq!((unchanged.len(), sizes(&processed)), (198, vec![1]));
    }

    #[test]
    fn a_memo_that_the_manifest_does_not_bear_out_is_not_believed() {
        let found = numbered(3, "a");
        let (memo, _) = all_known(&found);
        let scope = scope();
        let row = |location: &str, text: &[u8]| (location.into(), 0, Digest::of(text));
        let index = BaseIndex::new(None, vec![row("a0000000", b"other"), row("a0000002", b"a0000002")]);
        let known = Known { index: &index, memo: &memo, scope: &scope };
        let processed = sift("s", listing(found), Some(&known), None);
        let Outcome::Listed { unchanged, .. } = &processed.outcome else { panic!() };
        assert_eq!(unchanged, &["a0000002"]);
    }

    #[test]
    fn a_settlement_fits_into_a_message_however_many_locations_there_are() {
        let found = numbered(60_000, &"long/".repeat(40));
        let (memo, index) = all_known(&found);
        let scope = scope();
        let known = Known { index: &index, memo: &memo, scope: &scope };
        let processed = sift("s", listing(found), Some(&known), None);
        let Outcome::Listed { unchanged, to_read, .. } = &processed.outcome else { panic!() };
        assert_eq!(unchanged.len() as u64 + to_read, 60_000);
        assert!(*to_read > 0);
        let bytes = codec::encode(&processed.outcome).unwrap().len() + processed.children.len() * CHILD_BYTES;
        assert!(bytes <= MAX_SETTLED_BYTES + 1024, "{bytes}");
        // Their reader can tell without reading.
        let Work::Read { locations, .. } = &processed.children[0] else { panic!() };
        let mut reader = memo.reader(&scope);
        assert!(locations.iter().all(|listed| reader.look_up(listed).is_some()));
    }
}
