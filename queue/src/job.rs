//! One queue file: what it asks for, and what has become of it so far.

use quire_proto::Lane;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::time::iso;

/// Largest queue file; the other tool's have less than two hundred bytes.
pub const MAX_JOB_BYTES: u64 = 64 << 10;
/// Longest key, in bytes, as in catalogues.
const MAX_KEY: usize = 1_024;
/// Longest error that is noted in a job.
const MAX_ERROR: usize = 2_000;
/// The one command that there is.
const COMMAND: &str = "generate";

/// A job: the record of this key shall be up to date.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Key of the record: `neuron-type`.
    pub key: String,
    /// How urgent it is: `priority`.
    pub lane: Lane,
    /// The catalogue that has the record; any, if the file does not say.
    pub catalogue: Option<String>,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// How often the process that had claimed it ended over it.
    pub crashes: u32,
    /// Why the last attempt was in vain.
    pub error: Option<String>,
    /// Not to be tried again before, in seconds since 1970.
    pub not_before: u64,
    /// All that the file holds, also what means nothing to us.
    fields: Map<String, Value>,
}

/// Why a file is no job, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Odd(pub String);

/// What we read of a file. Texts are what stands there, also where it looks like a number.
#[derive(Deserialize)]
struct Facts {
    command: Option<String>,
    options: Option<Options>,
    priority: Option<String>,
    catalogue: Option<String>,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    crashes: u32,
    error: Option<String>,
    #[serde(default)]
    not_before: u64,
}

#[derive(Deserialize)]
struct Options {
    #[serde(rename = "neuron-type")]
    neuron_type: Option<String>,
}

impl Job {
    /// A new job, made `created` seconds after 1970.
    #[must_use]
    pub fn new(key: &str, lane: Lane, catalogue: Option<&str>, created: u64) -> Self {
        let mut fields = Map::new();
        fields.insert("command".into(), COMMAND.into());
        // The other tool reads its own settings from there.
        fields.insert("config_file".into(), "config.yaml".into());
        fields.insert("created_at".into(), iso(created).into());
        fields.insert("options".into(), Value::Object(Map::new()));
        Self {
            key: key.to_owned(),
            lane,
            catalogue: catalogue.map(str::to_owned),
            attempts: 0,
            crashes: 0,
            error: None,
            not_before: 0,
            fields,
        }
    }

    /// Reads a queue file.
    ///
    /// # Errors
    /// What keeps it from being a job, and what was expected.
    pub fn read(bytes: &[u8]) -> Result<Self, Odd> {
        if bytes.len() as u64 > MAX_JOB_BYTES {
            return Err(too_large(bytes.len() as u64));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| Odd(format!("it is not UTF-8 ({error})")))?;
        if text.trim().is_empty() {
            return Err(Odd("it is empty: expected YAML with `command: generate` and `options`".to_owned()));
        }
        let odd =
            |error: serde_saphyr::Error| Odd(format!("it is not the YAML of a job: {}", one_line(&error)));
        let fields: Map<String, Value> = serde_saphyr::from_str(text).map_err(odd)?;
        let facts: Facts = serde_saphyr::from_str(text).map_err(odd)?;
        Self::of(fields, facts)
    }

    fn of(fields: Map<String, Value>, facts: Facts) -> Result<Self, Odd> {
        match facts.command.as_deref() {
            Some(COMMAND) => {}
            Some(other) => return Err(Odd(format!("its command is `{other}`: only `{COMMAND}` is known"))),
            None => return Err(Odd(format!("it has no command: expected `command: {COMMAND}`"))),
        }
        let key = facts.options.and_then(|options| options.neuron_type);
        let key = key.ok_or_else(|| {
            Odd("it names no type: expected `options:` with `neuron-type: NAME`".to_owned())
        })?;
        check_key(&key)?;
        let lane = match facts.priority {
            Some(word) => lane_of(&word)?,
            None => Lane::Normal,
        };
        let Facts { catalogue, attempts, crashes, error, not_before, .. } = facts;
        Ok(Self { key, lane, catalogue, attempts, crashes, error, not_before, fields })
    }

    /// Whether both ask for the same. One that names no catalogue is done by whoever comes first, whatever that one's is.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let either = self.catalogue.is_none() || other.catalogue.is_none();
        self.key == other.key && (either || self.catalogue == other.catalogue)
    }

    /// The file that says all this, as the other tool would write it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut fields = self.fields.clone();
        let mut set = |name: &str, value: Option<Value>| match value {
            Some(value) => drop(fields.insert(name.to_owned(), value)),
            None => drop(fields.shift_remove(name)),
        };
        let number = |number: u64| (number > 0).then(|| number.into());
        set("priority", (self.lane != Lane::Normal).then(|| self.lane.as_str().into()));
        set("catalogue", self.catalogue.clone().map(Value::from));
        set("attempts", number(self.attempts.into()));
        set("crashes", number(self.crashes.into()));
        set("error", self.error.clone().map(Value::from));
        set("not_before", number(self.not_before));
        if let Some(Value::Object(options)) = fields.get_mut("options") {
            options.insert("neuron-type".to_owned(), self.key.clone().into());
        }
        let mut out = String::new();
        write_map(&mut out, &fields, 0);
        out
    }

    /// The job after an attempt in vain: `error` says why, and it is not to be tried again for `pause` seconds.
    #[must_use]
    pub fn failed(mut self, error: &str, now: u64, pause: u64) -> Self {
        self.attempts = self.attempts.saturating_add(1);
        let end = error.floor_char_boundary(MAX_ERROR.min(error.len()));
        self.error = Some(error.get(..end).unwrap_or(error).to_owned());
        self.not_before = now + pause;
        self
    }

    /// The job as if it had never been tried.
    #[must_use]
    pub fn afresh(mut self) -> Self {
        (self.attempts, self.crashes, self.error, self.not_before) = (0, 0, None, 0);
        self
    }
}

