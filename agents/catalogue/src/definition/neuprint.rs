//! `neuprint:`: a dataset of a neuPrint server as a source.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::reader::{Fields, Reader};
use crate::yaml_tree::Node;

/// Most bytes of a record of a neuron type.
pub(super) const MAX_RECORD_BYTES: u64 = 7 * 1024 * 1024;
/// Deepest nesting of a record; regions of a dataset nest.
pub(super) const MAX_RECORD_DEPTH: usize = 64;

const KEYS: [&str; 11] = [
    "server",
    "dataset",
    "token",
    "token_file",
    "ca_file",
    "include",
    "exclude",
    "batch",
    "concurrency",
    "per_second",
    "timeout_seconds",
];

/// `neuprint:`: the neuron types of a dataset, one record each, and one of the dataset itself.
///
/// `${VAR:-default}` is expanded where the source is read, in the texts up to `ca_file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neuprint {
    /// Address of the server: scheme, host, and port if need be.
    pub server: String,
    /// Name of the dataset, with or without its tag.
    pub dataset: String,
    /// Who we are to the server.
    pub token: Token,
    /// PEM file of authorities that are trusted beside those of the system.
    pub ca_file: Option<String>,
    /// Glob patterns of the types to read; `/` is an ordinary character in them.
    pub include: Vec<String>,
    /// Glob patterns of types left out.
    pub exclude: Vec<String>,
    /// Most types that one query asks for.
    pub batch: usize,
    /// Queries under way at once, for one process.
    pub concurrency: usize,
    /// Queries begun each second, for one process.
    pub per_second: u32,
    /// Seconds that a query may take.
    pub timeout_seconds: u64,
}

/// Where the token is taken from. It never stands in a definition: that is kept and passed on with the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// An environment variable, as `${NAME}`.
    Variable(String),
    /// A file that holds it and nothing else; its path.
    File(String),
}

impl Neuprint {
    /// Where the item of a key lies: a type's is at its name. The dataset has an item of its own, whose key begins with
    /// that word.
    #[must_use]
    pub fn locations_of(&self, key: &str) -> Vec<String> {
        let dataset = key.starts_with("dataset").then(|| Self::DATASET.to_owned());
        std::iter::once(format!("types/{key}")).chain(dataset).collect()
    }

    /// Where the item of the dataset lies, which all others look at.
    pub const DATASET: &'static str = "dataset";

    /// The type at a location, which is its key.
    pub(crate) fn key_at(&self, location: &str) -> Option<String> {
        location.strip_prefix("types/").map(str::to_owned)
    }

    /// Which types the source takes.
    ///
    /// # Errors
    /// If a pattern is none, which the definition's reader has refused.
    pub fn patterns(&self) -> Result<TypePatterns, globset::Error> {
        Ok(TypePatterns { include: set(&self.include)?, exclude: set(&self.exclude)? })
    }
}

/// Patterns of types, compiled.
#[derive(Debug, Clone)]
pub struct TypePatterns {
    include: GlobSet,
    exclude: GlobSet,
}

impl TypePatterns {
    /// Whether the source takes a type.
    #[must_use]
    pub fn take(&self, name: &str) -> bool {
        self.include.is_match(name) && !self.exclude.is_match(name)
    }
}

fn set(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for text in patterns {
        set.add(pattern(text)?);
    }
    set.build()
}

fn pattern(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(false).build()
}

/// Reads `neuprint:`.
pub(super) fn neuprint<'t>(r: &mut Reader<'t>, node: &'t Node) -> Option<Neuprint> {
    let fields = r.fields(node, "`neuprint`", &KEYS)?;
    let token = token(r, &fields);
    let server = r.required(&fields, "server", "`neuprint`").and_then(|node| server(r, node));
    let dataset =
        r.required(&fields, "dataset", "`neuprint`").and_then(|node| r.text(node, "the name of a dataset"));
    let ca_file = r.optional_text(&fields, "ca_file", "a path");
    let include = patterns(r, &fields, "include").unwrap_or_else(|| vec!["*".to_owned()]);
    let exclude = patterns(r, &fields, "exclude").unwrap_or_default();
    let mut number = |key, least, default, most| r.whole(&fields, key, [least, default, most]);
    let (batch, concurrency) = (number("batch", 1, 50, 64), number("concurrency", 1, 4, 64));
    let (per_second, timeout_seconds) =
        (number("per_second", 1, 20, 1000), number("timeout_seconds", 1, 90, 600));
    Some(Neuprint {
        server: server?,
        dataset: dataset?,
        token: token?,
        ca_file,
        include,
        exclude,
        batch: usize::try_from(batch).unwrap_or(1),
        concurrency: usize::try_from(concurrency).unwrap_or(1),
        per_second: u32::try_from(per_second).unwrap_or(1),
        timeout_seconds,
    })
}

