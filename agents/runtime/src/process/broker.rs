//! Settings that say where the broker is and how it is reached.

use std::path::PathBuf;

use clap::Args;
use quire_broker::{JetStreamOptions, TlsOptions};

/// Settings of which one is nothing without the other. Not for the parser to check: of a value that stands in the
/// settings file it does not know that it was given.
pub(super) const PAIRS: [(&str, &str); 2] = [("nats-user", "nats-password-file"), ("nats-cert", "nats-key")];

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
    /// Name at the servers, instead of one in --nats-url; needs --nats-password-file
    #[arg(long, env = "QUIRE_NATS_USER", value_name = "NAME")]
    pub nats_user: Option<String>,
    /// File with the password of --nats-user; it is read again for every connection
    #[arg(long, env = "QUIRE_NATS_PASSWORD_FILE", value_name = "FILE")]
    pub nats_password_file: Option<PathBuf>,
    /// Certificates of the authorities that the servers' are signed by, instead of the system's
    #[arg(long, env = "QUIRE_NATS_CA", value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,
    /// Our own certificate; needs --nats-key
    #[arg(long, env = "QUIRE_NATS_CERT", value_name = "FILE")]
    pub nats_cert: Option<PathBuf>,
    /// The key of --nats-cert
    #[arg(long, env = "QUIRE_NATS_KEY", value_name = "FILE")]
    pub nats_key: Option<PathBuf>,
}

impl BrokerArgs {
    /// Settings that are given without the one that belongs to them: name of the one that is given, and of the other.
    #[must_use]
    pub fn unpaired(&self) -> Option<(&'static str, &'static str)> {
        let given = [
            (self.nats_user.is_some(), self.nats_password_file.is_some()),
            (self.nats_cert.is_some(), self.nats_key.is_some()),
        ];
        PAIRS.into_iter().zip(given).find_map(|((one, other), given)| match given {
            (true, false) => Some((one, other)),
            (false, true) => Some((other, one)),
            _ => None,
        })
    }

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
