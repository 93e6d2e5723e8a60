//! YAML text as a tree that knows where everything stands.
//!
//! One reader for three uses: records in YAML, lines of pointers into them, and `catalogue.yaml` itself with its
//! diagnostics. Built on serde-saphyr's parser by events, so that size, depth and aliases are bounded here.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{
    ErrorKind, Event, Options, Parser, ScalarStyle, Span as Range, StrInput, Tag,
};

/// Most nodes of one text, aliases expanded.
pub(crate) const MAX_NODES: usize = 500_000;

/// Where a node stands: line and column counted from 1, length in characters on its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) len: u32,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
    /// Nodes in this subtree, itself included.
    size: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Scalar {
        text: String,
        /// Written without quotes and not tagged `!!str`: may be a number, a boolean or null.
        plain: bool,
        /// Where it is written exactly as it reads, so that positions inside can be told: characters before the
        /// text on its first line.
        verbatim: Option<u32>,
    },
    Seq(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Why text is not a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlFault {
    pub(crate) span: Span,
    pub(crate) message: String,
}

/// Reads the one document of `text`; `None` if there is nothing but space and comments.
pub(crate) fn read(text: &str, max_depth: usize) -> Result<Option<Node>, YamlFault> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = max_depth + 1;
    options.block_nesting_limit = max_depth + 1;
    let parser = Parser::new_from_str_with_options(text, options);
    Builder { parser, max_depth, nodes: 0, anchors: HashMap::new() }.stream()
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    max_depth: usize,
    nodes: usize,
    anchors: HashMap<usize, Node>,
}

type Read<T> = Result<T, YamlFault>;

impl<'a> Builder<'a> {
    fn stream(mut self) -> Read<Option<Node>> {
        let mut root = None;
        loop {
            let Some((event, range)) = self.next()? else { return Ok(root) };
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(root),
                _ if root.is_some() => {
                    return fault(span(range), "expected one YAML document, found a second");
                }
                event => {
                    let node = self.node(event, range, 0)?;
                    let nothing =
                        matches!(&node.kind, Kind::Scalar { text, plain: true, .. } if text.is_empty());
                    root = if nothing { None } else { Some(node) };
                }
            }
        }
    }

    fn next(&mut self) -> Read<Option<(Event<'a>, Range)>> {
        self.parser.next_event().transpose().map_err(|error| {
            let marker = error.marker();
            let span = Span { line: cut(marker.line()), column: cut(marker.col() + 1), len: 1 };
            YamlFault { span, message: explain(error.kind(), self.max_depth) }
        })
    }

    fn node(&mut self, event: Event<'a>, range: Range, depth: usize) -> Read<Node> {
        let at = span(range);
        self.count(1, at)?;
        let (kind, anchor) = match event {
            Event::Alias(id) => return self.alias(id, at),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && is_untyped(tag.as_deref(), at)?;
                let (written, read) = (range.len(), text.chars().count());
                let verbatim = match style {
                    ScalarStyle::Plain => (written == read).then_some(0),
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                        (written == read + 2).then_some(1)
                    }
                    // Lines of a block are indented alike.
                    ScalarStyle::Literal => Some(0),
                    ScalarStyle::Folded => None,
                };
                (Kind::Scalar { text: text.into_owned(), plain, verbatim }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                is_untyped(tag.as_deref(), at)?;
                self.deeper(depth, at)?;
                (Kind::Seq(self.sequence(depth + 1)?), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                is_untyped(tag.as_deref(), at)?;
                self.deeper(depth, at)?;
                (Kind::Map(self.mapping(depth + 1)?), anchor)
            }
            _ => return fault(at, "expected a YAML value"),
        };
        let node = Node { span: at, size: size(&kind), kind };
        if anchor != 0 {
            // A copy for each alias to come; copies count, so that anchors cannot multiply unseen.
            self.count(node.size, at)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Read<Vec<Node>> {
        let mut items = Vec::new();
        while let Some((event, range)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, range, depth)?);
        }
        Ok(items)
    }

    fn mapping(&mut self, depth: usize) -> Read<Vec<(Node, Node)>> {
        let mut members: Vec<(Node, Node)> = Vec::new();
        while let Some((event, range)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, range, depth)?;
            let Some((event, range)) = self.next()? else { break };
            members.push((key, self.node(event, range, depth)?));
        }
        Ok(members)
    }

    fn alias(&mut self, id: usize, at: Span) -> Read<Node> {
        let Some(node) = self.anchors.get(&id) else {
            return fault(at, "expected an anchor that is complete before this alias");
        };
        let mut node = node.clone();
        node.span = at;
        self.count(node.size, at)?;
        Ok(node)
    }

    fn count(&mut self, nodes: usize, at: Span) -> Read<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return fault(at, format!("more than {MAX_NODES} values, aliases expanded"));
        }
        Ok(())
    }

    fn deeper(&self, depth: usize, at: Span) -> Read<()> {
        if depth >= self.max_depth {
            return fault(at, format!("nested deeper than {} levels", self.max_depth));
        }
        Ok(())
    }
}

/// Whether the node's type is to be read from its text; `!!str` makes it text, tags of other makers are refused.
fn is_untyped(tag: Option<&Tag>, at: Span) -> Read<bool> {
    let Some(tag) = tag else { return Ok(true) };
    match tag.core_suffix() {
        Some("str") => Ok(false),
        Some(_) => Ok(true),
        None if tag.original() == "!" => Ok(false),
        None => fault(at, format!("the tag {} is not supported", tag.original())),
    }
}

fn size(kind: &Kind) -> usize {
    1 + match kind {
        Kind::Scalar { .. } => 0,
        Kind::Seq(items) => items.iter().map(|node| node.size).sum(),
        Kind::Map(members) => members.iter().map(|(key, value)| key.size + value.size).sum(),
    }
}

fn explain(kind: &ErrorKind, max_depth: usize) -> String {
    let text = kind.to_string();
    let text = text.trim_end_matches('.');
    if text.contains("nesting") || text.contains("recursion") {
        return format!("nested deeper than {max_depth} levels");
    }
    let mut chars = text.chars();
    chars.next().map_or_else(|| "not YAML".to_owned(), |first| first.to_lowercase().chain(chars).collect())
}

fn span(range: Range) -> Span {
    let one_line = range.start.line() == range.end.line();
    let len = if one_line { range.end.col().saturating_sub(range.start.col()) } else { 1 };
    Span { line: cut(range.start.line()), column: cut(range.start.col() + 1), len: cut(len.max(1)) }
}

fn cut(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn fault<T>(span: Span, message: impl Into<String>) -> Read<T> {
    Err(YamlFault { span, message: message.into() })
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}
