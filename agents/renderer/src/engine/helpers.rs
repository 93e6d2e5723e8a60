//! Helpers of templates beyond those of minijinja. The table is part of the guide to templates:
//!
//! | helper | result |
//! | --- | --- |
//! | `x \| capfirst` | first character upper case, the rest as it is |
//! | `x \| number` | an integer with thousands separators; anything else as it is |
//! | `x \| fixed(n)` | a number with `n` decimals (1 if it is not said) and thousands separators |
//! | `xs \| total` | the sum of all numbers of lists in lists |
//! | `x \| log2` | the binary logarithm; null if `x` is not positive |
//! | `x \| safe_url` | `x` if it is an `http`, `https` or `mailto` address, else empty |
//! | `x \| urlencode` | percent-encoded for a query; `A-Z a-z 0-9 - _ . ~ /` stay |
//! | `x \| squeeze` | at most one empty line in a row, no blanks at the ends |
//! | `xs \| keyed(name)` | the things by their attribute `name`; of several with the same, the first |
//! | `x \| point_id` | the fragment that highlights the point `x` of a scatter plot |
//! | `code_url(system, code)` | the page of a code in a known system, else empty |
//!
//! The filter `safe` does not exist: text never becomes HTML by a template's word.

use std::{collections::BTreeMap, fmt::Write as _};

use minijinja::{Environment, Value};

use super::numbers;

/// Adds the helpers, and takes `safe` away.
pub fn add(env: &mut Environment<'static>) {
    env.remove_filter("safe");
    env.add_filter("capfirst", |value: &Value| map_text(value, capfirst));
    numbers::add(env);
    env.add_filter("safe_url", |value: &Value| {
        value.as_str().filter(|url| is_safe_url(url)).unwrap_or("").to_owned()
    });
    env.add_filter("urlencode", |value: &Value| urlencode(&value.to_string()));
    env.add_filter("squeeze", |value: &Value| {
        let squeezed = |text: &str| squeeze(text);
        match value.as_str() {
            // Taking blanks out of HTML leaves HTML.
            Some(text) if value.is_safe() => Value::from_safe_string(squeezed(text)),
            _ => map_text(value, squeezed),
        }
    });
    env.add_filter("keyed", keyed);
    env.add_filter("point_id", |value: &Value| quire_figures::scatter::point_id(&value.to_string()));
    env.add_function("code_url", |system: &Value, code: &Value| {
        let code = code.as_str().map_or_else(|| code.to_string(), str::to_owned);
        system.as_str().map(|system| code_url(system, &code)).unwrap_or_default()
    });
}

/// What is in a list by an attribute, so that many can be looked up in it. What does not have it is left out.
fn keyed(list: &Value, attribute: &str) -> Result<Value, minijinja::Error> {
    let mut found = BTreeMap::new();
    for value in list.try_iter()? {
        let key = value.get_attr(attribute)?;
        if !key.is_undefined() {
            found.entry(key).or_insert(value);
        }
    }
    Ok(Value::from_pairs(found))
}

fn map_text(value: &Value, change: impl Fn(&str) -> String) -> Value {
    value.as_str().map_or_else(|| value.clone(), |text| Value::from(change(text)))
}

/// First character upper case, the rest as it is.
pub(crate) fn capfirst(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

fn is_safe_url(url: &str) -> bool {
    let starts = |scheme: &str| url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    ["http://", "https://", "mailto:"].into_iter().any(starts)
        && !url.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>'))
}

/// Percent-encodes everything but `A-Z a-z 0-9 - _ . ~ /`.
pub(crate) fn urlencode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// At most one empty line in a row, and no blanks at the ends. A line of blanks is not empty: in Markdown two
/// blanks mean a line break.
pub(crate) fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.trim().split('\n') {
        if line.is_empty() {
            empty += 1;
            continue;
        }
        if !squeezed.is_empty() {
            squeezed.push_str(if empty > 0 { "\n\n" } else { "\n" });
        }
        empty = 0;
        squeezed.push_str(line);
    }
    squeezed
}

