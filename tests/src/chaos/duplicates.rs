//! Parcels and settlements that come again: while the server remembers them, and after it has forgotten them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde_json::Value;
use test_servers::{Heard, Wire};

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};

/// How long the servers of this scenario remember ids.
const WINDOW: Duration = Duration::from_secs(2);
/// Messages sent again at once.
const VOLLEY: usize = 20;
/// Messages that are kept to be sent again.
const KEPT: usize = 4_096;
/// Streams with a shorter memory.
const STREAMS: [&str; 5] =
    ["Q_FETCH_NORMAL", "Q_VALIDATE_NORMAL", "Q_INDEX_NORMAL", "Q_RENDER_NORMAL", "Q_SETTLED"];

pub(super) fn run(arena: &Arena) -> Told {
    let mut storm = Storm::over(arena, "duplicates", arena.cluster("duplicates").agents(2));
    let mut wire = storm.cluster.nats[0].wire().unwrap();
    STREAMS.iter().for_each(|stream| shorten(&mut wire, stream));
    wire.subscribe("quire.v1.>").unwrap();
    let mut kept: VecDeque<(Instant, Heard)> = VecDeque::new();
    let (mut inside, mut outside) = (0, 0);
    let weather = Weather { faults: arena.times(10, 200), a_run: 20, gap_ms: 50..400 };
    storm.rage(&weather, |storm| {
        while let Some(heard) = wire.hear().unwrap() {
            kept.push_back((Instant::now(), heard));
            if kept.len() > KEPT {
                kept.pop_front();
            }
        }
        for _ in 0..VOLLEY.min(kept.len()) {
            let pick = storm.random.within(0..kept.len() as u64);
            let (at, heard) = &kept[usize::try_from(pick).unwrap()];
            wire.publish(&heard.subject, heard.id(), &heard.payload).unwrap();
            *(if at.elapsed() < WINDOW { &mut inside } else { &mut outside }) += 1;
        }
        Instant::now()
    });
    storm
        .told
        .notes
        .push(format!("{inside} messages sent again inside the window of {WINDOW:?}, {outside} outside"));
    storm.tell()
}

/// Has the server forget ids sooner.
fn shorten(wire: &mut Wire, stream: &str) {
    let info = wire.request(&format!("$JS.API.STREAM.INFO.{stream}"), b"").unwrap();
    let mut config = serde_json::from_str::<Value>(&info).unwrap()["config"].take();
    config["duplicate_window"] = u64::try_from(WINDOW.as_nanos()).unwrap().into();
    let answer =
        wire.request(&format!("$JS.API.STREAM.UPDATE.{stream}"), config.to_string().as_bytes()).unwrap();
    assert!(!answer.contains("\"error\""), "{stream}: {answer}");
}
