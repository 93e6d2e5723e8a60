//! Asks a bucket whether it does for a store.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures_util::StreamExt as _;

use super::{
    Bucket,
    refusal::{Refusal, RefusalKind},
};

/// The object that tells whether creating works.
const PROBE: &str = "probe";

/// Why a bucket cannot be used as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketTrouble {
    /// The server speaks no TLS, and nobody said that it need not.
    #[error(
        "AWS_ENDPOINT_URL is {endpoint}, which is not encrypted: expected https://, or AWS_ALLOW_HTTP=true on a network \
         that you trust"
    )]
    Plain {
        /// The server.
        endpoint: String,
    },
    /// A variable does not make sense.
    #[error("cannot use the variables AWS_*: {0}")]
    Settings(String),
    /// There is no thread for it.
    #[error("cannot start the thread of the store")]
    Thread(#[source] io::Error),
    /// The server does not answer; it may later.
    #[error("the store {store} is away: no answer from {endpoint}: {said}{hint}")]
    Away {
        /// The store.
        store: String,
        /// The server.
        endpoint: String,
        /// What happened.
        said: String,
        /// What may be wrong.
        hint: &'static str,
    },
    /// There is no such bucket.
    #[error(
        "there is no bucket for the store {store} at {endpoint}: create it, or correct QUIRE_STORE or AWS_ENDPOINT_URL"
    )]
    NoBucket {
        /// The store.
        store: String,
        /// The server.
        endpoint: String,
    },
    /// The server knows us not, or does not let us.
    #[error(
        "{endpoint} does not let us use the store {store}: {said}: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and \
         AWS_REGION, and that they may list, read, write and delete there{hint}"
    )]
    Denied {
        /// The store.
        store: String,
        /// The server.
        endpoint: String,
        /// What it said.
        said: String,
        /// What may be wrong.
        hint: &'static str,
    },
    /// It would let two coordinators commit the same epoch.
    #[error(
        "{endpoint} does not heed `If-None-Match: *`, without which two coordinators could commit at the same time: \
         expected a server with conditional writes"
    )]
    Unconditional {
        /// The server.
        endpoint: String,
    },
    /// It does not work, and will not the next time.
    #[error("cannot use the store {store} at {endpoint}: {said}")]
    Unusable {
        /// The store.
        store: String,
        /// The server.
        endpoint: String,
        /// What happened.
        said: String,
    },
}

impl BucketTrouble {
    /// Whether waiting may help.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    pub(super) fn settings(error: object_store::Error) -> Self {
        match error {
            object_store::Error::Generic { source, .. } => Self::Settings(source.to_string()),
            error => Self::Settings(error.to_string()),
        }
    }
}

impl Bucket {
    /// Asks the server, once and without patience, for what a store needs: listing, creating only what is not there, looking.
    ///
    /// # Errors
    /// What is missing, and what to do.
    pub fn probe(&self) -> Result<(), BucketTrouble> {
        self.first_page().map_err(|error| self.trouble(&error))?;
        let create = || {
            let mark = Bytes::from_static(
                b"Quire creates this twice at every start: the second time has to fail.\n",
            );
            self.create_at(&self.server.impatient, PROBE, &mark).map_err(|error| self.trouble(&error))
        };
        create()?;
        if create()? {
            return Err(BucketTrouble::Unconditional { endpoint: self.server.endpoint.clone() });
        }
        Ok(())
    }

    fn first_page(&self) -> io::Result<()> {
        let (objects, path) = (Arc::clone(&self.server.impatient), self.path("")?);
        self.server.bridge.call(async move {
            match objects.list(Some(&path)).next().await {
                Some(Err(error)) => Err(Refusal::of(&error).into()),
                _ => Ok(()),
            }
        })
    }

    fn trouble(&self, error: &io::Error) -> BucketTrouble {
        let (store, endpoint, said) = (self.url.clone(), self.server.endpoint.clone(), error.to_string());
        let hint = if self.server.credentials {
            ""
        } else {
            "; AWS_ACCESS_KEY_ID is not set, so the machine's metadata service was asked who we are"
        };
        match Refusal::in_error(error).map(|refusal| refusal.kind) {
            Some(RefusalKind::Away) => BucketTrouble::Away { store, endpoint, said, hint },
            // A list of nothing is empty: what is absent is the bucket.
            Some(RefusalKind::NoBucket | RefusalKind::Absent) => BucketTrouble::NoBucket { store, endpoint },
            Some(RefusalKind::Denied) => BucketTrouble::Denied { store, endpoint, said, hint },
            _ => BucketTrouble::Unusable { store, endpoint, said },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_creates_only_what_is_not_there_will_do_each_time() {
        let bucket = Bucket::in_memory("a").unwrap();
        bucket.probe().unwrap();
        bucket.probe().unwrap();
    }
}
