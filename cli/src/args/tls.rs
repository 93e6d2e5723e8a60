//! How servers are reached over TLS.

use std::path::PathBuf;

use clap::Args;

/// Files and names for TLS.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Certificate of the authority that the servers' are signed by, instead of the system's; PEM
    #[arg(long, env = "QUIRE_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Our own certificate
    #[arg(long, env = "QUIRE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, env = "QUIRE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Name that is in the servers' certificates, if it is not that of their addresses
    #[arg(long, env = "QUIRE_TLS_NAME", value_name = "NAME")]
    pub tls_name: Option<String>,
}

impl TlsArgs {
    /// Whether anything is said of TLS: then an address without a scheme means it.
    pub(crate) const fn is_given(&self) -> bool {
        self.tls_ca.is_some() || self.tls_cert.is_some() || self.tls_name.is_some()
    }
}
