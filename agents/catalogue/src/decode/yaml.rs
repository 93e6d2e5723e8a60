//! One YAML document (core schema of YAML 1.2) to a value.

use jaq_json::Rc;

use jaq_json::{Map, Val};

use super::{
    Fault,
    scalar::{self, Plain},
};
use crate::yaml_tree::{self, Kind, Node, Span, YamlFault};

/// Parses exactly one document.
pub(super) fn parse(text: &str, max_depth: usize) -> Result<Val, Fault> {
    let tree = yaml_tree::read(text, max_depth).map_err(into_fault)?;
    let Some(tree) = tree else {
        return Err(Fault::at("yaml", text.as_bytes(), 0, "expected a YAML document, found nothing"));
    };
    value(&tree).map_err(into_fault)
}

fn into_fault(fault: YamlFault) -> Fault {
    let Span { line, column, .. } = fault.span;
    Fault {
        rule: "yaml",
        offset: 0,
        message: format!("{} (line {line}, column {column})", fault.message),
        line,
    }
}

fn value(node: &Node) -> Result<Val, YamlFault> {
    match &node.kind {
        Kind::Scalar { text, plain: false, .. } => Ok(Val::from(text.clone())),
        Kind::Scalar { text, .. } => {
            plain_value(text).map_err(|message| YamlFault { span: node.span, message })
        }
        Kind::Seq(items) => Ok(Val::Arr(Rc::new(items.iter().map(value).collect::<Result<_, _>>()?))),
        Kind::Map(members) => object(members),
    }
}

fn plain_value(text: &str) -> Result<Val, String> {
    match scalar::plain(text) {
        Plain::Null => Ok(Val::Null),
        Plain::Bool(truth) => Ok(Val::Bool(truth)),
        Plain::Number(text) => scalar::number(text),
        Plain::OddNumber(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            scalar::number(&format!("{number:.0}"))
        }
        Plain::OddNumber(number) if number.is_finite() => Ok(Val::from(number)),
        Plain::OddNumber(_) | Plain::NotFinite => Err(format!("expected a finite number, found {text}")),
        Plain::Text => Ok(Val::from(text.to_owned())),
    }
}

fn object(members: &[(Node, Node)]) -> Result<Val, YamlFault> {
    let mut map = Map::with_capacity_and_hasher(members.len(), Default::default());
    for (key, member) in members {
        let refuse = |message: String| Err(YamlFault { span: key.span, message });
        let Some(text) = key.text() else {
            return refuse("expected text as key, found a collection".to_owned());
        };
        if text == "<<" {
            return refuse("merge keys (<<) are not part of YAML 1.2; repeat the members".to_owned());
        }
        if map.insert(Val::from(text.to_owned()), value(member)?).is_some() {
            return refuse(format!("the key {} occurs twice in one mapping", scalar::short(text)));
        }
    }
    Ok(Val::obj(map))
}
