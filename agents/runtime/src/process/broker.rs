//! Settings that say where the broker is and how it is reached.

use std::path::PathBuf;

use clap::Args;
use quire_broker::{JetStreamOptions, TlsOptions};

/// Where the broker is.
#[derive(Clone, Args)]
pub struct BrokerArgs {
    /// NATS servers, separated by commas; a user and password may stand before an @
    #[arg(
        long,
        visible_alias = "nats",
        env = "QUIRE_NATS_URL",
        hide_env_values = true,
        default_value = "nats://127.0.0.1:4222",
        value_name = "URL"
    )]
    pub nats_url: String,
    /// NATS credentials file
    #[arg(long, env = "QUIRE_NATS_CREDS", value_name = "FILE")]
    pub nats_creds: Option<PathBuf>,
    /// Name at the servers, instead of one in --nats-url
    #[arg(long, env = "QUIRE_NATS_USER", value_name = "NAME", requires = "nats_password_file")]
    pub nats_user: Option<String>,
    /// File with its password; it is read again for every connection
    #[arg(long, env = "QUIRE_NATS_PASSWORD_FILE", value_name = "FILE", requires = "nats_user")]
    pub nats_password_file: Option<PathBuf>,
    /// Certificates of the authorities that the servers' are signed by, instead of the system's
    #[arg(long, env = "QUIRE_NATS_CA", value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,
    /// Our own certificate
    #[arg(long, env = "QUIRE_NATS_CERT", value_name = "FILE", requires = "nats_key")]
    pub nats_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, env = "QUIRE_NATS_KEY", value_name = "FILE", requires = "nats_cert")]
    pub nats_key: Option<PathBuf>,
}

impl BrokerArgs {
    /// As the broker takes them; `name` is what the server knows us by.
    #[must_use]
    pub fn options(&self, name: &str) -> JetStreamOptions {
        let mut options = JetStreamOptions::new(&self.nats_url);
        name.clone_into(&mut options.name);
        options.credentials.clone_from(&self.nats_creds);
        options.password_file = self.nats_user.clone().zip(self.nats_password_file.clone());
        let certificate = self.nats_cert.clone().zip(self.nats_key.clone());
        options.tls = TlsOptions { required: false, ca: self.nats_ca.clone(), certificate };
        options
    }
}

impl std::fmt::Debug for BrokerArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The options know how to show an address without its secrets.
        self.options("").fmt(f)
    }
}
