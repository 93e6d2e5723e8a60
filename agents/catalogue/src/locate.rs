//! Lines of JSON pointers in the text that they point into.
//!
//! One pass over the text serves all pointers of a record: they are sorted into a tree, and what no pointer leads
//! into is skipped. A pointer that the text does not have (a member that normalising added) gets the line of its
//! nearest ancestor that is there.

use std::collections::BTreeMap;

use quire_proto::Format;

use crate::scan::{blank_run, plain_run};
use crate::yaml_tree::{self, Kind, Node};

/// The line (counted from 1) of each pointer, in their order. Text that is not JSON or YAML yields line 1
/// from where it can no longer be read.
#[must_use]
pub fn lines<'p>(format: Format, text: &[u8], pointers: impl IntoIterator<Item = &'p str>) -> Vec<u32> {
    let mut wanted = Wanted::default();
    let mut count = 0;
    for pointer in pointers {
        wanted.add(pointer, count);
        count += 1;
    }
    let mut lines = vec![1; count];
    match format {
        Format::Row => {}
        Format::Json => JsonWalk { text, at: 0, line: 1, lines: &mut lines }.root(&wanted),
        Format::Yaml => {
            let tree =
                std::str::from_utf8(text).ok().and_then(|text| yaml_tree::read(text, usize::MAX / 2).ok()?);
            if let Some(tree) = tree {
                yaml_walk(&tree, &wanted, tree.span.line, &mut lines);
            }
        }
    }
    lines
}

/// The line of one pointer.
#[must_use]
pub fn line(format: Format, text: &[u8], pointer: &str) -> u32 {
    lines(format, text, [pointer]).first().copied().unwrap_or(1)
}

/// Appends a step to a pointer (RFC 6901: `~` becomes `~0`, `/` becomes `~1`).
pub(crate) fn push_step(pointer: &mut String, step: &str) {
    pointer.push('/');
    for c in step.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

fn unescape(step: &str) -> String {
    if step.contains('~') { step.replace("~1", "/").replace("~0", "~") } else { step.to_owned() }
}

/// Pointers as a tree of steps.
#[derive(Default)]
struct Wanted {
    /// Positions of the pointers that end here.
    here: Vec<usize>,
    below: BTreeMap<String, Wanted>,
}

impl Wanted {
    fn add(&mut self, pointer: &str, position: usize) {
        let mut place = self;
        for step in pointer.split('/').skip(1) {
            place = place.below.entry(unescape(step)).or_default();
        }
        place.here.push(position);
    }

    /// Gives `line` to every pointer at or below here: until a deeper one is met, it is the best known.
    fn give(&self, line: u32, lines: &mut [u32]) {
        for &position in &self.here {
            if let Some(known) = lines.get_mut(position) {
                *known = line;
            }
        }
        for below in self.below.values() {
            below.give(line, lines);
        }
    }
}

fn yaml_walk(node: &Node, wanted: &Wanted, line: u32, lines: &mut [u32]) {
    wanted.give(line, lines);
    if wanted.below.is_empty() {
        return;
    }
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::Seq(items) => {
            for (position, item) in items.iter().enumerate() {
                if let Some(below) = wanted.below.get(&position.to_string()) {
                    yaml_walk(item, below, item.span.line, lines);
                }
            }
        }
        Kind::Map(members) => {
            for (key, member) in members {
                if let Some(below) = key.text().and_then(|key| wanted.below.get(key)) {
                    yaml_walk(member, below, key.span.line, lines);
                }
            }
        }
    }
}

/// Walks text that was read as JSON before; where it is not JSON after all, it stops.
struct JsonWalk<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    lines: &'a mut [u32],
}

impl JsonWalk<'_> {
    fn root(&mut self, wanted: &Wanted) {
        self.space();
        self.value(wanted, self.line);
    }

    /// Visits a value that stands on `line` (the line of its key, in an object).
    fn value(&mut self, wanted: &Wanted, line: u32) -> Option<()> {
        wanted.give(line, self.lines);
        if wanted.below.is_empty() {
            return self.skip();
        }
        match self.peek()? {
            b'{' => self.object(wanted),
            b'[' => self.array(wanted),
            _ => self.skip(),
        }
    }

    fn object(&mut self, wanted: &Wanted) -> Option<()> {
        self.at += 1;
        loop {
            self.space();
            match self.peek()? {
                b'}' => break,
                b',' => self.at += 1,
                b'"' => {
                    let line = self.line;
                    let key = self.key()?;
                    self.space();
                    self.at += 1;
                    self.space();
                    match wanted.below.get(key.as_str()) {
                        Some(below) => self.value(below, line)?,
                        None => self.skip()?,
                    }
                }
                _ => return None,
            }
        }
        self.at += 1;
        Some(())
    }

    fn array(&mut self, wanted: &Wanted) -> Option<()> {
        self.at += 1;
        let mut position = 0_usize;
        loop {
            self.space();
            match self.peek()? {
                b']' => break,
                b',' => {
                    self.at += 1;
                    position += 1;
                }
                _ => match wanted.below.get(&position.to_string()) {
                    Some(below) => self.value(below, self.line)?,
                    None => self.skip()?,
                },
            }
        }
        self.at += 1;
        Some(())
    }

    /// Passes over one value, whatever is in it.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {
                    self.space();
                    self.at += usize::from(matches!(self.peek(), Some(b',' | b':')) && depth > 0);
                }
                _ => self.word(),
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn word(&mut self) {
        while let Some(byte) = self.peek() {
            if matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t') {
                break;
            }
            self.at += 1;
        }
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.at += plain_run(self.text.get(self.at..)?);
            match self.peek()? {
                b'"' => break,
                _ => self.at += 2,
            }
        }
        self.at += 1;
        Some(())
    }

    fn key(&mut self) -> Option<String> {
        let start = self.at;
        self.string()?;
        let quoted = self.text.get(start..self.at)?;
        if quoted.contains(&b'\\') {
            return serde_json::from_slice(quoted).ok();
        }
        std::str::from_utf8(quoted.get(1..quoted.len() - 1)?).ok().map(str::to_owned)
    }

    fn space(&mut self) {
        while let Some(byte @ (b' ' | b'\n' | b'\r' | b'\t')) = self.peek() {
            self.at += 1;
            if byte == b'\n' {
                self.line += 1;
                self.at += blank_run(self.text.get(self.at..).unwrap_or_default());
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}
