//! The broker's disk after a power cut, modelled by a copy of its folder that is made while it runs.
//!
//! Files are copied one after the other, so the copy is torn: some are older than others, some are missing.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};

pub(super) fn run(arena: &Arena) -> Told {
    let mut storm = Storm::over(arena, "power-cut", arena.cluster("power-cut").agents(2));
    let weather = Weather { faults: arena.times(2, 20), a_run: 2, gap_ms: 100..1_500 };
    storm.rage(&weather, cut);
    storm.tell()
}

fn cut(storm: &mut Storm) -> Instant {
    let store = storm.cluster.nats[0].store().to_path_buf();
    let copy = store.with_extension("copy");
    let _ = fs::remove_dir_all(&copy);
    copy_torn(&store, &copy).unwrap();
    storm.cluster.nats[0].kill();
    let away = Duration::from_millis(storm.random.within(0..500));
    storm.hold(away);
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&copy, &store).unwrap();
    storm.cluster.nats[0].resume();
    // A stream of which too little was left is gone.
    storm.cluster.apply();
    Instant::now()
}

/// Copies what is there when it is looked at; what goes meanwhile is left out.
fn copy_torn(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let Ok(entry) = entry else { continue };
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_torn(&path, &target)?;
        } else {
            match fs::copy(&path, &target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied?),
            }
        }
    }
    Ok(())
}
