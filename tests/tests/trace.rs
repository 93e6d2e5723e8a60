//! One run is one trace, across processes: a real receiver hears it over OTLP.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use system_tests::Cluster;
use test_servers::Signal;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

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

/// The spans of one run over real processes, all of which have ended.
fn spans_of_a_run() -> Vec<(String, Span)> {
    let receiver = Receiver::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = TraceServiceServer::new(receiver.clone());
    runtime
        .spawn(Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));

    let mut cluster = Cluster::start(2, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]);
    let _ = cluster.run("findings");
    for agent in cluster.take(|_| true) {
        agent.process.tell(Signal::Term);
        assert_eq!(agent.process.ended(), 0);
    }
    receiver.0.lock().unwrap().clone()
}

#[test]
fn a_run_is_one_connected_trace_with_the_conventions_names() {
    let spans = spans_of_a_run();
    let traces: BTreeSet<&[u8]> = spans.iter().map(|(_, span)| span.trace_id.as_slice()).collect();
    assert_eq!(traces.len(), 1, "{spans:#?}");
    let ids: BTreeSet<&[u8]> = spans.iter().map(|(_, span)| span.span_id.as_slice()).collect();
    let roots: Vec<_> = spans.iter().filter(|(_, span)| span.parent_span_id.is_empty()).collect();
    assert_eq!(roots.len(), 1, "{roots:#?}");
    assert_eq!((roots[0].0.as_str(), roots[0].1.name.as_str()), ("quire-coordinator", "run"));
    let orphans: Vec<_> = spans
        .iter()
        .filter(|(_, span)| !span.parent_span_id.is_empty() && !ids.contains(span.parent_span_id.as_slice()))
        .collect();
    assert!(orphans.is_empty(), "{orphans:#?}");

    let services: BTreeSet<&str> = spans.iter().map(|(service, _)| service.as_str()).collect();
    let stages = ["quire-fetcher", "quire-indexer", "quire-renderer", "quire-validator"];
    assert!(stages.iter().all(|stage| services.contains(stage)), "{services:?}");
    for queue in ["Q_FETCH_NORMAL", "Q_VALIDATE_NORMAL", "Q_INDEX_NORMAL", "Q_RENDER_NORMAL"] {
        let processed = spans.iter().find(|(_, span)| span.name == format!("process {queue}"));
        let span = &processed.unwrap_or_else(|| panic!("no span for {queue}")).1;
        assert_eq!(span.kind(), SpanKind::Consumer);
        let attributes = attributes(span);
        assert_eq!(attributes["messaging.system"], "nats");
        assert_eq!(attributes["messaging.operation.type"], "process");
        assert_eq!(attributes["messaging.destination.name"], queue);
        assert!(!attributes["messaging.message.id"].is_empty());
    }
    let sent = spans.iter().find(|(_, span)| span.name == "publish Q_VALIDATE_NORMAL");
    assert_eq!(sent.unwrap().1.kind(), SpanKind::Producer);
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
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