/// Systems by folded name: what comes before and after the code.
const SYSTEMS: [(&str, &str, &str); 22] = [
    ("CHEBI", "https://www.ebi.ac.uk/chebi/searchId.do?chebiId=", ""),
    ("DOI", "https://doi.org/", ""),
    ("FBBT", "https://flybase.org/cgi-bin/cvreport.pl?id=", ""),
    ("FLYBASE", "https://flybase.org/cgi-bin/cvreport.pl?id=", ""),
    ("GEO", "https://www.ncbi.nlm.nih.gov/geo/query/accession.cgi?acc=", ""),
    ("HMDB", "https://hmdb.ca/metabolites/", ""),
    ("ICD10CM", "https://icd10cmtool.cdc.gov/?fy=FY2025&query=", ""),
    ("KEGG", "https://www.kegg.jp/entry/", ""),
    ("LOINC", "https://loinc.org/", ""),
    ("NCBITAXON", "https://www.ncbi.nlm.nih.gov/Taxonomy/Browser/wwwtax.cgi?id=", ""),
    ("ORCID", "https://orcid.org/", ""),
    ("PMC", "https://pmc.ncbi.nlm.nih.gov/articles/", "/"),
    ("PMCID", "https://pmc.ncbi.nlm.nih.gov/articles/", "/"),
    ("PMID", "https://pubmed.ncbi.nlm.nih.gov/", "/"),
    ("PUBCHEM", "https://pubchem.ncbi.nlm.nih.gov/compound/", ""),
    ("PUBMED", "https://pubmed.ncbi.nlm.nih.gov/", "/"),
    ("RADELEMENT", "https://radelement.org/home/sets/", ""),
    ("RADLEX", "http://radlex.org/RID/", ""),
    ("SCT", "http://snomed.info/id/", ""),
    ("SNOMED", "http://snomed.info/id/", ""),
    ("SNOMEDCT", "http://snomed.info/id/", ""),
    ("TAXID", "https://www.ncbi.nlm.nih.gov/Taxonomy/Browser/wwwtax.cgi?id=", ""),
];

/// The page of `code` in `system`, or nothing if the system is unknown or the code cannot be one.
fn code_url(system: &str, code: &str) -> String {
    let folded: String =
        system.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let Some((name, before, after)) = SYSTEMS.iter().find(|(name, _, _)| *name == folded) else {
        return String::new();
    };
    let is_code_sign = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b':' | b'-')
            || (*name == "DOI" && matches!(byte, b'/' | b'(' | b')'))
    };
    if code.is_empty() || code.len() > 64 || !code.bytes().all(is_code_sign) {
        return String::new();
    }
    match *name {
        "RADELEMENT" if code.starts_with("RDES") => format!("{before}set/{code}"),
        "RADELEMENT" if code.starts_with("RDE") => format!("{before}element/{code}"),
        "RADELEMENT" => String::new(),
        _ => format!("{before}{code}{after}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_found_by_an_attribute() {
        let mut env = Environment::new();
        add(&mut env);
        let text = "{% set by = xs | keyed('name') %}{{ by['b'].n }}{{ by['a'].n }}{{ by['c'] or '-' }}{{ by | length }}";
        let list = serde_json::json!([{"name": "a", "n": 1}, {"name": "b", "n": 2}, {"name": "a", "n": 3}, {"n": 4}]);
        let list = crate::engine::value::from_json(list.to_string().as_bytes()).unwrap();
        let shown = env.render_str(text, Value::from_pairs([("xs", list)]));
        assert_eq!(shown.unwrap(), "21-2");
        assert!(env.render_str("{{ 7 | keyed('name') }}", ()).is_err());
    }

    #[test]
    fn capfirst_leaves_the_rest_alone() {
        assert_eq!(capfirst("cecal"), "Cecal");
        assert_eq!(capfirst("CT of x"), "CT of x");
        assert_eq!(capfirst("ßx"), "SSx");
        assert_eq!(capfirst(""), "");
    }

    #[test]
    fn only_addresses_of_the_web_and_of_mail_are_safe() {
        for url in ["https://a.b/c?d=e#f", "HTTP://a", "mailto:a@b.c"] {
            assert!(is_safe_url(url), "{url}");
        }
        for url in [
            "javascript:alert(1)",
            " https://a",
            "https://a b",
            "https://a\"b",
            "//a",
            "data:text/html,x",
            "é",
        ] {
            assert!(!is_safe_url(url), "{url}");
        }
    }

    #[test]
    fn more_than_one_empty_line_becomes_one() {
        assert_eq!(squeeze("\n\n a\n\n\n\nb  \nc\n\n"), "a\n\nb  \nc");
        assert_eq!(squeeze("a\n\n  \n\n\nb"), "a\n\n  \n\nb");
        assert_eq!(squeeze(""), "");
    }

    #[test]
    fn codes_of_known_systems_have_pages_and_odd_codes_have_none() {
        assert_eq!(code_url("SNOMED-CT", "1234"), "http://snomed.info/id/1234");
        assert_eq!(code_url("RadElement", "RDES12"), "https://radelement.org/home/sets/set/RDES12");
        assert_eq!(code_url("radelement", "RDE12"), "https://radelement.org/home/sets/element/RDE12");
        assert_eq!(code_url("DOI", "10.1000/x(1)"), "https://doi.org/10.1000/x(1)");
        assert_eq!(code_url("PMID", "1/../2"), "");
        assert_eq!(code_url("GAMUTS", "1"), "");
        assert_eq!(code_url("LOINC", "\"><script>"), "");
    }

    #[test]
    fn percent_encoding_covers_every_byte_that_means_something() {
        assert_eq!(urlencode("a b/c&d=é\"'"), "a%20b/c%26d%3D%C3%A9%22%27");
    }
}
