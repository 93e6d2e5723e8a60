//! The program itself starts. What it does is tested in `tests/`, which needs it to be built: this test sees to that.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

#[test]
fn the_program_tells_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_quire")).arg("--version").output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        format!("quire {}", env!("CARGO_PKG_VERSION"))
    );
}
