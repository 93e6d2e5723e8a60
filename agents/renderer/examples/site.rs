//! What the writer costs: `site FOLDER [FILES]` writes FILES files of 5 KiB into a site below FOLDER, asks
//! whether they stand, saves and loads the stamps, and writes a tenth of them again.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an example, not a service"
)]

use std::{path::Path, time::Instant};

use quire_proto::Digest;
use quire_renderer::edge::{SiteWriter, Stamps};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, rest @ ..] = arguments.as_slice() else {
        println!("usage: site FOLDER [FILES]");
        return;
    };
    let count: usize = rest.first().map_or(6_117, |text| text.parse().expect("FILES is a number"));
    let folder = Path::new(folder);
    let files: Vec<(String, Vec<u8>)> = (0..count).map(|number| (path(number), content(number, 0))).collect();
    let expected: Vec<(String, Digest)> =
        files.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect();
    let writer = SiteWriter::open(&folder.join("site"), &folder.join("tmp")).expect("the folders open");

    timed("write", || {
        for ((path, bytes), (_, digest)) in files.iter().zip(&expected) {
            assert!(writer.write(path, digest, bytes).expect("the file is written"));
        }
    });
    timed("verify, stamped by this process", || {
        assert!(writer.verify(expected.clone()).expect("the site can be read").is_empty());
    });
    let stamps = timed("encode stamps", || writer.encode_stamps());
    println!("{} bytes of stamps", stamps.len());
    let again = SiteWriter::open(&folder.join("site"), &folder.join("tmp")).expect("the folders open");
    timed("load stamps", || again.set_stamps(Stamps::decode(&stamps).expect("the stamps are whole")));
    timed("verify, stamped by another process", || {
        assert!(again.verify(expected.clone()).expect("the site can be read").is_empty());
    });
    let bare = SiteWriter::open(&folder.join("site"), &folder.join("tmp")).expect("the folders open");
    timed("verify without stamps", || {
        assert!(bare.verify(expected.clone()).expect("the site can be read").is_empty());
    });
    timed("write a tenth again", || {
        for number in (0..count).step_by(10) {
            let bytes = content(number, 1);
            again.write(&path(number), &Digest::of(&bytes), &bytes).expect("the file is written");
        }
    });
}

fn path(number: usize) -> String {
    format!("findings/a_page_with_a_name_of_common_length_{number:06}.html")
}

fn content(number: usize, version: usize) -> Vec<u8> {
    format!("<p>{number} {version}</p>\n").repeat(300).into_bytes()
}

/// Does `work` and prints its wall time and CPU time.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (start, cpu) = (Instant::now(), cpu_ticks());
    let done = work();
    println!(
        "{what}: {:.1} ms wall, {} ms CPU",
        start.elapsed().as_secs_f64() * 1e3,
        (cpu_ticks() - cpu) * 10
    );
    done
}

/// User and system time of this process in hundredths of a second.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}
