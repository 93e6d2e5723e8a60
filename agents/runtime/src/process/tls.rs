//! TLS of the control plane: a certificate of its own, and only callers with one of the authority's.

use std::path::{Path, PathBuf};

use clap::Args;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::ProcessError;

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
    pub(super) fn read(&self) -> Result<Option<ServerTlsConfig>, ProcessError> {
        let Self { tls_cert, tls_key, tls_client_ca } = self;
        let (cert, key, ca) = match (tls_cert, tls_key, tls_client_ca) {
            (None, None, None) => return Ok(None),
            (Some(cert), Some(key), Some(ca)) => (cert, key, ca),
            _ => return Err(ProcessError::HalfTls),
        };
        let identity = Identity::from_pem(read(cert)?, read(key)?);
        let authority = Certificate::from_pem(read(ca)?);
        Ok(Some(ServerTlsConfig::new().identity(identity).client_ca_root(authority)))
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
