//! Where traces and metrics go: over OTLP where the standard `OTEL_*` variables say so, and metrics to whoever scrapes.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use opentelemetry::{KeyValue, metrics::MeterProvider as _, trace::TracerProvider as _};
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider, trace::SdkTracerProvider};
use prometheus::{Encoder as _, TextEncoder};
use tracing_subscriber::{Layer as _, filter::filter_fn};

use super::{
    LogOptions, TelemetryError,
    logs::{LogFilter, More, init_with},
    trace::{self, TARGET},
};
use crate::BoxError;

/// What the process tells of itself. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Telemetry {
    tracer: Option<SdkTracerProvider>,
    meters: SdkMeterProvider,
    registry: Arc<prometheus::Registry>,
    filter: LogFilter,
}

impl Telemetry {
    /// Sets up logs, traces and metrics for the whole process; called once, by its main, in its runtime.
    ///
    /// # Errors
    /// [`TelemetryError`] for a log filter or an address that cannot be read, or if the process logs already.
    pub fn start(service: &'static str, logs: &LogOptions) -> Result<Self, TelemetryError> {
        let resource = resource(service);
        let registry = Arc::new(prometheus::Registry::new());
        let tracer = if is_disabled() { None } else { Some(tracer(resource.clone(), sends("TRACES"))?) };
        if !sends("TRACES") {
            trace::send_nothing();
        }
        let meters = meters(&registry, resource, sends("METRICS"))?;
        let filter = init_with(logs, tracer.as_ref().map(layer))?;
        Ok(Self { tracer, meters, registry, filter })
    }

    /// What is logged, as `RUST_LOG` says it.
    #[must_use]
    pub fn log_filter(&self) -> String {
        self.filter.now()
    }

    /// Logs by another filter until `lasts` is over. Called in a runtime.
    ///
    /// # Errors
    /// [`TelemetryError::Filter`] for a filter that cannot be read; the one in force stays.
    pub fn set_log_filter(&self, filter: &str, lasts: Duration) -> Result<(), TelemetryError> {
        self.filter.set(filter, lasts)
    }

    /// Instruments are made with this.
    #[must_use]
    pub fn meter(&self) -> opentelemetry::metrics::Meter {
        self.meters.meter("quire")
    }

    /// All metrics as Prometheus reads them.
    ///
    /// # Errors
    /// If they cannot be written down.
    pub fn scrape(&self) -> Result<String, BoxError> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8(text)?)
    }

    /// Sends what has not been sent, for so long at most. Blocks.
    pub fn end(&self, wait: Duration) {
        let (telemetry, (sender, sent)) = (self.clone(), mpsc::channel());
        // Not everything that sends heeds a time limit; what has not ended then ends with the process.
        std::thread::spawn(move || {
            let spans = telemetry.tracer.as_ref().map_or(Ok(()), SdkTracerProvider::shutdown);
            for ended in [spans, telemetry.meters.shutdown()] {
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "not all traces and metrics were sent");
                }
            }
            let _ = sender.send(());
        });
        if sent.recv_timeout(wait).is_err() {
            tracing::warn!("not all traces and metrics were sent in time");
        }
    }
}

fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_disabled() -> bool {
    said("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Whether signals of this kind are to be sent: an address is given, and nobody has said not to.
fn sends(kind: &str) -> bool {
    let none = said(&format!("OTEL_{kind}_EXPORTER")).is_some_and(|value| value == "none");
    let address =
        said("OTEL_EXPORTER_OTLP_ENDPOINT").or(said(&format!("OTEL_EXPORTER_OTLP_{kind}_ENDPOINT")));
    !is_disabled() && !none && address.is_some()
}

fn resource(service: &'static str) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let builder = Resource::builder().with_attribute(version);
    // The variable wins, as everywhere.
    match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(_) => builder.build(),
        None => builder.with_service_name(service).build(),
    }
}

/// Who gives spans their ids, and sends them, if anybody takes them. Log lines and dead letters want ids in any case, and
/// whether a trace is sampled is for the one who begins it to say, wherever spans are sent.
fn tracer(resource: Resource, send: bool) -> Result<SdkTracerProvider, TelemetryError> {
    let provider = SdkTracerProvider::builder().with_resource(resource);
    if !send {
        return Ok(provider.build());
    }
    grpc("TRACES")?;
    let exporter = SpanExporter::builder().with_tonic().build();
    let exporter = exporter.map_err(|error| TelemetryError::Export(error.into()))?;
    Ok(provider.with_batch_exporter(exporter).build())
}

/// Refuses another protocol than the one that is spoken: what is sent in another way would be lost without a word.
fn grpc(kind: &str) -> Result<(), TelemetryError> {
    let names = [format!("OTEL_EXPORTER_OTLP_{kind}_PROTOCOL"), "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned()];
    let said = names.into_iter().find_map(|name| {
        let value = std::env::var(&name).ok().filter(|value| !value.is_empty())?;
        Some((name, value))
    });
    match said {
        Some((name, value)) if value != "grpc" => Err(TelemetryError::Protocol { name, value }),
        _ => Ok(()),
    }
}

fn meters(
    registry: &prometheus::Registry,
    resource: Resource,
    send: bool,
) -> Result<SdkMeterProvider, TelemetryError> {
    let failed = |error: BoxError| TelemetryError::Export(error);
    let scraped = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        // Names are ours to the last letter: dashboards rely on them.
        .without_units()
        .without_target_info()
        .scope_info_enabled(false)
        .build()
        .map_err(|error| failed(error.into()))?;
    let mut meters = SdkMeterProvider::builder().with_resource(resource).with_reader(scraped);
    if send {
        grpc("METRICS")?;
        let exporter =
            MetricExporter::builder().with_tonic().build().map_err(|error| failed(error.into()))?;
        meters = meters.with_periodic_exporter(exporter);
    }
    Ok(meters.build())
}

fn layer(tracer: &SdkTracerProvider) -> More {
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer.tracer("quire"))
        .with_location(false)
        .with_threads(false);
    spans.with_filter(filter_fn(|metadata| metadata.target() == TARGET)).boxed()
}
