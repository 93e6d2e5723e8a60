//! Other processes, as this one finds and reaches them.

use std::{cmp::Reverse, time::Duration};

use prost::Message as _;
use quire_api::control::AgentEntry;
use quire_broker::{Bucket, KvError};
use tonic::transport::{Channel, Endpoint};

use super::{Process, ProcessError, REGISTER};

/// How long a process may take to answer a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The stage that coordinators name in the register.
const COORDINATE: &str = "coordinate";

/// Why another process is not reached.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The register cannot be read.
    #[error("cannot read the register of agents")]
    Register(#[from] KvError),
    /// No coordinator says that it leads.
    #[error("no coordinator leads at present")]
    NoLeader,
    /// Our own certificates.
    #[error(transparent)]
    Certificates(Box<ProcessError>),
    /// It does not answer, or is not who it should be.
    #[error("cannot reach the coordinator at {address}")]
    Connect {
        /// Where it said that it is.
        address: String,
        /// Why not.
        source: tonic::transport::Error,
    },
}

impl Process {
    /// A connection to the coordinator that leads; with TLS, this process shows the certificate that it listens with, and the
    /// coordinator's must be signed by the authority of callers.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn coordinator(&self) -> Result<Channel, PeerError> {
        let mut entries = self.broker.kv(Bucket::Leases).entries(REGISTER).await?;
        // Who spoke last first: the entry of one that was killed stays for a while.
        entries.sort_unstable_by_key(|entry| Reverse(entry.revision));
        let leads = |entry: &AgentEntry| {
            entry.status.as_ref().is_some_and(|status| status.stage == COORDINATE && status.ready)
        };
        let entries = entries.iter().filter_map(|entry| AgentEntry::decode(entry.value.clone()).ok());
        let mut away = PeerError::NoLeader;
        for entry in entries.filter(leads) {
            match self.connect(&entry.address).await {
                Ok(channel) => return Ok(channel),
                Err(error) => away = error,
            }
        }
        Err(away)
    }

    async fn connect(&self, address: &str) -> Result<Channel, PeerError> {
        let failed = |source| PeerError::Connect { address: address.to_owned(), source };
        let mut endpoint =
            Endpoint::from_shared(address.to_owned()).map_err(failed)?.connect_timeout(CONNECT);
        let certificates = |error| PeerError::Certificates(Box::new(error));
        if address.starts_with("https:")
            && let Some(tls) = self.args.tls.as_client().map_err(certificates)?
        {
            endpoint = endpoint.tls_config(tls).map_err(failed)?;
        }
        endpoint.connect().await.map_err(failed)
    }
}
