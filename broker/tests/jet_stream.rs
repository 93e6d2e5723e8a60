//! The JetStream backend keeps the contract, against a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

use std::sync::Mutex;

use quire_broker::{Broker, InProcessOptions, JetStreamOptions, Layout};
use test_servers::Nats;

/// Makes brokers, each at a server of its own; the servers end with it.
#[derive(Default)]
struct World {
    servers: Mutex<Vec<Nats>>,
}

impl World {
    async fn make(&self, options: InProcessOptions) -> Broker {
        let server = Nats::start("");
        let layout = Layout {
            replicas: 1,
            max_messages: options.max_messages,
            max_bytes: options.max_bytes,
            headroom_messages: options.headroom_messages,
            headroom_bytes: options.headroom_bytes,
            max_message_bytes: options.max_message_bytes,
            ack_wait: options.ack_wait,
            dedup_window: options.dedup_window,
        };
        let url = server.url();
        self.servers.lock().unwrap().push(server);
        let publish_deadline = options.publish_deadline;
        let options = JetStreamOptions { dev: true, layout, publish_deadline, ..JetStreamOptions::new(url) };
        Broker::jet_stream(options).await.unwrap()
    }
}

quire_broker::broker_contract!(
    clock = real,
    factory = {
        let world = World::default();
        async move |options: InProcessOptions| world.make(options).await
    }
);
