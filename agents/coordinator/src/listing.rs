//! Locations of sources: what was listed this time, beside what the last manifest's rows come from.

use std::collections::{BTreeMap, HashSet};

use quire_proto::{Digest, DigestBuilder, manifest::SourceState};

/// What became of one source's listing.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Whether the listing was settled at all.
    pub(crate) listed: bool,
    /// Locations that are as the last manifest knows them.
    pub(crate) unchanged: HashSet<Box<str>>,
    /// Why the listing is not complete; then nothing of the source is removed.
    pub(crate) failure: Option<String>,
    /// Locations that could not be read, with the reason; their items keep their state.
    pub(crate) failed: BTreeMap<String, String>,
}

impl Listing {
    /// The state of this source if all its rows came from the unchanged locations.
    pub(crate) fn state(&self, source: &str) -> Option<SourceState> {
        let mut locations: Vec<&str> = self.unchanged.iter().map(AsRef::as_ref).collect();
        locations.sort_unstable();
        let mut states = SourceStates::default();
        for location in locations {
            states.add(source, location);
        }
        states.finish().pop()
    }
}

/// Digests the locations of rows that come sorted by item.
#[derive(Default)]
pub(crate) struct SourceStates {
    done: Vec<SourceState>,
    source: String,
    last: Option<String>,
    locations: u64,
    digest: DigestBuilder,
}

impl SourceStates {
    /// Notes where a row comes from.
    pub(crate) fn add(&mut self, source: &str, location: &str) {
        if self.last.is_some() && self.source == source && self.last.as_deref() == Some(location) {
            return;
        }
        if self.last.is_none() || self.source != source {
            self.close();
            source.clone_into(&mut self.source);
            self.digest = DigestBuilder::new("quire locations");
        }
        self.locations += 1;
        self.digest = std::mem::take(&mut self.digest).text(location);
        self.last = Some(location.to_owned());
    }

    fn close(&mut self) {
        if self.last.take().is_some() {
            let digest: Digest = std::mem::take(&mut self.digest).finish();
            let (source, locations) = (std::mem::take(&mut self.source), std::mem::take(&mut self.locations));
            self.done.push(SourceState { source, locations, digest });
        }
    }

    /// The sources in the order of the rows.
    pub(crate) fn finish(mut self) -> Vec<SourceState> {
        self.close();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_equals_the_rows_that_came_from_it() {
        let mut states = SourceStates::default();
        for (source, location) in [("a", "x"), ("a", "x"), ("a", "y"), ("b", "y")] {
            states.add(source, location);
        }
        let states = states.finish();
        let listing = |names: &[&str]| Listing {
            unchanged: names.iter().map(|&name| name.into()).collect(),
            ..Listing::default()
        };
        assert_eq!(listing(&["y", "x"]).state("a"), Some(states[0].clone()));
        assert_eq!(listing(&["y"]).state("b"), Some(states[1].clone()));
        assert_ne!(listing(&["y"]).state("a"), Some(states[0].clone()));
        assert_eq!(listing(&[]).state("a"), None);
    }
}
