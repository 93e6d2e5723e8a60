//! A record that kills whoever works on it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use system_tests::{Cluster, birds};

use crate::Background;

/// The server sends a parcel again whose agent was not heard of for so long. In the layout it is six times as much.
const ACK_WAIT: Duration = Duration::from_secs(1);
/// Three times the parcel is split, and four times each part is tried before.
const PATIENCE: Duration = Duration::from_secs(150);

/// Has the server send the parcels of the lane again sooner.
fn shorten(cluster: &Cluster) {
    let mut wire = cluster.nats[0].wire().unwrap();
    let info = wire.request("$JS.API.CONSUMER.INFO.Q_RENDER_NORMAL.agents", b"").unwrap();
    let mut config = serde_json::from_str::<Value>(&info).unwrap()["config"].take();
    config["ack_wait"] = u64::try_from(ACK_WAIT.as_nanos()).unwrap().into();
    let request =
        json!({ "stream_name": "Q_RENDER_NORMAL", "config": config, "action": "update" }).to_string();
    let answer = wire.request("$JS.API.CONSUMER.CREATE.Q_RENDER_NORMAL.agents", request.as_bytes()).unwrap();
    assert!(!answer.contains("\"error\""), "{answer}");
}

#[test]
fn a_record_that_kills_its_agent_again_and_again_is_dead_alone_and_the_others_are_published() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["crane", "dove", "egret", "heron", "swan", "wren"];
    let catalogue = birds(folder.path(), "birds", &names.map(|name| (name, ",\"colour\":\"grey\"")));
    let mut cluster = Cluster::start(1, &[("BIRDS_ROOT", catalogue.join("data").to_str().unwrap())]);
    shorten(&cluster);
    drop(cluster.take(|agent| agent.kind == "renderer"));
    cluster.set("QUIRE_CRASH_AT", "pump.processed@heron");
    cluster.add("renderer");
    cluster.wait_until_ready();
    let start = ["run", "start", catalogue.to_str().unwrap(), "--watch", "--json"];
    let mut watching = Background::start(&cluster.servers(), &start);
    let (mut killed, began) = (0, Instant::now());
    while watching.child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "killed {killed} times\n{}", cluster.logs());
        killed += cluster.supervise().len();
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, cluster.logs());
    let records = ended.report().runs[0].records;
    assert_eq!((records.seen, records.published, records.dead), (6, 5, 1), "{records:?}");
    let letters: Value = serde_json::from_str(cluster.quire(&["dead", "list", "--json"]).out.trim()).unwrap();
    let letters = letters.as_array().unwrap();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((&letters[0]["subjects"], &letters[0]["attempts"]), (&json!(["heron"]), &json!(4)));
    for name in names {
        let page = cluster.site().join(format!("birds/{name}.html"));
        assert_eq!(page.is_file(), name != "heron", "{name}");
    }
    // Six, three or two, and the one alone: each tried as often as any parcel.
    println!("killed {killed} times in {:.0} s", began.elapsed().as_secs_f64());
    assert_eq!(killed % 4, 0, "{killed}");
}
