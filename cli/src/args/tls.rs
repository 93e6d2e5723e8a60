//! Servers that are asked, and how they are reached over TLS.

use std::path::PathBuf;

use clap::Args;

use super::ServerArgs;

/// Files and names for TLS.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsArgs {
    /// Certificate of the authority that the servers' are signed by, instead of the system's; PEM
    #[arg(long, help_heading = "TLS", env = "QUIRE_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Our own certificate
    #[arg(long, help_heading = "TLS", env = "QUIRE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, help_heading = "TLS", env = "QUIRE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Name that is in the servers' certificates, if it is not that of their addresses
    #[arg(long, help_heading = "TLS", env = "QUIRE_TLS_NAME", value_name = "NAME")]
    pub tls_name: Option<String>,
}

/// A coordinator that may be asked instead of looking at this machine.
#[derive(Debug, Clone, Args)]
pub struct OtherServerArgs {
    /// Ask this coordinator
    #[arg(long, env = "QUIRE_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// TLS
    #[command(flatten)]
    pub tls: TlsArgs,
}

impl OtherServerArgs {
    /// The coordinator, if one is to be asked.
    pub(crate) fn given(&self) -> Option<ServerArgs> {
        Some(ServerArgs { server: self.server.clone()?, tls: self.tls.clone() })
    }
}

impl TlsArgs {
    /// Whether anything is said of TLS: then an address without a scheme means it.
    pub(crate) const fn is_given(&self) -> bool {
        self.tls_ca.is_some() || self.tls_cert.is_some() || self.tls_name.is_some()
    }
}
