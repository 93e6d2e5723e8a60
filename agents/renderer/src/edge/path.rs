//! Which paths may be written into a site.

/// Longest path in a site, in bytes.
const MAX_PATH_BYTES: usize = 1024;
/// Longest component: what common file systems take.
const MAX_COMPONENT_BYTES: usize = 255;

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedPath {
    /// Nothing, or nothing between two slashes.
    #[error("a component is empty")]
    Empty,
    /// `.`, `..` or a hidden file.
    #[error("a component starts with a dot")]
    Dot,
    /// A control character, a backslash or another character that some file system takes amiss.
    #[error("a component has a character that is not portable")]
    Character,
    /// A blank or a dot at the end of a component, which some systems drop.
    #[error("a component ends in a blank or a dot")]
    End,
    /// Longer than file systems take.
    #[error("it is too long")]
    Long,
}

/// Splits a site path into its folder (empty for the root) and its file name, if it is harmless.
///
/// # Errors
/// [`RefusedPath`] for whatever could lead out of the site or would not survive a copy to another system.
pub fn check_path(path: &str) -> Result<(&str, &str), RefusedPath> {
    if path.len() > MAX_PATH_BYTES {
        return Err(RefusedPath::Long);
    }
    path.split('/').try_for_each(check_component)?;
    Ok(path.rsplit_once('/').unwrap_or(("", path)))
}

fn check_component(component: &str) -> Result<(), RefusedPath> {
    let bytes = component.as_bytes();
    match (bytes.first(), bytes.last()) {
        (None, _) | (_, None) => return Err(RefusedPath::Empty),
        (Some(b'.'), _) => return Err(RefusedPath::Dot),
        (_, Some(b'.' | b' ')) => return Err(RefusedPath::End),
        _ => {}
    }
    if bytes.len() > MAX_COMPONENT_BYTES {
        return Err(RefusedPath::Long);
    }
    if component
        .chars()
        .any(|c| c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|'))
    {
        return Err(RefusedPath::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmless_path_is_split_into_folder_and_name() {
        assert_eq!(check_path("index.html"), Ok(("", "index.html")));
        assert_eq!(check_path("findings/search/0.json"), Ok(("findings/search", "0.json")));
        assert_eq!(check_path("a/é b.html"), Ok(("a", "é b.html")));
    }

    #[test]
    fn a_path_that_leads_out_of_the_site_or_is_odd_is_refused() {
        for (path, reason) in [
            ("", RefusedPath::Empty),
            ("/etc/passwd", RefusedPath::Empty),
            ("a//b", RefusedPath::Empty),
            ("a/", RefusedPath::Empty),
            ("..", RefusedPath::Dot),
            ("a/../b", RefusedPath::Dot),
            ("./a", RefusedPath::Dot),
            (".git/config", RefusedPath::Dot),
            ("a\\..\\b", RefusedPath::Character),
            ("a\0b", RefusedPath::Character),
            ("a\nb", RefusedPath::Character),
            ("c:a", RefusedPath::Character),
            ("a./b", RefusedPath::End),
            ("a /b", RefusedPath::End),
        ] {
            assert_eq!(check_path(path), Err(reason), "{path:?}");
        }
        assert_eq!(check_path(&"a".repeat(256)), Err(RefusedPath::Long));
        assert_eq!(check_path(&"a/".repeat(600)), Err(RefusedPath::Long));
    }
}
