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

use super::{TelemetryError, json, trace};

/// Target of the audit log: whatever the filter says, its lines are written.
pub(crate) const AUDIT: &str = "quire_audit";
/// Where no spans are sent or told of.
const LINES: &[&str] = &[AUDIT];
/// Of a process that tells of spans, too: whatever is logged says which run it is about.
const LINES_AND_SPANS: &[&str] = &[AUDIT, trace::TARGET];

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
    start(options, LINES, None).map(drop)
}

/// [`init`] for a process whose lines tell of spans, with one more layer.
pub(super) fn init_with(options: &LogOptions, more: Option<More>) -> Result<LogFilter, TelemetryError> {
    start(options, LINES_AND_SPANS, more)
}

/// A layer beside the lines.
pub(super) type More = Box<dyn Layer<Registry> + Send + Sync>;

/// The filter in force, and how to change it. Cheap to clone.
#[derive(Clone)]
pub(super) struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    /// Targets that every filter lets through.
    always: &'static [&'static str],
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
        let read = read(filter, self.always)?;
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

fn start(
    options: &LogOptions,
    always: &'static [&'static str],
    more: Option<More>,
) -> Result<LogFilter, TelemetryError> {
    let filter = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = filter.unwrap_or_else(|| options.default_filter.clone());
    let color =
        std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal();
    let (lines, filter) = lines(options.format, (&filter, always), color, std::io::stderr)?;
    let layers: Vec<More> = more.into_iter().chain([lines]).collect();
    tracing_subscriber::registry().with(layers).try_init().map_err(TelemetryError::Already)?;
    Ok(filter)
}

fn read(filter: &str, always: &[&str]) -> Result<EnvFilter, TelemetryError> {
    let unreadable = |source| TelemetryError::Filter { filter: filter.to_owned(), source };
    let mut read = EnvFilter::try_new(filter).map_err(unreadable)?;
    for target in always {
        read = read.add_directive(format!("{target}=info").parse().map_err(unreadable)?);
    }
    Ok(read)
}

fn lines<W>(
    format: LogFormat,
    (filter, always): (&str, &'static [&'static str]),
    color: bool,
    writer: W,
) -> Result<(More, LogFilter), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (reloaded, handle) = reload::Layer::new(read(filter, always)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(color);
    let lines = match format {
        LogFormat::Text => lines.with_filter(reloaded).boxed(),
        LogFormat::Json => {
            let lines = lines.fmt_fields(json::SpanFields).event_format(json::Lines::new());
            lines.with_filter(reloaded).boxed()
        }
    };
    let now = Arc::new(Mutex::new(Now { filter: filter.to_owned(), change: 0 }));
    Ok((lines, LogFilter { handle, always, first: filter.into(), now }))
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
        let (lines_layer, _) = super::lines(format, (filter, LINES), false, lines.clone()).unwrap();
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

    /// The JSON lines that `log` writes.
    fn written(log: impl FnOnce()) -> Vec<serde_json::Value> {
        let lines = Lines::default();
        let (layer, _) =
            super::lines(LogFormat::Json, ("warn", LINES_AND_SPANS), false, lines.clone()).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_json_line_has_what_all_spans_say_whatever_the_filter() {
        let lines = written(|| {
            let empty = tracing::field::Empty;
            let outer = tracing::info_span!(
                target: trace::TARGET,
                "process",
                otel.name = "process Q",
                messaging.system = "nats",
                quire.subjects = empty,
                run = "a-1",
                attempt = 2,
                trace_id = empty,
            );
            outer.record("trace_id", "0af7");
            outer.record("run", "a-2");
            let _outer = outer.entered();
            let _inner =
                tracing::info_span!(target: trace::TARGET, "publish", otel.kind = "producer").entered();
            tracing::Span::current().record("trace_id", "not a field of it");
            tracing::warn!("one");
            tracing::warn!(run = "b-1", "two");
            tracing::info!("not told");
        });
        assert_eq!(lines.len(), 2, "{lines:#?}");
        let (one, two) = (lines[0].as_object().unwrap(), lines[1].as_object().unwrap());
        assert_eq!(
            (&one["message"], &one["run"], &one["trace_id"]),
            (&"one".into(), &"a-2".into(), &"0af7".into())
        );
        assert_eq!((&one["attempt"], &one["level"]), (&2.into(), &"WARN".into()));
        assert!(one.keys().all(|key| !key.contains('.') && key != "subjects"), "{one:?}");
        assert_eq!((&two["run"], &two["trace_id"]), (&"b-1".into(), &"0af7".into()));
    }

    #[test]
    fn what_a_span_says_is_escaped_and_the_innermost_span_knows_best() {
        let lines = written(|| {
            let _outer =
                tracing::info_span!(target: trace::TARGET, "run", run = "a-1", quire.catalogue = "a")
                    .entered();
            let said = "a \"b\"\tc\n} d";
            let _inner =
                tracing::info_span!(target: trace::TARGET, "run", run = "b-1", quire.subjects = %said)
                    .entered();
            tracing::error!("one");
        });
        let line = &lines[0];
        assert_eq!([&line["run"], &line["catalogue"], &line["subjects"]], ["b-1", "a", "a \"b\"\tc\n} d"]);
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
            super::lines(LogFormat::Text, ("a=b=c", LINES), false, io::sink),
            Err(TelemetryError::Filter { filter, .. }) if filter == "a=b=c"
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn another_filter_lasts_as_long_as_it_was_asked_to_and_audit_lines_always_pass() {
        let lines = Lines::default();
        let (layer, filter) = super::lines(LogFormat::Text, ("warn", LINES), false, lines.clone()).unwrap();
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
