//! Logs of the process: to stderr, as text or JSON, filtered by `RUST_LOG`, and by another filter for a while.

use std::{
    fmt,
    io::IsTerminal,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use super::TelemetryError;

/// Target of the audit log: whatever the filter says, its lines are written.
pub(crate) const AUDIT: &str = "quire_audit";

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
    init_with(options, None).map(drop)
}

/// A layer beside the lines.
pub(super) type More = Box<dyn Layer<Registry> + Send + Sync>;

/// The filter in force, and how to change it. Cheap to clone.
#[derive(Clone)]
pub(super) struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    /// The filter of the start.
    first: Arc<str>,
    now: Arc<Mutex<Now>>,
}

struct Now {
    filter: String,
    /// Counts changes: a filter ends only itself.
    change: u64,
}

impl LogFilter {
    pub(super) fn now(&self) -> String {
        self.lock().filter.clone()
    }

    /// Changes the filter until `lasts` is over; then it is the one of the start again.
    pub(super) fn set(&self, filter: &str, lasts: Duration) -> Result<(), TelemetryError> {
        let change = self.change(filter)?;
        let this = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            if this.lock().change == change
                && let Err(error) = this.change(&this.first)
            {
                tracing::warn!(error = crate::chain(&error), "the log filter stays changed");
            }
        });
        Ok(())
    }

    fn change(&self, filter: &str) -> Result<u64, TelemetryError> {
        let read = read(filter)?;
        let mut now = self.lock();
        self.handle.reload(read).map_err(TelemetryError::Reload)?;
        filter.clone_into(&mut now.filter);
        now.change += 1;
        Ok(now.change)
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogFilter").field(&self.now()).finish()
    }
}

/// [`init`] with one more layer.
pub(super) fn init_with(options: &LogOptions, more: Option<More>) -> Result<LogFilter, TelemetryError> {
    let filter = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = filter.unwrap_or_else(|| options.default_filter.clone());
    let color =
        std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal();
    let (lines, filter) = lines(options.format, &filter, color, std::io::stderr)?;
    let layers: Vec<More> = more.into_iter().chain([lines]).collect();
    tracing_subscriber::registry().with(layers).try_init().map_err(TelemetryError::Already)?;
    Ok(filter)
}

fn read(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let unreadable = |source| TelemetryError::Filter { filter: filter.to_owned(), source };
    let audit = format!("{AUDIT}=info").parse().map_err(unreadable)?;
    Ok(EnvFilter::try_new(filter).map_err(unreadable)?.add_directive(audit))
}

fn lines<W>(
    format: LogFormat,
    filter: &str,
    color: bool,
    writer: W,
) -> Result<(More, LogFilter), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (reloaded, handle) = reload::Layer::new(read(filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(color);
    let lines = match format {
        LogFormat::Text => lines.with_filter(reloaded).boxed(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            lines.with_filter(reloaded).boxed()
        }
    };
    let now = Arc::new(Mutex::new(Now { filter: filter.to_owned(), change: 0 }));
    Ok((lines, LogFilter { handle, first: filter.into(), now }))
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
        let (lines_layer, _) = super::lines(format, filter, false, lines.clone()).unwrap();
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

    #[tokio::test(start_paused = true)]
    async fn another_filter_lasts_as_long_as_it_was_asked_to_and_audit_lines_always_pass() {
        let lines = Lines::default();
        let (layer, filter) = super::lines(LogFormat::Text, "warn", false, lines.clone()).unwrap();
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        tracing::info!("first");
        tracing::info!(target: AUDIT, "who");
        filter.set("info", Duration::from_secs(5)).unwrap();
        tracing::info!("second");
        filter.set("debug", Duration::from_secs(60)).unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(filter.now(), "debug", "an older filter ends only itself");
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(filter.now(), "warn");
        tracing::info!("third");
        assert!(filter.set("a=b=c", Duration::from_secs(1)).is_err());
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let said = ["first", "who", "second", "third"].map(|word| text.contains(word));
        assert_eq!(said, [false, true, true, false], "{text}");
    }
}