/// Says that a file is too large to be read.
pub(crate) fn too_large(bytes: u64) -> Odd {
    Odd(format!("it has {bytes} bytes: a job has at most {MAX_JOB_BYTES}"))
}

fn check_key(key: &str) -> Result<(), Odd> {
    if key.trim().is_empty() {
        return Err(Odd("its `neuron-type` is empty".to_owned()));
    }
    if key.len() > MAX_KEY {
        return Err(Odd(format!("its `neuron-type` has {} bytes: a key has at most {MAX_KEY}", key.len())));
    }
    Ok(())
}

fn lane_of(word: &str) -> Result<Lane, Odd> {
    let lane = Lane::ALL.into_iter().find(|lane| lane.as_str().eq_ignore_ascii_case(word.trim()));
    lane.ok_or_else(|| Odd(format!("its priority is `{word}`: expected critical, high, normal or low")))
}

/// The first line of an error: the others show the file.
fn one_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn write_map(out: &mut String, map: &Map<String, Value>, depth: usize) {
    for (name, value) in map {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&scalar(name));
        out.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                out.push('\n');
                write_map(out, map, depth + 1);
            }
            Value::String(text) => {
                out.push(' ');
                out.push_str(&scalar(text));
                out.push('\n');
            }
            // JSON is YAML.
            other => {
                out.push(' ');
                out.push_str(&escaped(&other.to_string()));
                out.push('\n');
            }
        }
    }
}

/// A text that means itself in YAML, plain where nothing else could be read there.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if plain { text.to_owned() } else { escaped(&Value::from(text).to_string()) }
}

/// JSON without the characters that YAML does not have.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if matches!(
            letter,
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        ) {
            out.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: &str = "command: generate\nconfig_file: config.yaml\ncreated_at: '2026-11-20T12:02:39.266105'\noptions:\n  embed: false\n  image-format: svg\n  neuron-type: KCa'b'-ap1\n";

    #[test]
    fn a_file_of_the_other_tool_is_a_job_and_what_means_nothing_to_us_stays() {
        let job = Job::read(THEIRS.as_bytes()).unwrap();
        assert_eq!((job.key.as_str(), job.lane, job.attempts), ("KCa'b'-ap1", Lane::Normal, 0));
        let failed = job.clone().failed("no answer", 1_000, 5);
        let again = Job::read(failed.to_yaml().as_bytes()).unwrap();
        assert_eq!((again.attempts, again.not_before, again.error.as_deref()), (1, 1_005, Some("no answer")));
        assert!(failed.to_yaml().contains("  image-format: svg\n"), "{}", failed.to_yaml());
        assert_eq!(again.afresh().to_yaml(), job.to_yaml());
    }

    #[test]
    fn names_mean_what_stands_there() {
        for (text, key) in [
            ("1e3", "1e3"),
            ("007", "007"),
            ("'null'", "null"),
            ("0o7", "0o7"),
            ("on", "on"),
            ("\"a\\\"b\"", "a\"b"),
            ("A B", "A B"),
            ("KC/a", "KC/a"),
        ] {
            let text = format!("command: generate\noptions: {{neuron-type: {text}}}\n");
            assert_eq!(Job::read(text.as_bytes()).unwrap().key, key, "{text}");
        }
        for key in [
            "a\"b",
            "a'b",
            "a\\b",
            "1e3",
            "null",
            "yes",
            "- a",
            "#a",
            "a: b",
            "é\u{7f}\u{85}",
            "a\nb\tc",
            " a ",
            "0",
        ] {
            let job = Job::new(key, Lane::Critical, Some("neurons"), 0);
            let yaml = job.to_yaml();
            let read = Job::read(yaml.as_bytes()).unwrap();
            assert_eq!((read.key.as_str(), read.lane), (key, Lane::Critical), "{yaml}");
            assert_eq!(read.catalogue.as_deref(), Some("neurons"));
        }
    }

    #[test]
    fn what_is_no_job_says_why() {
        for (text, why) in [
            ("", "it is empty"),
            ("a: [", "it is not the YAML of a job"),
            ("just words", "it is not the YAML of a job"),
            ("- 1\n- 2\n", "it is not the YAML of a job"),
            ("command: inspect\noptions: {neuron-type: A}\n", "its command is `inspect`"),
            ("options: {neuron-type: A}\n", "it has no command"),
            ("command: generate\n", "it names no type"),
            ("command: generate\noptions: {neuron-type: null}\n", "it names no type"),
            ("command: generate\noptions: {neuron-type: ' '}\n", "is empty"),
            ("command: generate\noptions: {neuron-type: A}\npriority: urgent\n", "its priority is `urgent`"),
            (
                "command: generate\ncommand: generate\noptions: {neuron-type: A}\n",
                "it is not the YAML of a job",
            ),
        ] {
            let odd = Job::read(text.as_bytes()).unwrap_err();
            assert!(odd.0.contains(why), "{text:?}: {odd}");
            assert!(!odd.0.contains('\n'), "{odd}");
        }
        assert!(Job::read(b"\xff\xfe").unwrap_err().0.contains("not UTF-8"));
        let long = format!("command: generate\noptions: {{neuron-type: {}}}\n", "x".repeat(1_025));
        assert!(Job::read(long.as_bytes()).unwrap_err().0.contains("1025 bytes"));
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\ncommand: generate\noptions: {neuron-type: A}\n";
        assert!(Job::read(bomb.as_bytes()).is_err());
    }
}
