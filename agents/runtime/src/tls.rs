//! The one TLS provider of our programs.

/// Installs it, where none was chosen yet. Whoever opens a connection over TLS calls this first.
pub fn install_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody else was faster: then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
