//! An upstream that takes what is asked and never answers: whoever asks it is at work until he is told to end.

use std::{
    fs,
    io::Read as _,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
};

/// The upstream. Connections that nobody has accepted are held by the system.
pub(super) struct Silent(TcpListener);

impl Silent {
    pub(super) fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Where it is, and what it is told, as agents take it.
    pub(super) fn variables(&self) -> [(&'static str, String); 2] {
        let server = format!("http://{}", self.0.local_addr().unwrap());
        [("NEUPRINT_SERVER", server), ("NEUPRINT_TOKEN", "none".to_owned())]
    }

    /// Waits until somebody asks; he waits until this is dropped.
    pub(super) fn asked(&self) -> TcpStream {
        let (mut asked, _) = self.0.accept().unwrap();
        assert!(asked.read(&mut [0; 1]).unwrap() > 0);
        asked
    }
}

/// A catalogue that reads such an upstream.
pub(super) fn reads_neuprint(folder: &Path, name: &str) -> PathBuf {
    let catalogue = folder.join(name);
    fs::create_dir_all(catalogue.join("templates")).unwrap();
    fs::write(catalogue.join("templates/record.html"), "{{ title }}").unwrap();
    let definition = format!(
        "catalogue: {name}\ntitle: Types\nsources:\n  - name: types\n    neuprint:\n      \
         server: \"${{NEUPRINT_SERVER}}\"\n      dataset: \"cns:v0.9\"\n      token: \"${{NEUPRINT_TOKEN}}\"\n      \
         timeout_seconds: 60\nrecord:\n  key: .type\n  title: .type\npages:\n  record: templates/record.html\n"
    );
    fs::write(catalogue.join("catalogue.yaml"), definition).unwrap();
    catalogue
}
