//! Small texts that several pages need.

/// At most `most` characters of `text`; what is cut is cut at a blank and marked with "…".
pub(crate) fn shorten(text: &str, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else { return text.to_owned() };
    let cut = text.get(..end).unwrap_or_default();
    let words = cut.rsplit_once(char::is_whitespace).map_or(cut, |(words, _)| words);
    format!("{}…", words.trim_end())
}

/// The absolute address of `path`; `index.html` is left out of it.
pub(crate) fn absolute(base_url: Option<&str>, path: &str) -> Option<String> {
    let base_url = base_url?;
    let slash = if base_url.ends_with('/') { "" } else { "/" };
    let path = match path.strip_suffix("index.html") {
        Some(folder) if folder.is_empty() || folder.ends_with('/') => folder,
        _ => path,
    };
    Some(format!("{base_url}{slash}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_blank() {
        assert_eq!(shorten("one two three", 9), "one two…");
        assert_eq!(shorten("one two", 7), "one two");
        assert_eq!(shorten("ééééé", 3), "ééé…");
    }

    #[test]
    fn an_address_needs_a_base_and_leaves_the_index_out() {
        assert_eq!(absolute(None, "a"), None);
        assert_eq!(absolute(Some("https://a.b/c"), "x/index.html").unwrap(), "https://a.b/c/x/");
        assert_eq!(absolute(Some("https://a.b/"), "index.html").unwrap(), "https://a.b/");
        assert_eq!(absolute(Some("https://a.b/"), "x/my-index.html").unwrap(), "https://a.b/x/my-index.html");
    }
}
