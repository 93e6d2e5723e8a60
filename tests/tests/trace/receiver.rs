//! A receiver of spans over OTLP, and a cluster that sends its spans there.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use quire_api::run::{DefinitionFile, ReplayDeadRequest, StartRequest, run_service_client::RunServiceClient};
use system_tests::{Cluster, ClusterOptions};
use test_servers::Signal;
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Server},
};

/// Keeps every span, with the name of the service that sent it.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let service = attributes.iter().find(|attribute| attribute.key == "service.name");
            let service = match service.and_then(|service| service.value.clone()?.value) {
                Some(Value::StringValue(name)) => name,
                _ => String::new(),
            };
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| (service.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A cluster whose spans are received.
pub(crate) struct Traced {
    pub(crate) cluster: Cluster,
    receiver: Receiver,
    runtime: Runtime,
}

impl Traced {
    pub(crate) fn start(options: ClusterOptions) -> Self {
        let receiver = Receiver::default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(TraceServiceServer::new(receiver.clone()));
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let cluster = Cluster::start_with(options.variable("OTEL_EXPORTER_OTLP_ENDPOINT", address));
        Self { cluster, receiver, runtime }
    }

    async fn client(&self) -> RunServiceClient<Channel> {
        let leader = self.cluster.until("someone leads", Cluster::leader_address);
        RunServiceClient::connect(format!("http://{leader}")).await.unwrap()
    }

    /// Begins a run of a catalogue for a caller that is in a span; the run.
    pub(crate) fn begin(&self, catalogue: &Path, caller: &Caller) -> String {
        let request = StartRequest { files: definition(catalogue), ..StartRequest::default() };
        let call = async { self.client().await.start(caller.of(request)).await };
        self.runtime.block_on(call).unwrap().into_inner().run.unwrap().id
    }

    /// Replays all dead letters for a caller that is in a span; the runs.
    pub(crate) fn replay(&self, caller: &Caller) -> Vec<String> {
        let call = async { self.client().await.replay_dead(caller.of(ReplayDeadRequest::default())).await };
        self.runtime.block_on(call).unwrap().into_inner().runs
    }

    pub(crate) fn wait_for(&self, run: &str) {
        let watched = self.cluster.quire(&["run", "watch", run, "--json"]);
        assert_eq!(watched.report().runs.len(), 1, "{}", watched.err);
    }

    /// All spans, once all processes have ended.
    pub(crate) fn end(mut self) -> Vec<(String, Span)> {
        for agent in self.cluster.take(|_| true) {
            agent.process.tell(Signal::Term);
            assert_eq!(agent.process.ended(), 0);
        }
        self.receiver.0.lock().unwrap().clone()
    }
}

/// Someone in a span of their own.
pub(crate) struct Caller {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
}

impl Caller {
    pub(crate) const fn new(number: u8) -> Self {
        Self { trace: [number; 16], span: [number; 8] }
    }

    fn of<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let parent = format!("00-{}-{}-01", hex(&self.trace), hex(&self.span));
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        request
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn definition(catalogue: &Path) -> Vec<DefinitionFile> {
    let read = |path: &str| DefinitionFile {
        path: path.to_owned(),
        content: fs::read(catalogue.join(path)).unwrap(),
    };
    ["catalogue.yaml", "templates/record.html"].map(read).into()
}

/// What a span says of itself.
pub(crate) fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        other => format!("{other:?}"),
    };
    span.attributes
        .iter()
        .filter_map(|attribute| {
            Some((attribute.key.as_str(), text(attribute.value.as_ref()?.value.as_ref()?)))
        })
        .collect()
}
