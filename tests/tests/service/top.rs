//! `quire top` in a terminal: what is on the screen changes by itself, and a key ends it.

use std::{
    fs,
    io::Write as _,
    num::NonZeroU16,
    process::{Command, Stdio},
};

use system_tests::{Cluster, Quire, birds};

use crate::until;

const ROWS: NonZeroU16 = NonZeroU16::new(40).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(160).unwrap();
/// What a terminal is told to go back to what was on it before.
const BACK: &str = "\u{1b}[?1049l";

#[test]
fn a_terminal_shows_what_happens_until_a_key_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = birds(folder.path(), "birds", &[("heron", ",\"colour\":\"grey\"")]);
    let cluster = Cluster::start(1, &[("BIRDS_ROOT", catalogue.join("data").to_str().unwrap())]);
    let (quire, screen) = (Quire::new(), folder.path().join("screen"));
    let program = quire.command(["top"]).get_program().to_owned();
    let top = format!(
        "stty rows {ROWS} cols {COLUMNS}; exec {} top --every 1s --server {}",
        program.display(),
        cluster.servers()
    );
    // A terminal of its own; what is written to it is kept.
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--flush", "--return", "--command", &top]).arg(&screen);
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let written = || fs::read(&screen).unwrap_or_default();
    let shown = || {
        let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
        screen.process(&written());
        screen.screen().contents()
    };
    let is_over = || String::from_utf8_lossy(&written()).contains(BACK);
    until("the first screen", || shown().contains("q ends"));
    assert!(shown().contains("render") && !shown().contains("birds-1"), "{}", shown());
    let _ = cluster.run_folder(&catalogue);
    until("the run on the screen", || shown().contains("birds-1"));
    assert!(!is_over(), "{}", shown());
    terminal.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    until("the end", || terminal.try_wait().unwrap().is_some());
    let ended = terminal.wait().unwrap();
    assert!(ended.success() && is_over(), "{ended}: {}", shown());
}
