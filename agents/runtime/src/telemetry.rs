//! Logs of the process: to stderr, as text or JSON, filtered by `RUST_LOG`.
//!
//! Secrets are never logged: whoever holds one wraps it in [`Secret`], which does not print itself.

use std::{fmt, io::IsTerminal};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::SubscriberInitExt};

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

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("reading the log filter {filter:?}")]
    Filter {
        /// The filter as given.
        filter: String,
        /// Why not.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process logs already.
    #[error("logging is set up already")]
    Already(#[source] tracing_subscriber::util::TryInitError),
}

/// Sets up logging for the whole process; called once, by its main.
///
/// # Errors
/// [`TelemetryError`] for a filter that cannot be read, or if the process logs already.
pub fn init(options: &LogOptions) -> Result<(), TelemetryError> {
    let filter = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = filter.unwrap_or_else(|| options.default_filter.clone());
    let color =
        std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal();
    subscriber(options.format, &filter, color, std::io::stderr)?.try_init().map_err(TelemetryError::Already)
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    color: bool,
    writer: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(color);
    Ok(match format {
        LogFormat::Text => Box::new(lines.finish()),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_current_span(false).finish()),
    })
}

/// A value that is used but never printed, logged or serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub const fn new(value: String) -> Self {
        Self(value)
    }

    /// The secret itself, for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
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
        let subscriber = subscriber(format, filter, false, lines.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let password = Secret::new("hunter2".to_owned());
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
            subscriber(LogFormat::Text, "a=b=c", false, io::sink),
            Err(TelemetryError::Filter { filter, .. }) if filter == "a=b=c"
        ));
    }
}
