//! The in-process backend keeps the contract.

use quire_broker::{Broker, InProcessOptions};

quire_broker::broker_contract!(
    clock = paused,
    factory = async |options: InProcessOptions| Broker::in_process(options)
);