fn server(r: &mut Reader<'_>, node: &Node) -> Option<String> {
    let server = r.text(node, "the address of a server, like https://neuprint.janelia.org")?;
    if server.contains("${") || server.starts_with("https://") || server.starts_with("http://") {
        return Some(server);
    }
    r.error(node.span, "expected an address that starts with https://, or http:// for one on this machine");
    None
}

fn token<'t>(r: &mut Reader<'t>, fields: &Fields<'t>) -> Option<Token> {
    let (value, file) = (fields.get("token"), fields.get("token_file"));
    match (value, file) {
        (Some(node), None) => variable(r, node),
        (None, Some(node)) => r.text(node, "the path of a file").map(Token::File),
        (Some(value), Some(file)) => {
            variable(r, value);
            r.error(file.span, "expected one of `token` and `token_file`, found both");
            None
        }
        (None, None) => {
            r.required(fields, "token", "`neuprint`");
            None
        }
    }
}

/// A token that is named, not written.
fn variable(r: &mut Reader<'_>, node: &Node) -> Option<Token> {
    let Some(text) = node.text() else {
        return r.text(node, "`${NAME}`").map(Token::Variable);
    };
    if after_variable(text).is_some_and(str::is_empty) {
        return Some(Token::Variable(text.to_owned()));
    }
    r.error_with_help(
        node.span,
        "expected `${NAME}`: a token does not stand in a definition, which is kept and passed on",
        Some("set an environment variable, like NEUPRINT_TOKEN, and write \"${NEUPRINT_TOKEN}\"; or name a file by `token_file`".to_owned()),
    );
    None
}

/// What follows `${NAME}` at the start of a text; `None` if there is no such thing.
fn after_variable(text: &str) -> Option<&str> {
    let (name, rest) = text.strip_prefix("${")?.split_once('}')?;
    let mut bytes = name.bytes();
    let named = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    named.then_some(rest)
}

/// A line within `neuprint:` as it may be shown. What is not plainly the value of a known key may be a token at the wrong place.
pub(super) fn hidden(line: &str) -> String {
    let key = line.trim_start().split(':').next().unwrap_or_default();
    if KEYS.contains(&key) && !line.contains('{') {
        return without_token(line);
    }
    let from = line.find(':').map_or(line.len() - line.trim_start().len(), |at| at + 1);
    let (shown, values) = line.split_at(from);
    let stars = values.chars().map(|character| if character == ' ' { ' ' } else { '*' });
    shown.chars().chain(stars).collect()
}

/// A line as it may be shown: a token that is written out is not. Also where the line cannot be read as YAML.
pub(super) fn without_token(line: &str) -> String {
    const QUOTES: [char; 2] = ['"', '\''];
    let mut from = 0;
    while let Some(at) = line.get(from..).and_then(|rest| rest.find("token")) {
        from += at + "token".len();
        let rest = line.get(from..).unwrap_or_default();
        let Some(value) = rest.trim_start_matches(QUOTES).trim_start().strip_prefix(':') else { continue };
        let value = value.trim_start().trim_start_matches(QUOTES);
        let after = after_variable(value).map(|rest| rest.trim_start_matches(QUOTES));
        if value.is_empty() || after.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ',', '}']))
        {
            continue;
        }
        let (shown, hidden) = line.split_at(line.len() - value.len());
        return format!("{shown}{}", "*".repeat(hidden.chars().count()));
    }
    line.to_owned()
}

