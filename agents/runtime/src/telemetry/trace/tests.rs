//! Spans as whoever receives them sees them.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::{SpanKind, TracerProvider as _};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use quire_broker::{Broker, InProcessOptions};
use quire_proto::{Digest, Lane, StageName};
use tracing_subscriber::{Layer as _, filter::filter_fn, layer::SubscriberExt as _};

use super::*;

/// Keeps what was sent.
#[derive(Debug, Clone, Default)]
struct Sent(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Sent {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Sent {
    fn named(&self, name: &str) -> SpanData {
        let spans = self.0.lock().unwrap();
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}: {spans:#?}")).clone()
    }
}

/// Spans of this thread are sent to what is returned, as long as the guard lives.
fn sent() -> (Sent, tracing::subscriber::DefaultGuard) {
    let sent = Sent::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(sent.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let layer = layer.with_filter(filter_fn(|metadata| metadata.target() == TARGET));
    (sent, tracing::subscriber::set_default(tracing_subscriber::registry().with(layer)))
}

const QUEUE: Queue = Queue::work(StageName::Render, Lane::Normal);

fn message() -> Message {
    Message::new(Digest::of(b"message"), Vec::new())
}

async fn delivered(message: Message) -> Delivery {
    let broker = Broker::in_process(InProcessOptions::default());
    broker.publish(QUEUE, message).await.unwrap();
    broker.pull(QUEUE, 1).await.unwrap().remove(0)
}

#[tokio::test]
async fn who_processes_a_message_is_a_child_of_who_published_it_and_linked_to_it() {
    let (sent, _guard) = sent();
    let began = run(&Nobody);
    let published = began.in_scope(|| publish(QUEUE, 1));
    let delivery = delivered(carry(message(), &published)).await;
    drop((process(&delivery), published, began));
    let (run, publish) = (sent.named("run"), sent.named("publish Q_RENDER_NORMAL"));
    let process = sent.named("process Q_RENDER_NORMAL");
    assert_eq!(publish.span_kind, SpanKind::Producer);
    assert_eq!(publish.parent_span_id, run.span_context.span_id());
    assert_eq!(process.span_kind, SpanKind::Consumer);
    assert_eq!(process.parent_span_id, publish.span_context.span_id());
    assert_eq!(process.span_context.trace_id(), run.span_context.trace_id());
    let links: Vec<_> = process.links.iter().map(|link| link.span_context.span_id()).collect();
    assert_eq!(links, [publish.span_context.span_id()]);
}

#[tokio::test]
async fn a_message_of_nobody_begins_a_trace_and_is_linked_to_nothing() {
    let (sent, _guard) = sent();
    drop(process(&delivered(message()).await));
    let process = sent.named("process Q_RENDER_NORMAL");
    assert!(process.span_context.is_valid() && process.links.iter().next().is_none());
    assert_eq!(process.parent_span_id, opentelemetry::trace::SpanId::INVALID);
}

#[test]
fn a_run_in_the_place_of_others_goes_on_with_the_first_and_is_linked_to_the_rest() {
    let (sent, _guard) = sent();
    let former = [(); 2].map(|()| run(&Nobody));
    let kept = former.each_ref().map(|span| span.in_scope(traceparent).unwrap());
    let [first, second] = former.map(|span| span.context().span().span_context().clone());
    drop(run_again(&kept));
    let again = sent.0.lock().unwrap().last().unwrap().clone();
    assert_eq!((again.span_context.trace_id(), again.parent_span_id), (first.trace_id(), first.span_id()));
    let links: Vec<_> = again.links.iter().map(|link| link.span_context.trace_id()).collect();
    assert_eq!(links, [second.trace_id()]);

    for nothing in [vec![], vec!["what is this".to_owned()]] {
        drop(run_again(&nothing));
        let alone = sent.0.lock().unwrap().last().unwrap().clone();
        assert!(alone.span_context.is_valid());
        assert_ne!(alone.span_context.trace_id(), first.trace_id());
    }
}

#[test]
fn a_run_that_nobody_called_for_is_a_part_of_what_it_is_begun_in() {
    let (sent, _guard) = sent();
    let finishing = finish();
    drop(finishing.in_scope(|| run(&Nobody)));
    drop(finishing);
    assert_eq!(sent.named("run").parent_span_id, sent.named("finish").span_context.span_id());
}

#[test]
fn without_spans_there_is_nothing_to_go_on_with() {
    assert_eq!(traceparent(), None);
    let published = publish(QUEUE, 1);
    assert!(carry(message(), &published).headers.is_empty());
}
