//! A disk fills up and gets room again: the broker's, and that of the store. Small disks of their own stand for both.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};

/// How long the disk stays full, in milliseconds.
const FULL_MS: std::ops::Range<u64> = 1_000..4_000;
/// What a run says that finds no room: a stage of it, or the coordinator.
const NO_ROOM: &[&str] = &["make room", "No space left on device"];
/// What is left, so that what is there can be looked at.
const BALLAST: &str = "ballast";

/// A small disk in memory, gone when this is dropped.
struct Disk(PathBuf);

impl Disk {
    /// Mounted at `at`; or why that cannot be.
    fn mount(at: &Path, megabytes: usize) -> Result<Self, String> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .env("LC_ALL", "C")
            .output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self(at.to_path_buf())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn fill(&self) {
        let mut file = File::create(self.0.join(BALLAST)).unwrap();
        while file.write_all(&[0; 1 << 16]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.0.join(BALLAST)).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// The broker's disk. Its server does not come back by itself from that, so it is started again, as the runbook says.
pub(super) fn run_broker(arena: &Arena) -> Told {
    let folder = tempfile::Builder::new().prefix("quire-full-").tempdir().unwrap();
    // Room for all that may wait at once: the server gives back what was done only by and by.
    let disk = match Disk::mount(&folder.path().join("broker"), 256 + arena.options.records / 16) {
        Ok(disk) => disk,
        Err(reason) => return Told::skipped(format!("no file system can be mounted: {reason}")),
    };
    let mut options = arena.cluster("broker-full").agents(2);
    options.broker_store = Some(disk.0.join("store"));
    let mut storm = Storm::over(arena, "broker-full", options);
    let weather = Weather { faults: arena.times(2, 20), a_run: 2, gap_ms: 50..1_000 };
    storm.rage(&weather, |storm| {
        disk.fill();
        let full = Duration::from_millis(storm.random.within(FULL_MS));
        storm.hold(full);
        disk.free();
        storm.cluster.nats[0].kill();
        storm.cluster.nats[0].resume();
        Instant::now()
    });
    storm.tell()
}

/// The disk of the store. A run that finds no room ends and says so; once there is room, the next one goes on.
pub(super) fn run_store(arena: &Arena) -> Told {
    let folder = tempfile::Builder::new().prefix("quire-full-").tempdir().unwrap();
    let disk = match Disk::mount(&folder.path().join("store"), 256 + arena.options.records / 4) {
        Ok(disk) => disk,
        Err(reason) => return Told::skipped(format!("no file system can be mounted: {reason}")),
    };
    let options = |round: usize| {
        let mut options = arena.cluster("store-full").agents(2);
        options.store = Some(disk.0.join(format!("store-{round}")));
        options
    };
    let mut storm = Storm::over(arena, "store-full", options(0));
    storm.forgives = NO_ROOM;
    for round in 0..arena.times(2, 20) {
        // A store that holds everything already needs no room.
        if round > 0 {
            storm.afresh(options(round));
            fs::remove_dir_all(disk.0.join(format!("store-{}", round - 1))).unwrap();
        }
        storm.begin();
        let gap = Duration::from_millis(storm.random.within(50..1_000));
        storm.wait(gap);
        disk.fill();
        while !storm.is_over() {}
        disk.free();
        storm.struck(Instant::now());
        if storm.was_forgiven() {
            storm.begin();
            while !storm.is_over() {}
        }
        storm.check();
    }
    let refused = storm.refused;
    assert!(refused > 0, "{}: no run ever met the full disk", storm.place());
    storm.told.notes.push(format!("{refused} runs ended for want of room and said so"));
    storm.tell()
}
