//! What a build may take.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use system_tests::{Build, Quire, RealFindings, watch};

#[test]
fn ten_thousand_finding_models_build_below_300_megabytes() {
    let Some(real) = RealFindings::find() else { return };
    let input = tempfile::tempdir().unwrap();
    let written = multiply(&real.models(), input.path(), 10_000);
    assert_eq!(written, 10_000);
    let quire = Quire::with("FINDINGS_ROOT", input.path());
    let watched = watch(quire.build_command(&Build::of("findings")));
    assert_eq!(watched.ended.code, Some(0), "{}", watched.ended.err);
    let report = watched.ended.report();
    assert_eq!(report.runs[0].records.published, 10_000, "{:?}", report.runs[0].records);
    println!("peak resident: {} MB", watched.peak_bytes / 1_000_000);
    assert!(watched.peak_bytes < 300_000_000, "{} bytes resident", watched.peak_bytes);
}

/// Writes `wanted` models to `to`: the real ones again and again under new ids and names.
fn multiply(from: &Path, to: &Path, wanted: usize) -> usize {
    let mut models: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    models.sort();
    let mut written = 0;
    for copy in 0.. {
        for model in &models {
            if written == wanted {
                return written;
            }
            let text = fs::read_to_string(model).unwrap();
            let stem = model.file_name().unwrap().to_str().unwrap();
            fs::write(to.join(format!("{copy}-{stem}")), renamed(&text, copy)).unwrap();
            written += 1;
        }
    }
    written
}

/// The model under an id, attribute ids and a name of its own: the source code of an id takes the number of the copy as letters.
fn renamed(text: &str, copy: usize) -> String {
    if copy == 0 {
        return text.to_owned();
    }
    let letter = char::from(b'A' + u8::try_from(copy % 26).unwrap());
    let mut model: serde_json::Value = serde_json::from_str(text).unwrap();
    let name = format!("{} copy {copy}", model["name"].as_str().unwrap());
    model["name"] = name.into();
    let text = serde_json::to_string_pretty(&model).unwrap();
    // A source code has three or four letters: three become four, four get another first letter.
    let mut out = text;
    for code in ["GMTS", "OIDM", "CDE", "MGB", "MSFT"] {
        let other =
            if code.len() == 3 { format!("{code}{letter}") } else { format!("{letter}{}", &code[1..]) };
        for prefix in ["OIFM_", "OIFMA_"] {
            out = out.replace(&format!("{prefix}{code}_"), &format!("{prefix}{other}_"));
        }
    }
    out
}
