//! Log lines as JSON. What the spans say that a line was written in stands in the line itself, under the names that lines use
//! themselves: one looks for `run` in one place, whoever told it, and a span within a span hides nothing.

use std::fmt;

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{Format, Json, Writer},
    },
    registry::LookupSpan,
};

/// Before names of fields that are ours where spans are sent.
const OURS: &str = "quire.";

/// Writes a line.
pub(super) struct Lines(Format<Json>);

impl Lines {
    pub(super) fn new() -> Self {
        let line = tracing_subscriber::fmt::format().json().flatten_event(true);
        Self(line.with_current_span(false).with_span_list(false))
    }
}

impl<S> FormatEvent<S, SpanFields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, SpanFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let Some(open) = line.trim_end().strip_suffix('}') else { return writer.write_str(&line) };
        writer.write_str(open)?;
        let mut told: Vec<String> = event.fields().map(|field| field.name().to_owned()).collect();
        // From the innermost on, which knows best; and of what was noted twice, the last.
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let said = extensions.get::<FormattedFields<SpanFields>>();
            for (name, value) in said.iter().flat_map(|said| said.lines().rev()).filter_map(split) {
                if !told.iter().any(|told| told == name) {
                    write!(writer, ",\"{name}\":{value}")?;
                    told.push(name.to_owned());
                }
            }
        }
        writer.write_str("}\n")
    }
}

fn split(said: &str) -> Option<(&str, &str)> {
    said.split_once('\t')
}

/// Keeps what of a span's fields belongs into lines: a line for each, its name, a tab and its value in JSON. Attributes that are
/// there for who receives spans are not written down at all.
pub(super) struct SpanFields;

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut said = Said { writer, done: Ok(()) };
        fields.record(&mut said);
        said.done
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

struct Said<'writer> {
    writer: Writer<'writer>,
    done: fmt::Result,
}

impl Said<'_> {
    fn say(&mut self, field: &Field, value: impl Into<serde_json::Value>) {
        if let Some(name) = name_of(field)
            && self.done.is_ok()
        {
            // Has no line ends and no tabs: JSON escapes them.
            self.done = writeln!(self.writer, "{name}\t{}", value.into());
        }
    }
}

impl Visit for Said<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if name_of(field).is_some() {
            self.say(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.say(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.say(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.say(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.say(field, value);
    }
}

/// The name that a field has in lines, if it belongs there.
fn name_of(field: &Field) -> Option<&'static str> {
    let name = field.name();
    Some(name.strip_prefix(OURS).unwrap_or(name)).filter(|name| !name.contains('.'))
}
