//! The broker's disk after a power cut, modelled by a copy of its image: what the file system has not written to the disk yet
//! is not in it.
//!
//! The server stands still while the image is copied, and the copy counts only if nothing was written meanwhile: a disk has one
//! state when the power goes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use test_servers::Signal;

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};

/// Copies until one shows a disk that stood still.
const COPIES: u32 = 20;
/// Nothing is written by and by: not before so many seconds, unless somebody asks for it.
const LATER: &str = "loop,noatime,commit=600";

pub(super) fn run(arena: &Arena) -> Told {
    let folder = tempfile::Builder::new().prefix("quire-power-").tempdir().unwrap();
    let image = match Image::make(folder.path(), 256 + arena.options.records / 16) {
        Ok(image) => image,
        Err(reason) => return Told::skipped(format!("no file system can be mounted: {reason}")),
    };
    let mut options = arena.cluster("power-cut").agents(2);
    options.broker_store = Some(image.at.join("store"));
    let mut storm = Storm::over(arena, "power-cut", options);
    let weather = Weather { faults: arena.times(2, 20), a_run: 2, gap_ms: 100..1_500 };
    storm.rage(&weather, |storm| cut(storm, &image));
    storm.tell()
}

fn cut(storm: &mut Storm, image: &Image) -> Instant {
    storm.cluster.nats[0].tell(Signal::Stop);
    let copy = image.copied();
    storm.cluster.nats[0].kill();
    image.replace(&copy);
    let away = Duration::from_millis(storm.random.within(0..500));
    storm.hold(away);
    storm.cluster.nats[0].resume();
    // Each of them was synced when it was made.
    let lost = storm.cluster.apply();
    assert!(lost.is_empty(), "{}: lost with the power: {lost:?}", storm.place());
    Instant::now()
}

/// A file system in a file, mounted until this is dropped.
struct Image {
    file: PathBuf,
    at: PathBuf,
}

impl Image {
    /// In `folder`; or why that cannot be.
    fn make(folder: &Path, megabytes: usize) -> Result<Self, String> {
        let image = Self { file: folder.join("disk"), at: folder.join("broker") };
        fs::create_dir_all(&image.at).unwrap();
        fs::File::create(&image.file).unwrap().set_len((megabytes as u64) << 20).unwrap();
        // Its tables whole from the start: else the kernel goes on making them.
        let tables = "lazy_itable_init=0,lazy_journal_init=0";
        done(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-E", tables]).arg(&image.file))?;
        image.mount()?;
        Ok(image)
    }

    fn mount(&self) -> Result<(), String> {
        done(Command::new("mount").args(["-o", LATER]).arg(&self.file).arg(&self.at))
    }

    /// What a disk would have if the power went now.
    fn copied(&self) -> PathBuf {
        let copy = self.file.with_extension("copy");
        for _ in 0..COPIES {
            done(Command::new("cp").arg("--sparse=always").arg(&self.file).arg(&copy)).unwrap();
            if done(Command::new("cmp").arg("--quiet").arg(&self.file).arg(&copy)).is_ok() {
                return copy;
            }
        }
        panic!("the disk does not stand still though its server does");
    }

    /// The disk after the power has come back.
    fn replace(&self, copy: &Path) {
        done(Command::new("umount").arg(&self.at)).unwrap();
        fs::rename(copy, &self.file).unwrap();
        self.mount().unwrap();
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

/// Runs a command; or what it says is wrong.
fn done(command: &mut Command) -> Result<(), String> {
    match command.env("LC_ALL", "C").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
