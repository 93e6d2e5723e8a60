//! Generates the gRPC code from `proto/quire/**.proto`, without a system protoc.

use std::{error::Error, fs, path::PathBuf};

const SOURCES: &str = "..";
const FILES: [&str; 5] = [
    "quire/run/v1/run.proto",
    "quire/control/v1/agent.proto",
    "quire/control/v1/fleet.proto",
    "quire/page/v1/page.proto",
    "quire/search/v1/search.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={SOURCES}/quire");
    let described = protox::compile(FILES, [SOURCES])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Reflection serves this.
    fs::write(out.join("descriptors.bin"), prost::Message::encode_to_vec(&described))?;
    tonic_prost_build::configure().compile_fds(described)?;
    Ok(())
}
