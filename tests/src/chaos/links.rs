//! Links between agents and broker are cut, in network namespaces.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use super::{
    Arena, Told,
    storm::{Storm, Weather},
};
use crate::{Net, STAGES};

/// How long a link is cut, in milliseconds.
const CUT_MS: std::ops::Range<u64> = 200..8_000;

/// A namespace with a link of its own to this machine, gone when this is dropped.
struct Link {
    net: Net,
    device: String,
}

impl Link {
    /// The link number `number`; or why that cannot be.
    fn make(number: u8) -> Result<Self, String> {
        let name = format!("quire{}-{number}", std::process::id());
        let device = format!("qv{}x{number}", std::process::id() % 100_000);
        let (far, peer) = (format!("10.231.{number}.2"), format!("{device}p"));
        let near = format!("10.231.{number}.1/24");
        ip(&format!("netns add {name}"))?;
        let link = Self {
            net: Net { namespace: name.clone(), here: format!("10.231.{number}.1"), there: far.clone() },
            device,
        };
        let device = &link.device;
        ip(&format!("link add {device} type veth peer name {peer} netns {name}"))?;
        ip(&format!("addr add {near} dev {device}"))?;
        ip(&format!("link set {device} up"))?;
        ip(&format!("-n {name} addr add {far}/24 dev {peer}"))?;
        ip(&format!("-n {name} link set {peer} up"))?;
        ip(&format!("-n {name} link set lo up"))?;
        Ok(link)
    }

    fn set(&self, state: &str) {
        ip(&format!("link set {} {state}", self.device)).unwrap();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = ip(&format!("link del {}", self.device));
        let _ = ip(&format!("netns del {}", self.net.namespace));
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

pub(super) fn run(arena: &Arena) -> Told {
    let links: Result<Vec<Link>, String> = [1, 2].into_iter().map(Link::make).collect();
    let links = match links {
        Ok(links) => links,
        Err(reason) => return Told::skipped(format!("no network namespaces: {reason}")),
    };
    let mut options = arena.cluster("links").agents(0);
    options.broker_host = "0.0.0.0".to_owned();
    let mut storm = Storm::over(arena, "links", options);
    for link in &links {
        STAGES.iter().for_each(|kind| storm.cluster.add_in(kind, &link.net));
    }
    storm.cluster.wait_until_ready();
    let weather = Weather { faults: arena.times(3, 50), a_run: 3, gap_ms: 50..800 };
    storm.rage(&weather, |storm| {
        // One of them, or both.
        let which = storm.random.within(0..3);
        let cut: Vec<&Link> =
            links.iter().zip(0..).filter(|(_, at)| which != *at).map(|(link, _)| link).collect();
        cut.iter().for_each(|link| link.set("down"));
        storm.look_away();
        let away = Duration::from_millis(storm.random.within(CUT_MS));
        storm.hold(away);
        cut.iter().for_each(|link| link.set("up"));
        Instant::now()
    });
    storm.tell()
}
