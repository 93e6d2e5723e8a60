//! TLS of the control plane: a certificate of its own, and only callers with one of the authority's.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use quire_proto::{Digest, DigestBuilder};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use super::ProcessError;

/// How often one looks whether the files are others by now.
const LOOK: Duration = Duration::from_secs(5);

/// Files for TLS with client certificates: all of them or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ListenTlsArgs {
    /// Certificate of the control plane, with which it may listen beyond loopback; PEM
    #[arg(long, env = "QUIRE_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, env = "QUIRE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Certificate of the authority that callers' certificates must be signed by
    #[arg(long, env = "QUIRE_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,
}

impl ListenTlsArgs {
    /// The files read; `None` without any.
    pub(super) fn read(&self) -> Result<Option<Guard>, ProcessError> {
        let Self { tls_cert, tls_key, tls_client_ca } = self.clone();
        match (tls_cert, tls_key, tls_client_ca) {
            (None, None, None) => Ok(None),
            (Some(cert), Some(key), Some(ca)) => Guard::read([cert, key, ca]).map(Some),
            _ => Err(ProcessError::HalfTls),
        }
    }

    /// How this process calls others, as who it is to its own callers; `None` without certificates. Read anew each time:
    /// certificates are renewed while a process runs.
    pub(super) fn as_client(&self) -> Result<Option<ClientTlsConfig>, ProcessError> {
        let (Some(cert), Some(key), Some(ca)) = (&self.tls_cert, &self.tls_key, &self.tls_client_ca) else {
            return Ok(None);
        };
        let identity = Identity::from_pem(read(cert)?, read(key)?);
        let authority = Certificate::from_pem(read(ca)?);
        Ok(Some(ClientTlsConfig::new().identity(identity).ca_certificate(authority)))
    }
}

/// Certificates as they were read.
#[derive(Debug)]
pub(super) struct Guard {
    /// Certificate, key, authority of callers.
    files: [PathBuf; 3],
    config: ServerTlsConfig,
    /// Of what the files held.
    digest: Digest,
}

impl Guard {
    fn read(files: [PathBuf; 3]) -> Result<Self, ProcessError> {
        let [cert, key, ca] = [read(&files[0])?, read(&files[1])?, read(&files[2])?];
        let digest = DigestBuilder::new("quire certificates");
        let digest = digest.bytes(&cert).bytes(&key).bytes(&ca).finish();
        let (identity, authority) = (Identity::from_pem(cert, key), Certificate::from_pem(ca));
        let config = ServerTlsConfig::new().identity(identity).client_ca_root(authority);
        Ok(Self { files, config, digest })
    }

    pub(super) fn config(&self) -> ServerTlsConfig {
        self.config.clone()
    }

    /// Waits until the files are others and can be read: certificates are renewed while a process runs.
    pub(super) async fn renewed(&self) -> Self {
        loop {
            tokio::time::sleep(LOOK).await;
            match Self::read(self.files.clone()) {
                Ok(now) if now.digest != self.digest => return now,
                Ok(_) => {}
                Err(error) => tracing::warn!(
                    error = crate::chain(&error),
                    "certificates cannot be read; those in use stay"
                ),
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ProcessError> {
    std::fs::read(path).map_err(|source| ProcessError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_the_files_are_as_good_as_none_and_that_is_told() {
        assert!(ListenTlsArgs::default().read().unwrap().is_none());
        let half = ListenTlsArgs { tls_cert: Some("a.pem".into()), ..ListenTlsArgs::default() };
        assert!(matches!(half.read(), Err(ProcessError::HalfTls)));
        let all = ListenTlsArgs {
            tls_cert: Some("no-such.pem".into()),
            tls_key: Some("b".into()),
            tls_client_ca: Some("c".into()),
        };
        assert!(all.read().unwrap_err().to_string().contains("no-such.pem"));
    }
}