/// Patterns of types; `None` if the key is not there.
fn patterns<'t>(r: &mut Reader<'t>, fields: &Fields<'t>, key: &str) -> Option<Vec<String>> {
    let node = fields.get(key)?;
    for item in r.items(node, key) {
        if let Some(Err(error)) = item.text().map(pattern) {
            r.error(item.span, format!("expected a pattern like `LC*`: {}", error.kind()));
        }
    }
    let texts = r.texts(fields, key, "a pattern");
    if texts.is_empty() && key == "include" {
        r.error(node.span, "expected at least one pattern");
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Connector, read};

    fn said(neuprint: &str) -> Result<Neuprint, String> {
        let text = format!(
            "catalogue: n\ntitle: N\nsources:\n  - name: types\n    neuprint: {neuprint}\nrecord: {{ key: .type, title: .type }}\n"
        );
        let definition = read(&text).map_err(|flaws| flaws.to_string())?;
        match definition.sources.into_iter().next().map(|source| source.connector) {
            Some(Connector::Neuprint(neuprint)) => Ok(neuprint),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let read = said("{ server: \"https://n.example\", dataset: \"cns:v0.9\", token: \"${T}\" }").unwrap();
        assert_eq!((read.batch, read.concurrency, read.per_second, read.timeout_seconds), (50, 4, 20, 90));
        assert_eq!((read.include, read.exclude), (vec!["*".to_owned()], vec![]));
        assert_eq!((read.token, read.ca_file), (Token::Variable("${T}".to_owned()), None));
        let read = said(
            "{ server: \"${S:-https://n.example}\", dataset: d, token_file: \"${F}\", ca_file: ca.pem }",
        )
        .unwrap();
        assert_eq!(read.token, Token::File("${F}".to_owned()));
    }

    #[test]
    fn a_token_that_is_written_out_is_refused_and_never_shown() {
        for token in ["s3cret", "${T:-s3cret}", "Bearer ${T} s3cret", "${T}s3cret", "s3cret}", "${s3cret-x}"]
        {
            // On one line with another slip of the pen, whose line is shown.
            let text = format!("{{ servr: x, dataset: d, token: \"{token}\", bach: 1 }}");
            let said = said(&text).unwrap_err();
            assert!(said.contains("expected `${NAME}`"), "{said}");
            assert!(said.contains("did you mean `batch`?"), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn a_token_at_the_wrong_place_is_not_shown_either() {
        for token in [
            "token:\n        s3cret",
            "token: >-\n        s3cret",
            "\"tok\\u0065n\": s3cret",
            "Token: s3cret",
            "tokne: s3cret",
        ] {
            let said =
                said(&format!("\n      server: ftp://x\n      dataset: d\n      {token}\n")).unwrap_err();
            assert!(!said.contains("s3cret"), "{said}");
            assert!(said.contains("server: ftp://x"), "other values are shown: {said}");
        }
    }

    #[test]
    fn slips_of_the_pen_are_told() {
        let found = |neuprint: &str, words: &str| {
            let said = said(neuprint).unwrap_err();
            assert!(said.contains(words), "{said}");
        };
        found("{ server: \"https://x\", dataset: d }", "missing key `token`");
        found(
            "{ server: \"https://x\", dataset: d, token: \"${T}\", token_file: f }",
            "one of `token` and `token_file`",
        );
        found("{ server: x, dataset: d, token: \"${T}\" }", "starts with https://");
        found("{ server: \"https://x\", dataset: d, token: \"${T}\", batch: 65 }", "from 1 to 64");
        found("{ server: \"https://x\", dataset: d, token: \"${T}\", include: [] }", "at least one pattern");
        found("{ server: \"https://x\", dataset: d, token: \"${T}\", include: [\"[\"] }", "a pattern like");
    }

    #[test]
    fn patterns_know_no_folders() {
        let mut read = said("{ server: \"https://x\", dataset: d, token: \"${T}\" }").unwrap();
        assert!(read.patterns().unwrap().take("KC/a b\n'c'"));
        (read.include, read.exclude) = (vec!["KC*".to_owned(), "Mi1".to_owned()], vec!["*_x".to_owned()]);
        let patterns = read.patterns().unwrap();
        let taken: Vec<bool> =
            ["KC/a", "Mi1", "mi1", "Mi10", "KC/a_x"].map(|name| patterns.take(name)).to_vec();
        assert_eq!(taken, [true, true, false, false, false]);
    }
}
