//! `site:`, facts about the published site.

use super::{Site, read::list, reader::Reader};
use crate::yaml_tree::Node;

pub(super) fn site<'t>(r: &mut Reader<'t>, node: &'t Node) -> Site {
    let Some(fields) = r.fields(node, "`site`", &["base_url", "licence", "language", "frames"]) else {
        return Site::default();
    };
    let base_url =
        r.optional_text(&fields, "base_url", "a URL").map(|url| url.trim_end_matches('/').to_owned());
    if let (Some(url), Some(node)) = (&base_url, fields.get("base_url"))
        && !(url.starts_with("https://") || url.starts_with("http://"))
    {
        r.error(node.span, "expected a URL that starts with https:// or http://");
    }
    Site {
        base_url,
        licence: r.optional_text(&fields, "licence", "a licence"),
        language: r.optional_text(&fields, "language", "a language like `en`"),
        frames: fields.get("frames").map(|node| frames(r, node)).unwrap_or_default(),
    }
}

/// Origins that pages may frame: they become a part of the content security policy, so nothing else may be in them.
fn frames<'t>(r: &mut Reader<'t>, node: &'t Node) -> Vec<String> {
    let items = list(r, node, "`frames`");
    let is_origin = |text: &str| {
        let host = text.strip_prefix("https://").unwrap_or_default();
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
        host.starts_with(|first: char| first.is_ascii_alphanumeric()) && host.bytes().all(is_sign)
    };
    let mut origins = Vec::new();
    for item in items {
        match r.text(item, "an origin like `https://viewer.example.org`") {
            Some(text) if is_origin(&text) => origins.push(text),
            Some(text) => r.error(
                item.span,
                format!("expected an origin like `https://viewer.example.org`, found `{text}`"),
            ),
            None => {}
        }
    }
    origins
}
