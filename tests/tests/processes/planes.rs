//! Control planes as clients of gRPC see them: health, reflection, a watch.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use quire_api::control::{
    PauseRequest, ResumeRequest, StatusResponse, WatchRequest, WatchResponse,
    agent_service_client::AgentServiceClient,
};
use system_tests::{COORDINATOR, Cluster};
use test_servers::Signal;
use tokio::{runtime::Runtime, time::timeout};
use tonic::{
    Code, Streaming,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::lose_broker;

/// How long a client waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// What `grpc.health.v1` says of a service; the whole process has the empty name.
async fn health(address: SocketAddr, service: &str) -> Result<ServingStatus, Code> {
    let mut client = HealthClient::new(connect(address).await);
    let answer = client.check(HealthCheckRequest { service: service.to_owned() }).await;
    answer.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
}

#[test]
fn health_by_grpc_is_serving_while_the_process_is_ready_and_not_serving_else() {
    let mut cluster = Cluster::start(1, &[]);
    let leader = cluster.leader().unwrap().address;
    cluster.add(COORDINATOR);
    // Health alone, at a port of its own.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    cluster.set("QUIRE_HEALTH_LISTEN", &free.to_string());
    cluster.add("indexer");
    cluster.wait_until_ready();
    let runtime = Runtime::new().unwrap();
    let check = |address| runtime.block_on(health(address, ""));
    assert!(cluster.agents.iter().any(|agent| agent.address == free));
    for agent in &cluster.agents {
        let stands_by = agent.kind == COORDINATOR && agent.address != leader;
        let expected = if stands_by { ServingStatus::NotServing } else { ServingStatus::Serving };
        // Told by another task than what makes the process ready.
        cluster.until(&agent.name, |_| (check(agent.address) == Ok(expected)).then_some(()));
        assert_eq!(agent.unready().is_none(), expected == ServingStatus::Serving, "{}", agent.name);
    }
    assert_eq!(runtime.block_on(health(leader, "quire.run.v1.Nobody")), Err(Code::NotFound));
    assert_eq!(runtime.block_on(services(free)), Err(Code::Unimplemented), "health, and nothing else");
    lose_broker(&mut cluster);
    for agent in &cluster.agents {
        cluster.until(&agent.name, |_| (check(agent.address) == Ok(ServingStatus::NotServing)).then_some(()));
        assert!(agent.get("/livez").unwrap().starts_with("HTTP/1.1 200"), "{}", agent.name);
    }
}

/// One question of a client of reflection.
async fn reflect(address: SocketAddr, question: MessageRequest) -> Result<MessageResponse, Code> {
    let mut client = ServerReflectionClient::new(connect(address).await);
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let answers = client.server_reflection_info(tokio_stream::once(request)).await;
    let mut answers = answers.map_err(|status| status.code())?.into_inner();
    let answer = answers.message().await.map_err(|status| status.code())?.unwrap();
    Ok(answer.message_response.unwrap())
}

/// The services that a process says it has.
async fn services(address: SocketAddr) -> Result<BTreeSet<String>, Code> {
    match reflect(address, MessageRequest::ListServices(String::new())).await? {
        MessageResponse::ListServicesResponse(told) => {
            Ok(told.service.into_iter().map(|service| service.name).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn reflection_tells_the_services_that_are_there_and_what_their_messages_are() {
    let cluster = Cluster::start(1, &[]);
    let runtime = Runtime::new().unwrap();
    for agent in &cluster.agents {
        let mut expected = BTreeSet::from([
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "quire.control.v1.AgentService",
        ]);
        expected.extend(match agent.kind {
            COORDINATOR => &["quire.control.v1.FleetService", "quire.run.v1.RunService"][..],
            "indexer" => &["quire.search.v1.SearchService"],
            "renderer" => &["quire.page.v1.PageService"],
            _ => &[],
        });
        let told = runtime.block_on(services(agent.address)).unwrap();
        assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{}", agent.name);
        for service in told {
            let question = MessageRequest::FileContainingSymbol(service.clone());
            let answer = runtime.block_on(reflect(agent.address, question)).unwrap();
            let MessageResponse::FileDescriptorResponse(files) = answer else {
                panic!("{service}: {answer:?}")
            };
            let name = service.rsplit('.').next().unwrap();
            let files = String::from_utf8_lossy(&files.file_descriptor_proto.concat()).into_owned();
            assert!(files.contains(name) && files.contains("Request"), "{service}: {files}");
        }
    }
    let address = cluster.agents[0].address;
    let unknown = MessageRequest::FileContainingSymbol("quire.run.v1.Nobody".to_owned());
    assert_eq!(runtime.block_on(reflect(address, unknown)), Err(Code::NotFound));
}

/// The first status that is looked for; `None` if the stream ends before.
async fn seen(
    stream: &mut Streaming<WatchResponse>,
    is_it: impl Fn(&StatusResponse) -> bool,
) -> Option<StatusResponse> {
    let look = async {
        loop {
            let told = stream.message().await.unwrap()?;
            if let Some(status) = told.status.filter(&is_it) {
                return Some(status);
            }
        }
    };
    timeout(PATIENCE, look).await.unwrap()
}

fn paused(status: &StatusResponse) -> Vec<&str> {
    status.lanes.iter().filter(|lane| lane.paused).map(|lane| lane.lane.as_str()).collect()
}

#[test]
fn who_watches_an_agent_sees_what_changes_until_it_ends() {
    let mut cluster = Cluster::start(1, &[]);
    let renderer = cluster.take(|agent| agent.kind == "renderer").pop().unwrap();
    let address = format!("http://{}", renderer.address);
    Runtime::new().unwrap().block_on(async {
        let mut agent = AgentServiceClient::connect(address).await.unwrap();
        let mut watch = agent.watch(WatchRequest { interval_ms: 100 }).await.unwrap().into_inner();
        let first = seen(&mut watch, |_| true).await.unwrap();
        assert_eq!((first.stage.as_str(), first.ready, paused(&first)), ("render", true, Vec::new()));
        agent.pause(PauseRequest { lane: "low".to_owned() }).await.unwrap();
        let told = seen(&mut watch, |status| !paused(status).is_empty()).await.unwrap();
        assert_eq!(paused(&told), ["low"]);
        agent.resume(ResumeRequest { lane: "low".to_owned() }).await.unwrap();
        seen(&mut watch, |status| paused(status).is_empty()).await.unwrap();
        renderer.process.tell(Signal::Term);
        assert_eq!(seen(&mut watch, |_| false).await, None, "nothing is left to watch");
    });
    assert_eq!(renderer.process.ended(), 0);
}
