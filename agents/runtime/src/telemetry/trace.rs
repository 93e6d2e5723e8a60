//! Spans: one run is one trace, from the call that began it to the last page, across processes.
//!
//! The W3C trace context travels in message headers: who publishes is the parent of who processes, and is linked as well, as
//! OpenTelemetry's conventions for messaging want it of whoever processes a single message. Names and attributes are theirs.
//! Where spans are sent to nobody they are bare: ids for log lines, messages and dead letters. In a process without telemetry a span costs
//! a look at a filter.

use std::sync::atomic::{AtomicBool, Ordering};

/// Where a trace context is read from.
pub use opentelemetry::propagation::Extractor;
use opentelemetry::{
    Context,
    propagation::{Injector, TextMapPropagator as _},
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use quire_broker::{Delivery, Message, Queue};
use quire_proto::{Parcel, RunId};
use tokio::task::JoinHandle;
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::split::Subjects;

/// Target of all spans that are sent.
pub const TARGET: &str = "quire_trace";
/// The header of a message, or of a call, that names trace and span.
const TRACEPARENT: &str = "traceparent";
/// Whether spans are sent anywhere: else nobody would ever read their attributes.
static ARE_SENT: AtomicBool = AtomicBool::new(true);

/// Says that spans are sent nowhere: from now on they are bare.
pub(super) fn send_nothing() {
    ARE_SENT.store(false, Ordering::Relaxed);
}

fn are_sent() -> bool {
    ARE_SENT.load(Ordering::Relaxed)
}

/// A delivery being processed; its parent is whoever published it.
pub(crate) fn process(delivery: &Delivery) -> Span {
    if !are_sent() {
        let span = tracing::info_span!(
            target: TARGET,
            "process",
            run = field::Empty,
            quire.subjects = field::Empty,
            trace_id = field::Empty,
        );
        adopt(&span, &HeadersOf(&delivery.message));
        return span;
    }
    let span = tracing::info_span!(
        target: TARGET,
        "process",
        otel.name = format!("process {}", delivery.queue),
        otel.kind = "consumer",
        messaging.system = "nats",
        messaging.operation.type = "process",
        messaging.operation.name = "process",
        messaging.destination.name = %delivery.queue,
        messaging.message.id = %delivery.message.id,
        quire.attempt = delivery.attempt,
        run = field::Empty,
        quire.subjects = field::Empty,
        trace_id = field::Empty,
    );
    if !span.is_disabled() {
        // Before it begins: a sampler may want to know.
        publisher(&delivery.message).iter().for_each(|publisher| link(&span, publisher));
        adopt(&span, &HeadersOf(&delivery.message));
    }
    span
}

/// Notes in the span that we are in which run a parcel is of, and what it is about, if that is one record.
pub(crate) fn note(parcel: &Parcel) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("run", field::display(&parcel.header.run));
    if parcel.work.records() == 1 {
        span.record("quire.subjects", field::display(Subjects(&parcel.work)));
    }
}

/// Messages being published. Where spans are sent nowhere, the span that we are in.
#[must_use]
pub fn publish(queue: Queue, messages: usize) -> Span {
    if !are_sent() {
        return Span::current();
    }
    tracing::info_span!(
        target: TARGET,
        "publish",
        otel.name = format!("publish {queue}"),
        otel.kind = "producer",
        messaging.system = "nats",
        messaging.operation.type = "send",
        messaging.operation.name = "publish",
        messaging.destination.name = %queue,
        messaging.batch.message_count = messages,
    )
}

/// A run, from its beginning to its end; `caller` is what began it. Where that says nothing, it is a part of the span that we
/// are in, if we are in one.
#[must_use]
pub fn run(caller: &dyn Extractor) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "run",
        otel.kind = "internal",
        quire.catalogue = field::Empty,
        run = field::Empty,
        trace_id = field::Empty,
    );
    adopt(&span, caller);
    span
}

/// A run that takes the place of others, begun under other leaders: it goes on in the trace of the first of these
/// `traceparents`, and is linked to the others.
#[must_use]
pub fn run_again(traceparents: &[String]) -> Span {
    let Some((first, others)) = traceparents.split_first() else { return run(&Nobody) };
    let span = run(&Traceparent(first));
    for other in others {
        span.add_link(read(&Traceparent(other)).span().span_context().clone());
    }
    span
}

/// Notes in a run's span which run it is.
pub fn note_run(span: &Span, catalogue: &str, run: &RunId) {
    span.record("quire.catalogue", catalogue);
    span.record("run", field::display(run));
}

