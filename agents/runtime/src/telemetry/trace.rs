//! Spans: one run is one trace, from the call that began it to the last page, across processes.
//!
//! The W3C trace context travels in message headers: who publishes is the parent of who processes. Names and attributes are those of
//! OpenTelemetry's conventions for messaging. Where nobody traces, a span costs a look at a filter.

/// Where a trace context is read from.
pub use opentelemetry::propagation::Extractor;
use opentelemetry::{
    Context,
    propagation::{Injector, TextMapPropagator as _},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use quire_broker::{Delivery, Message, Queue};
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Target of all spans that are sent.
pub const TARGET: &str = "quire_trace";

/// A delivery being processed; its parent is whoever published it.
pub(crate) fn process(delivery: &Delivery) -> Span {
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
        trace_id = field::Empty,
    );
    if !span.is_disabled() {
        adopt(&span, &HeadersOf(&delivery.message));
    }
    span
}

/// Messages being published.
pub(crate) fn publish(queue: Queue, messages: usize) -> Span {
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

/// A run, from its beginning to its end; `caller` is what began it.
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
    if !span.is_disabled() {
        adopt(&span, caller);
    }
    span
}

/// Makes what the headers speak of the parent of the span, and notes the trace for log lines.
fn adopt(span: &Span, headers: &dyn Extractor) {
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), headers);
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

/// The message with the context of the span that we are in: whoever processes it is its child.
#[must_use]
pub fn carry_current(message: Message) -> Message {
    carry(message, &Span::current())
}

/// The message with the context of `span`, if it is one of a trace.
pub(crate) fn carry(message: Message, span: &Span) -> Message {
    if span.is_disabled() {
        return message;
    }
    let context = span.context();
    if !context.span().span_context().is_valid() {
        return message;
    }
    let mut headers = Added(Vec::new());
    TraceContextPropagator::new().inject_context(&context, &mut headers);
    headers.0.into_iter().fold(message, |message, (name, value)| message.with_header(name, value))
}

/// The trace that a message was published in.
#[must_use]
pub fn trace_id(message: &Message) -> Option<String> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeadersOf(message));
    let span = context.span();
    let known = span.span_context();
    known.is_valid().then(|| known.trace_id().to_string())
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

/// Nobody called: a trace begins here.
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
