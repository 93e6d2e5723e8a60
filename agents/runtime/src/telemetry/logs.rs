//! Logs of the process: to stderr, as text or JSON, filtered by `RUST_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use super::TelemetryError;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines, one object a line.
    Json,
}

/// How to log.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// How lines look.
    pub format: LogFormat,
    /// The filter where `RUST_LOG` does not say otherwise.
    pub default_filter: String,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Text, default_filter: "warn".to_owned() }
    }
}

/// Sets up logging for the whole process; called once, by its main.
///
/// # Errors
/// [`TelemetryError`] for a filter that cannot be read, or if the process logs already.
pub fn init(options: &LogOptions) -> Result<(), TelemetryError> {
    init_with(options, None)
}

/// A layer beside the lines.
pub(super) type More = Box<dyn Layer<Registry> + Send + Sync>;

/// [`init`] with one more layer.
pub(super) fn init_with(options: &LogOptions, more: Option<More>) -> Result<(), TelemetryError> {
    let filter = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = filter.unwrap_or_else(|| options.default_filter.clone());
    let color =
        std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal();
    let lines = lines(options.format, &filter, color, std::io::stderr)?;
    let layers: Vec<More> = more.into_iter().chain([lines]).collect();
    tracing_subscriber::registry().with(layers).try_init().map_err(TelemetryError::Already)
}

fn lines<W>(format: LogFormat, filter: &str, color: bool, writer: W) -> Result<More, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(color);
    Ok(match format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            lines.with_filter(filter).boxed()
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    /// Collects what is logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let lines = Lines::default();
        let lines_layer = super::lines(format, filter, false, lines.clone()).unwrap();
        let subscriber = tracing_subscriber::registry().with(lines_layer);
        tracing::subscriber::with_default(subscriber, || {
            let password = crate::telemetry::Secret::new("hunter2".to_owned());
            tracing::warn!(user = "ada", ?password, token = %password, "signing in");
            tracing::info!("details");
        });
        let bytes = lines.0.lock().unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    }

    #[test]
    fn a_json_line_is_an_object_with_the_fields_and_no_secret() {
        let text = logged(LogFormat::Json, "warn");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with('{') && text.contains(r#""message":"signing in","user":"ada""#), "{text}");
        assert!(text.contains(r#""password":"[redacted]","token":"[redacted]""#), "{text}");
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn text_lines_follow_the_filter_and_show_no_secret() {
        let text = logged(LogFormat::Text, "info");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("signing in user=\"ada\" password=[redacted] token=[redacted]"), "{text}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error() {
        assert!(matches!(
            super::lines(LogFormat::Text, "a=b=c", false, io::sink),
            Err(TelemetryError::Filter { filter, .. }) if filter == "a=b=c"
        ));
    }
}