/// A POST to the server of a source, by OpenTelemetry's conventions for HTTP clients. Where spans are sent nowhere, the span that
/// we are in.
#[must_use]
pub fn post(request: &Post<'_>) -> Span {
    if !are_sent() {
        return Span::current();
    }
    tracing::info_span!(
        target: TARGET,
        "POST",
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = "POST",
        http.request.resend_count = (request.resent > 0).then_some(request.resent),
        http.response.status_code = field::Empty,
        error.r#type = field::Empty,
        server.address = request.host,
        server.port = request.port,
        url.full = request.url,
        quire.query = request.query,
    )
}

/// What is sent, and where to.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// The server's name or address.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The whole address. It must hold no secret.
    pub url: &'a str,
    /// What is asked for, in a word.
    pub query: &'a str,
    /// How often it was sent before.
    pub resent: u32,
}

/// Notes in the span of a POST how it ended: the status of the answer, or a word for what went wrong.
pub fn note_ending(span: &Span, ending: &str) {
    let status = ending.parse::<u16>().ok();
    if let Some(status) = status {
        span.record("http.response.status_code", status);
    }
    if status.is_none_or(|status| status >= 400) {
        span.record("error.type", ending);
        span.record("otel.status_code", "ERROR");
    }
}

/// Finishing the site by itself, beside any run.
#[must_use]
pub fn finish() -> Span {
    let span = tracing::info_span!(target: TARGET, "finish", otel.kind = "internal", trace_id = field::Empty);
    adopt(&span, &Nobody);
    span
}

/// Makes what the headers speak of the parent of the span, and notes the trace for log lines.
fn adopt(span: &Span, headers: &dyn Extractor) {
    if span.is_disabled() {
        return;
    }
    let parent = read(headers);
    if parent.span().span_context().is_valid() {
        // Refused only by a span that has begun; this one is new.
        let _ = span.set_parent(parent);
    }
    let context = span.context();
    let trace = context.span().span_context().trace_id();
    if context.span().span_context().is_valid() {
        span.record("trace_id", field::display(trace));
    }
}

fn read(headers: &dyn Extractor) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), headers)
}

/// The headers that tell of `span`, if it is one of a trace.
fn written(span: &Span) -> Vec<(String, String)> {
    let mut headers = Added(Vec::new());
    if !span.is_disabled() {
        let context = span.context();
        if context.span().span_context().is_valid() {
            TraceContextPropagator::new().inject_context(&context, &mut headers);
        }
    }
    headers.0
}

/// The message with the context of `span`, if it is one of a trace: whoever processes it is a child of that.
#[must_use]
pub fn carry(message: Message, span: &Span) -> Message {
    written(span).into_iter().fold(message, |message, (name, value)| message.with_header(name, value))
}

/// The span that we are in as W3C writes it, if it is one of a trace: to go on with the trace in another process.
#[must_use]
pub fn traceparent() -> Option<String> {
    written(&Span::current()).into_iter().find_map(|(name, value)| (name == TRACEPARENT).then_some(value))
}

/// Who published a message.
#[derive(Debug, Clone)]
pub struct Publisher(SpanContext);

/// Who published a message, if that is known.
#[must_use]
pub fn publisher(message: &Message) -> Option<Publisher> {
    let context = read(&HeadersOf(message));
    let known = context.span().span_context().clone();
    known.is_valid().then_some(Publisher(known))
}

/// Links a span to who published what it is about.
pub fn link(span: &Span, publisher: &Publisher) {
    span.add_link(publisher.0.clone());
}

/// The trace that a message was published in.
#[must_use]
pub fn trace_id(message: &Message) -> Option<String> {
    publisher(message).map(|publisher| publisher.0.trace_id().to_string())
}

/// [`tokio::task::spawn_blocking`] in the span that we are in: what is logged there says so.
pub fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

/// Headers to be added.
struct Added(Vec<(String, String)>);

impl Injector for Added {
    fn set(&mut self, key: &str, value: String) {
        if !value.is_empty() {
            self.0.push((key.to_owned(), value));
        }
    }
}

/// Headers of a message.
struct HeadersOf<'a>(&'a Message);

impl Extractor for HeadersOf<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.header(key)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.headers.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// What was kept of a span.
struct Traceparent<'a>(&'a str);

impl Extractor for Traceparent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// Nobody called: a trace begins here, unless we are in a span.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Extractor for Nobody {
    fn get(&self, _key: &str) -> Option<&str> {
        None
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
